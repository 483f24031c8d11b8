package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// The person of the demo. Her password is no secret.
const (
	demoLogin    = "anna@example.org"
	demoPassword = "über 7 Brücken"
)

// demoPause is how long the demo's old server takes for a message, so that
// there is something to watch.
const demoPause = 40 * time.Millisecond

const demoHelp = `Demo shows what Postferry does, without any set-up: it starts two small mail
servers in memory, an old one with sample mail and an empty new one, and
Postferry between them. A mail client logs in and tells what it sees: a folder
that is read while it is still on its way, the rest arriving, mail that turns up
late at the old server, a second pass that copies nothing. Every claim is
checked by looking at the servers directly.

Then everything stays up until you press Ctrl-C, so that you can point your own
mail program at it, and open the import page, on which more accounts move. With
--once it ends after the tour; the exit status is 0 only if every step showed
what it claims.

` + exitHelp

func newDemo() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo [--once]",
		Short: "Watch a mailbox move, without any set-up",
		Long:  demoHelp,
		Example: `  postferry demo
  postferry demo --once`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "end after the tour")
	return cmd
}

// demo sets the stage, runs Postferry on it, and takes the tour.
func demo(ctx context.Context, out, stderr io.Writer, once bool) (err error) {
	stage, err := newStage(ctx, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.close()) }()
	if err := newTour(stage, out).take(ctx); err != nil {
		return err
	}
	if once {
		return nil
	}
	page, err := stage.openPage(ctx)
	if err != nil {
		return err
	}
	stage.invite(out, page)
	select {
	case <-ctx.Done():
		return nil
	case err := <-stage.ended:
		stage.ended <- nil
		return err
	}
}

// stage is the demo's two servers and a running Postferry between them.
type stage struct {
	dir      string
	config   string // path of the configuration
	old, new *demoServer
	daemon   *daemon
	stop     context.CancelFunc
	ended    chan error
}

func newStage(ctx context.Context, stderr io.Writer) (*stage, error) {
	s := &stage{}
	if err := s.setUp(ctx, stderr); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// setUp begins what close ends, as far as it gets.
func (s *stage) setUp(ctx context.Context, stderr io.Writer) (err error) {
	if s.dir, err = os.MkdirTemp("", "postferry-demo-"); err != nil {
		return err
	}
	if err := s.startServers(demoPause); err != nil {
		return err
	}
	return s.startDaemon(ctx, stderr)
}

// startServers fills the old server and leaves the new one as a new mailbox is:
// with the folders that servers make for everyone, but no mail. The old one takes pause
// for each message.
func (s *stage) startServers(pause time.Duration) (err error) {
	var names []string
	for _, f := range demoFolders() {
		names = append(names, f.name)
	}
	if s.old, err = startDemoServer(demoLogin, demoPassword, names, pause); err != nil {
		return err
	}
	for part, f := range demoFolders() {
		for _, m := range demoMail(f, part) {
			if err := s.old.put(f.name, m); err != nil {
				return err
			}
		}
	}
	s.new, err = startDemoServer(demoLogin, demoPassword, []string{"INBOX", "Sent", "Drafts", "Trash"}, 0)
	return err
}

// startDaemon runs what "postferry serve" runs, with a configuration like any other.
func (s *stage) startDaemon(ctx context.Context, stderr io.Writer) error {
	text := fmt.Sprintf(`state = "state"
[admin]
listen = "127.0.0.1:0"
[proxy]
imaps = "127.0.0.1:0"
imap = "127.0.0.1:0"
[sync]
interval = "1h"
[log]
level = "error"
[[domain]]
name = "example.org"
old = %q
new = %q
enrol = true
`, s.old.url(), s.new.url())
	s.config = filepath.Join(s.dir, "config.toml")
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		return err
	}
	cfg, _, err := loadConfig(s.config)
	if err != nil {
		return err
	}
	if s.daemon, err = openDaemon(ctx, cfg, newLogger(cfg.Log, stderr)); err != nil {
		return err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop, s.ended = stop, make(chan error, 1)
	go func() { s.ended <- s.daemon.run(running) }()
	return nil
}

func (s *stage) close() error {
	var errs []error
	if s.stop != nil {
		s.stop()
		errs = append(errs, <-s.ended)
	}
	for _, server := range []*demoServer{s.old, s.new} {
		if server != nil {
			server.close()
		}
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// invite says how to look around oneself.
func (s *stage) invite(out io.Writer, page demoPage) {
	fmt.Fprintf(out, `
Everything stays up now. Point your own mail program at it:

  server     127.0.0.1
  port       %s with TLS (IMAPS), or %s with STARTTLS
  login      %s
  password   %s

The certificate is self-signed, made for this run: accept it when asked.
Or look at it the way an administrator does, in a browser: colleagues of hers
are being moved right now, others wait to be begun.

  page       %s
  name       %s
  password   %s

Or in another terminal:

  postferry status -c %s %s

Ctrl-C ends the demo and removes everything.
`, port(s.daemon.proxy.IMAPSAddr()), port(s.daemon.proxy.IMAPAddr()), demoLogin, demoPassword,
		page.url, page.name, page.password.Reveal(), s.config, demoLogin)
}
