package control

import (
	"context"
	"encoding/json"
	"net/http"

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
	Title string      `json:"title"`
	Error *replyError `json:"error,omitempty"`
}

// DecideFolder implements Backend.
func (r *Client) DecideFolder(ctx context.Context, d FolderDecision) (title string, err error) {
	var reply folderReply
	err = r.ask(ctx, pathFolder, d, func(dec *json.Decoder) error { return dec.Decode(&reply) })
	if err == nil {
		err = reply.Error.err()
	}
	return reply.Title, err
}

func (c *server) decideFolder(w http.ResponseWriter, r *http.Request) {
	var req FolderDecision
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	title, err := c.backend.DecideFolder(r.Context(), req)
	if err == nil {
		c.log.Info().Str("account", req.Login).Str("folder", title).Str("verdict", string(req.Verdict)).Msg("a missing folder was decided about")
	}
	_ = out.write(folderReply{Title: title, Error: describeError(err)})
}
