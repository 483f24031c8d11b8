package control

import (
	"context"

	"postferry/report"
)

// FolderDecision is what somebody says of a folder.
type FolderDecision struct {
	Login   string               `json:"login"`
	Folder  string               `json:"folder"` // its title, or its name on either server
	Verdict report.FolderVerdict `json:"verdict"`
}

// pathFolder is POST FolderDecision -> folderReply.
const pathFolder = "/v1/folder"

type folderReply struct {
	Title string `json:"title"`
}

// DecideFolder implements Backend.
func (r *Client) DecideFolder(ctx context.Context, d FolderDecision) (title string, err error) {
	reply, err := question[folderReply](ctx, r, pathFolder, d)
	return reply.Title, err
}

func (c *server) decideFolder(ctx context.Context, req FolderDecision) (folderReply, error) {
	title, err := c.backend.DecideFolder(ctx, req)
	if err == nil {
		c.log.Info().Str("account", req.Login).Str("folder", title).Str("verdict", string(req.Verdict)).Msg("a missing folder was decided about")
	}
	return folderReply{title}, err
}
