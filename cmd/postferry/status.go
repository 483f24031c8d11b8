package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"postferry/internal/backend"
	"postferry/internal/console"
	"postferry/internal/control"
)

const statusHelp = `Status shows how far each account is: how many messages the old server has, how
many of them are on the new server, how many one of the servers refuses
(quarantined), when the last pass ended, how fast it went, and what keeps the
account from being copied, if anything.

With logins on the command line it shows these accounts folder by folder.
It begins with the sums, and with what keeps accounts from being copied, each
cause once with how many accounts it has. Status only reads; while "postferry serve"
runs it asks the daemon and shows what is going on right now.

With --json it prints one JSON object for programs:

  totals            the sums over the accounts shown:
    accounts, complete, running, problems, messages, copied, quarantined,
    messages_per_second, bytes_per_second (of what is running), causes (a list,
    what keeps accounts from being copied: kind, server, host, needs_person, mend
    (servers, logins, sign_in, room, decide, wait, again), accounts, logins (of
    some), text, same, folder, since, retry_at), next (a list, one
    object for each domain: domain, stage, safe, next with code, args and text; see
    "postferry advise --help")
  accounts          a list, one object each:
    login, domain, origin (imported, enrolled), state (active, stopped,
    finished), running, complete (the last pass left nothing behind),
    current_folder (while running), messages (on the old server when last
    looked at), copied, quarantined, messages_per_second, bytes_per_second;
                    while running also bytes (of the messages dealt with),
                    bytes_total, bytes_about (true: reckoned, not counted),
                    seconds_left (missing while unknown)
    last_pass       null or: started, ended, complete, copied, adopted,
                    flag_changes, bytes, quarantined, error
    last_error      null or: kind, needs_person, summary, cause, advice (retry, fix), folder,
                    since, retry_at (null: not before something changed)
    folders         with logins or --folders, one object each: folder,
                    new_name, state (planned, present, missing, deleted, skipped),
                    note (why it is skipped, or not called as expected),
                    messages, copied, quarantined, last_checked, last_error; of
                    one that is missing on the new server also missing_since,
                    looks (for it, hours apart) and left_out (messages that
                    don't come because of that)

Times are RFC 3339. Fields may join; those above keep their names and meaning.

` + exitHelp

func newStatus() *cobra.Command {
	var path string
	var out output
	var query control.StatusQuery
	cmd := &cobra.Command{
		Use:   "status -c FILE [--problems] [--state STATE] [-o FORM] [LOGIN...]",
		Short: "Show how far each account is",
		Long:  statusHelp,
		Example: `  postferry status -c /etc/postferry/config.toml
  postferry status -c /etc/postferry/config.toml anna@example.com
  postferry status -c /etc/postferry/config.toml --problems
  postferry status -c /etc/postferry/config.toml --state failed,retrying -o wide
  postferry status -c /etc/postferry/config.toml --json | jq '.accounts[] | select(.last_error)'`,
		RunE: func(cmd *cobra.Command, logins []string) error {
			if err := backend.CheckStates(query.States); err != nil {
				return err
			}
			query.Logins = logins
			query.Folders = query.Folders || len(logins) > 0
			print := console.NewStatusTable(cmd.OutOrStdout(), out.wide())
			if out.json {
				print = console.NewStatusJSON(cmd.OutOrStdout())
			}
			return showStatus(cmd.Context(), path, query, print)
		},
	}
	configFlag(cmd, &path)
	out.flags(cmd, true)
	cmd.Flags().BoolVar(&query.Folders, "folders", false, "show the folders of every account")
	cmd.Flags().BoolVar(&query.Problems, "problems", false, "show only accounts that something keeps from being copied")
	cmd.Flags().StringSliceVar(&query.States, "state", nil, "show only accounts in this `STATE`: "+strings.Join(backend.StatusStates(), ", "))
	// The flag is registered above, so that this can't fail.
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(backend.StatusStates(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func showStatus(ctx context.Context, path string, q control.StatusQuery, p console.StatusPrinter) error {
	cfg, _, err := loadConfig(path)
	if err != nil {
		return err
	}
	b, err := openBackend(ctx, cfg, "status", nil)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.Status(ctx, q, p.Print); err != nil {
		return err
	}
	return p.End()
}
