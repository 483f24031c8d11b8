package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/report"
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
		newFolderVerdict(report.FolderDeleted, "Say that a folder was deleted on purpose", "it counts as deleted and is not made again"),
		newFolderVerdict(report.FolderRecreate, "Have a folder made again and filled anew", "it is made again"))
	return cmd
}

// newFolderVerdict is the command of one verdict; done says what has become of the folder.
func newFolderVerdict(verdict report.FolderVerdict, short, done string) *cobra.Command {
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
			title, err := b.DecideFolder(cmd.Context(), control.FolderDecision{Login: names[0], Folder: names[1], Verdict: verdict})
			if err := errors.Join(err, b.Close()); err != nil {
				return err
			}
			then := "postferry sync makes the next pass"
			if _, ok := b.(*control.Client); ok {
				then = "the daemon begins a pass"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s; %s\n", console.Printable(title), done, then)
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}
