package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"postferry/config"
	"postferry/internal/backend"
	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/internal/humanize"
	"postferry/report"
)

// quarantineCommand is what quarantine calls itself in the state's lock.
const quarantineCommand = "quarantine"

const quarantineHelp = `A message that one of the servers refuses goes to quarantine, so that it doesn't
hold up the others. It stays where it is on the old server, which keeps being
read only.

Before that, a message the new server refuses is tried once more in a repaired
form: NUL octets become 0x80, bare LF becomes CRLF, a final line end is added,
mbox lines and blanks that don't belong into the header are removed. Those
messages are on the new server; list --repaired shows them, with what was done.

LOGIN chooses an account, ID (the list's first column) a single message; without
either all messages in quarantine are meant.

While "postferry serve" runs the daemon does the work.

` + exitHelp

func newQuarantine() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "Look at the messages that a server refuses, get them out, or try them again",
		Long:  quarantineHelp,
		Example: `  postferry quarantine list -c /etc/postferry/config.toml
  postferry quarantine show -c /etc/postferry/config.toml 12.1.5e3f7a9000000c41
  postferry quarantine export -c /etc/postferry/config.toml -o refused anna@example.com
  postferry quarantine retry -c /etc/postferry/config.toml anna@example.com`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newQuarantineList(), newQuarantineShow(), newQuarantineRetry(), newQuarantineExport())
	return cmd
}

func newQuarantineRetry() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "retry -c FILE [LOGIN|ID...]",
		Short: "Try messages again with the next pass",
		Long: `Retry lets messages out of quarantine: the next pass tries them again, for
instance because the new server takes larger messages now. While "postferry
serve" runs, that pass begins at once; otherwise "postferry sync" makes it. What
is still refused goes back to quarantine.

` + exitHelp,
		Example: `  postferry quarantine retry -c /etc/postferry/config.toml
  postferry quarantine retry -c /etc/postferry/config.toml anna@example.com`,
		RunE: func(cmd *cobra.Command, names []string) error {
			return withQuarantine(cmd, path, func(ctx context.Context, b control.Backend) error {
				return retryQuarantined(ctx, cmd.OutOrStdout(), b, control.QuarantineQuery{Names: names})
			})
		},
	}
	configFlag(cmd, &path)
	return cmd
}

func retryQuarantined(ctx context.Context, w io.Writer, b control.Backend, q control.QuarantineQuery) error {
	released, err := b.RetryQuarantined(ctx, q)
	if err != nil {
		return err
	}
	then := "the next pass tries them again (postferry sync)"
	if _, ok := b.(*control.Client); ok {
		then = "the daemon tries them again now"
	}
	if released == 0 {
		fmt.Fprintln(w, noneQuarantined)
		return nil
	}
	_, err = fmt.Fprintf(w, "%s released: %s\n", humanize.Count(released, "message"), then)
	return err
}

// noneQuarantined is what commands say that found nothing.
const noneQuarantined = "no message is in quarantine"

func newQuarantineShow() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "show -c FILE ID",
		Short: "Show a message's header and why it is refused",
		Long: `Show prints why a message is in quarantine, in the server's words, and the
message's header as the old server has it.

` + exitHelp,
		Example: `  postferry quarantine show -c /etc/postferry/config.toml 12.1.5e3f7a9000000c41`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			if _, ok := backend.ParseMessageID(names[0]); !ok {
				return control.UsageError(fmt.Errorf("%q is no ID of a message (postferry quarantine list shows them)", names[0]))
			}
			return withQuarantine(cmd, path, func(ctx context.Context, b control.Backend) error {
				return showQuarantined(ctx, cmd.OutOrStdout(), b, control.QuarantineQuery{Names: names})
			})
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// shownHeader is the most that show prints of a header. Octets.
const shownHeader = 256 << 10

func showQuarantined(ctx context.Context, stdout io.Writer, b control.Backend, q control.QuarantineQuery) error {
	w := bufio.NewWriter(stdout)
	shown, incomplete := false, false
	err := b.QuarantinedMail(ctx, q, func(rec report.QuarantineRecord, body io.Reader, missing string) error {
		shown = true
		printQuarantined(w, rec)
		fmt.Fprintln(w)
		if body == nil {
			incomplete = true
			fmt.Fprintf(w, "The message itself can't be shown: %s\n", console.Printable(missing))
			return nil
		}
		header, err := backend.HeaderOf(body, shownHeader)
		for line := range lines(header) {
			fmt.Fprintln(w, console.Printable(line))
		}
		return err
	})
	if err := errors.Join(err, w.Flush()); err != nil {
		return err
	}
	if !shown {
		return control.UsageError(fmt.Errorf("the message %s is not in quarantine (any more)", q.Names[0]))
	}
	if incomplete {
		return errIncomplete
	}
	return nil
}

// withQuarantine runs a command that needs the engine: the daemon's, or one of its own.
func withQuarantine(cmd *cobra.Command, path string, run func(ctx context.Context, b control.Backend) error) error {
	cfg, _, err := loadConfig(path)
	if err != nil {
		return err
	}
	log := quietLogger(cfg.Log, cmd.ErrOrStderr())
	b, err := openBackend(cmd.Context(), cfg, quarantineCommand, &log)
	if err != nil {
		return err
	}
	return errors.Join(run(cmd.Context(), b), b.Close())
}

// quietLogger leaves out what a short command's user doesn't want to know.
func quietLogger(c config.Log, w io.Writer) zerolog.Logger {
	return newLogger(c, w).Level(zerolog.WarnLevel)
}
