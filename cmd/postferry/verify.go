package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/report"
)

// verifyCommand is what verify calls itself in the state's lock.
const verifyCommand = "verify"

const verifyHelp = `Verify compares what the old and the new server have, folder by folder and
message by message, and says what is missing, altered, doubled or different. It
reads both servers and writes to neither; run it whenever you like, and before
the old server is switched off.

Two messages are the same if their size and header (Message-ID, Date, From,
Sender, Subject) are. Where only the sizes differ, both messages are read and
compared but for their line ends, which servers count differently. With
--bodies all messages are read whole and compared by their SHA-256.

What Postferry has recorded plays no part in whether a message is there. It is
used to know which folder is which, as people rename folders, and to say why
something is missing. What is found is one of:

  damage     missing, quarantined (missing because a server refuses it),
             altered, doubled, date (another INTERNALDATE), unreadable,
             folder-missing, folder-unread
  doubtful   what a person may have done on the new server: removed (was copied,
             is gone from its folder now: deleted, moved, or lost), folder-absent
             (the same of a whole folder), flags, subscription,
             left-out (only in a view that is left alone, such as Gmail's All Mail:
             in no folder that is copied)
  harmless   repaired (the new server refused it as it was; "postferry quarantine
             list --repaired" says what was done), extra (mail on the new server only), folder-extra, folder-skipped,
             folder-removed (deleted by its user through Postferry, or so a
             person said)

Without logins it verifies all accounts that are not finished. Damage, an
account that can't be verified, or none at all makes the exit status 1, doubtful things only with --strict. A message
that reached the old server after the last pass is missing as well; "postferry
sync" first if you want to know about the rest.

--json and --csv export everything to a file, or to standard output with "-". The
JSON has one object a line: {"finding": ...}, {"folder": ...} and {"account": ...}
with their sums, at the end {"summary": ...}. A finding has login, folder,
new_folder, kind, severity, old_uid, new_uid, date, size, old and new (what
differs), reason. The CSV has a line for each finding, with the same columns.

It takes about 100 octets of memory for each message of the largest folders,
and up to four connections to each server beside those of the daemon.

` + exitHelp

// verifyOptions are the command's flags.
type verifyOptions struct {
	query     control.VerifyQuery
	strict    bool
	json, csv string // files; "-" for standard output
}

func newVerify() *cobra.Command {
	var path string
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify -c FILE [--bodies] [--strict] [--json FILE] [--csv FILE] [LOGIN...]",
		Short: "Compare the old and the new server, message by message",
		Long:  verifyHelp,
		Example: `  postferry verify -c /etc/postferry/config.toml
  postferry verify -c /etc/postferry/config.toml --bodies --csv report.csv anna@example.com
  postferry verify -c /etc/postferry/config.toml --json - | jq 'select(.finding.severity == "damage")'`,
		RunE: func(cmd *cobra.Command, logins []string) error {
			o.query.Logins = logins
			return verifyAccounts(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), path, o)
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&o.query.Bodies, "bodies", false, "compare the SHA-256 of whole messages")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "doubtful things make the exit status 1, too")
	cmd.Flags().StringVar(&o.json, "json", "", "export to `FILE` as JSON lines; \"-\" for standard output")
	cmd.Flags().StringVar(&o.csv, "csv", "", "export to `FILE` as CSV; \"-\" for standard output")
	return cmd
}

func verifyAccounts(ctx context.Context, stdout, stderr io.Writer, path string, o verifyOptions) (err error) {
	if o.json == "-" && o.csv == "-" {
		return control.UsageError(errors.New(`only one of --json and --csv can go to standard output; give the other one a file name`))
	}
	cfg, _, err := loadConfig(path)
	if err != nil {
		return err
	}
	b, err := openBackend(ctx, cfg, verifyCommand, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	exports, err := console.OpenExports(stdout, o.json, o.csv)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, exports.Close()) }()
	table := io.Discard
	if o.json != "-" && o.csv != "-" {
		table = stdout
	}
	printed := console.NewVerifyReport(table, stderr)
	err = b.Verify(ctx, o.query, func(e report.VerifyEvent) error {
		printed.Take(e)
		return exports.Write(e)
	})
	if err != nil {
		return err
	}
	sum := printed.End(o.strict)
	if err := exports.End(sum); err != nil {
		return err
	}
	if sum.Result != console.ResultGood {
		return errIncomplete
	}
	return nil
}
