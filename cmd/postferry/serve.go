package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"postferry/config"
	"postferry/internal/control"
	"postferry/store/bolt/statedir"
)

// serveCommand is what serve calls itself in the state's lock.
const serveCommand = "serve"

const serveHelp = `Serve runs the daemon: it listens for mail clients and passes over all accounts
in the background, again and again, until DNS has settled and you stop it.

It logs to standard error: text on a terminal, JSON lines otherwise, or as
[log] in the configuration says. Every address it listens on is in the line
that says "ready".

Signals:
  SIGTERM, SIGINT  finish what clients have under way (10 seconds at most) and
                   end; a second one ends at once
  SIGHUP           read the certificate and its key again

Nothing is lost if it is killed: it goes on where it was. While it runs, the
other commands reach it over a socket in the state directory.

` + traceHelp + "\n\n" + exitHelp

func newServe() *cobra.Command {
	var path, trace string
	cmd := &cobra.Command{
		Use:   "serve -c FILE [--trace FILE]",
		Short: "Run the daemon: listen for mail clients and copy in the background",
		Long:  serveHelp,
		Example: `  postferry serve -c /etc/postferry/config.toml
  postferry serve -c /etc/postferry/config.toml 2>>/var/log/postferry.log`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), path, trace, cmd.ErrOrStderr())
		},
	}
	configFlag(cmd, &path)
	traceFlag(cmd, &trace)
	return cmd
}

func serve(ctx context.Context, path, tracePath string, stderr io.Writer) (err error) {
	sockets, err := inheritedSockets()
	if err != nil {
		return err
	}
	cfg, warnings, err := loadConfig(path, func(c *config.Config) []config.Finding { return checkListen(ctx, withoutInherited(c, sockets)) })
	if err != nil {
		return err
	}
	log := newLogger(cfg.Log, stderr)
	for _, w := range warnings {
		log.Warn().Msg(w.String())
	}
	trace, err := openTrace(tracePath, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, trace.Close()) }()
	d, err := openDaemonOn(ctx, sockets, cfg, log, nil)
	if err != nil {
		return err
	}
	trace.of(d.engine)
	err = d.run(ctx)
	if err == nil {
		log.Info().Msg("ended")
	}
	return err
}

// checkListen looks for addresses in use, unless it is our own daemon that
// uses them: then the state's lock has the better words for it.
func checkListen(ctx context.Context, cfg *config.Config) []config.Finding {
	if cfg.State != "" && statedir.CheckPrivate(cfg.State) == nil {
		if c, err := control.Dial(ctx, cfg.State); err == nil {
			c.Close()
			return nil
		}
	}
	return config.CheckListen(cfg)
}
