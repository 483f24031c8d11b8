package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"postferry/admin"
	"postferry/store"
	"postferry/syncer"
	"postferry/wire"
)

// folderCommand is what folder calls itself in the state's lock.
const folderCommand = "folder"

const folderHelp = `A folder that is gone from the new server, without a mail program having deleted it
through Postferry, is missing: it may have been deleted, renamed beyond
recognition, hidden for a while, or lost. It is looked for at each pass and goes
on when it is found. As long as mail stays behind because of it, "postferry
status LOGIN" says how much, and "postferry sync" and "postferry verify" end with
status 1. Somebody who knows can decide:

  deleted    it was deleted on purpose; what has not been copied stays behind
  recreate   it was lost: it is made again, and all that the old server has in
             it is copied anew

FOLDER is its name at the old server, as status shows it. Of a folder that went
from the old server before all of it was copied, "deleted" says that nothing
more will come.

While "postferry serve" runs the daemon does the work and begins a pass.

` + exitHelp

func newFolder() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "folder",
		Short: "Say what became of a folder that is missing on the new server",
		Long:  folderHelp,
		Example: `  postferry folder deleted -c /etc/postferry/config.toml anna@example.com "Old/2009"
  postferry folder recreate -c /etc/postferry/config.toml anna@example.com Taxes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newFolderVerdict(syncer.Deleted, "Say that a folder was deleted on purpose", "it counts as deleted and is not made again"),
		newFolderVerdict(syncer.Recreate, "Have a folder made again and filled anew", "it is made again"))
	return cmd
}

// newFolderVerdict is the command of one verdict; done says what has become of the folder.
func newFolderVerdict(verdict syncer.Verdict, short, done string) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     string(verdict) + " -c FILE LOGIN FOLDER",
		Short:   short,
		Long:    short + ".\n\n" + folderHelp,
		Example: fmt.Sprintf("  postferry folder %s -c /etc/postferry/config.toml anna@example.com Taxes", verdict),
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, _, err := loadConfig(path)
			if err != nil {
				return err
			}
			log := quietLogger(cfg.Log, cmd.ErrOrStderr())
			b, err := openBackend(cmd.Context(), cfg, folderCommand, &log)
			if err != nil {
				return err
			}
			title, err := b.DecideFolder(cmd.Context(), folderDecision{Login: names[0], Folder: names[1], Verdict: verdict})
			if err := errors.Join(err, b.Close()); err != nil {
				return err
			}
			then := "postferry sync makes the next pass"
			if _, ok := b.(*remote); ok {
				then = "the daemon begins a pass"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s; %s\n", printable(title), done, then)
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// folderDecision is what somebody says of a folder.
type folderDecision struct {
	Login   string         `json:"login"`
	Folder  string         `json:"folder"` // its title, or its name on either server
	Verdict syncer.Verdict `json:"verdict"`
}

// pathFolder is POST folderDecision -> folderReply.
const pathFolder = "/v1/folder"

type folderReply struct {
	Title string        `json:"title"`
	Error *controlError `json:"error,omitempty"`
}

// DecideFolder implements backend.
func (l *local) DecideFolder(ctx context.Context, d folderDecision) (title string, err error) {
	accounts, err := l.accounts(ctx, []string{d.Login})
	if err != nil {
		return "", err
	}
	id := accounts[0].ID
	if of := accounts[0].Alias; of != 0 {
		id = of
	}
	rows, err := l.store.Folders(ctx, id)
	if err != nil {
		return "", err
	}
	row, err := namedFolder(rows, d.Folder)
	if err != nil {
		return "", err
	}
	err = l.engine.DecideFolder(ctx, id, row.ID, d.Verdict)
	if errors.Is(err, syncer.ErrNotMissing) {
		err = usageError(fmt.Errorf("the folder %q is not missing: there is nothing to decide (postferry status %s)", row.Title, d.Login))
	}
	if err == nil {
		err = l.noter().DecidedFolder(ctx, accounts[0], admin.FolderVerdict(d.Verdict), row.Title)
	}
	return row.Title, err
}

// namedFolder finds a folder by its title or one of its names; one that is missing goes
// before others.
func namedFolder(rows []store.Folder, name string) (store.Folder, error) {
	var found []store.Folder
	for _, row := range rows {
		for _, n := range []string{row.Title, row.Old, wire.DecodeMailbox(row.Old), row.New, wire.DecodeMailbox(row.New)} {
			if n == name {
				found = append(found, row)
				break
			}
		}
	}
	var missing []store.Folder
	var titles []string
	for _, row := range found {
		titles = append(titles, fmt.Sprintf("%q", row.Title))
		if row.State == store.FolderMissing {
			missing = append(missing, row)
		}
	}
	switch {
	case len(missing) == 1:
		return missing[0], nil
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return store.Folder{}, usageError(fmt.Errorf("no folder is called %q (postferry status LOGIN shows them)", name))
	}
	return store.Folder{}, usageError(fmt.Errorf("several folders are called %q: %s; give the name at the old server", name, strings.Join(titles, ", ")))
}

// DecideFolder implements backend.
func (r *remote) DecideFolder(ctx context.Context, d folderDecision) (title string, err error) {
	var reply folderReply
	err = r.ask(ctx, pathFolder, d, func(dec *json.Decoder) error { return dec.Decode(&reply) })
	if err == nil {
		err = reply.Error.err()
	}
	return reply.Title, err
}

func (c *controlServer) decideFolder(w http.ResponseWriter, r *http.Request) {
	var req folderDecision
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
