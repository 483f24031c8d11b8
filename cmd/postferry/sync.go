package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"postferry/config"
	"postferry/internal/backend"
	"postferry/internal/console"
	"postferry/internal/control"
)

// syncCommand is what sync calls itself in the state's lock.
const syncCommand = "sync"

const syncHelp = `Sync makes one pass over all accounts, or over the logins given, and ends: it
brings folders and messages that are not on the new server yet, and carries
changed flags over. It needs no proxy. What was copied before is not copied
again, so that a second pass takes little time.

On a terminal it shows bars; otherwise a line when an account starts and ends
and one for all of them every few seconds. At the end a table says what was
copied, what the servers refused, and what to do about problems.

With --dry-run it says what a pass would do and does nothing of it: which
folders are created and what they are called on the new server, how many
messages and how much would be copied at most (what the new server turns out to
have already is not copied), about how long that takes, and what won't fit: the
new server's quota, and messages larger than it takes. Both servers are only
read and nothing is recorded. The exit status is 1 if something won't fit or an
account can't be planned for.

Ctrl-C stops it; the next pass goes on from there. While "postferry serve" runs,
the daemon makes the pass and stopping sync leaves the daemon at work.

` + traceHelp + "\n\n" + exitHelp

func newSync() *cobra.Command {
	var path, trace string
	var dry bool
	cmd := &cobra.Command{
		Use:   "sync -c FILE [--dry-run] [--trace FILE] [LOGIN...]",
		Short: "Make one pass over all accounts, or over some",
		Long:  syncHelp,
		Example: `  postferry sync -c /etc/postferry/config.toml
  postferry sync -c /etc/postferry/config.toml anna@example.com bert@example.com
  postferry sync -c /etc/postferry/config.toml --dry-run`,
		RunE: func(cmd *cobra.Command, logins []string) error {
			switch {
			case dry && trace != "":
				return control.UsageError(errors.New("--trace is for passes that are made, not for --dry-run"))
			case dry:
				return planSync(cmd.Context(), cmd.OutOrStdout(), path, logins)
			}
			return syncOnce(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), path, trace, logins)
		},
	}
	configFlag(cmd, &path)
	traceFlag(cmd, &trace)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be done, and do nothing")
	return cmd
}

func syncOnce(ctx context.Context, stdout, stderr io.Writer, path, tracePath string, logins []string) (err error) {
	cfg, warnings, err := loadConfig(path)
	if err != nil {
		return err
	}
	progress := console.NewProgress(stdout)
	log := newLogger(cfg.Log, progress.Beside(stderr))
	for _, w := range warnings {
		log.Warn().Msg(w.String())
	}
	trace, err := openTrace(tracePath, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, trace.Close()) }()
	results, err := syncWith(ctx, cfg, &log, logins, trace, progress)
	if len(results) > 0 {
		fmt.Fprint(stdout, console.Summary(results))
	}
	if err != nil {
		return err
	}
	if len(results) == 0 {
		fmt.Fprintln(stdout, "no accounts: import a list first (postferry import --help)")
	}
	if !slices.ContainsFunc(results, func(r control.SyncResult) bool { return !r.Complete() }) {
		return nil
	}
	return errIncomplete
}

// syncWith makes the pass in this process or the daemon.
func syncWith(ctx context.Context, cfg *config.Config, log *zerolog.Logger, logins []string, trace traceFile, p console.Progress) (results []control.SyncResult, err error) {
	defer p.End()
	b, err := openBackend(ctx, cfg, syncCommand, log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	switch b := b.(type) {
	case *backend.Local:
		trace.of(b.Engine)
	case *control.Client:
		if trace.tracer != nil {
			return nil, control.UsageError(errTraceDaemon)
		}
	}
	return b.Sync(ctx, logins, p.Show)
}
