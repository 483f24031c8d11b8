package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"postferry/internal/demo/servers"
	"postferry/store"
)

// pause is how long the demo's old server takes for a message, so that
// there is something to watch.
const pause = 40 * time.Millisecond

// Daemon is Postferry, as far as the demo needs it beside what a mail client and the other
// commands see.
type Daemon interface {
	// Run serves until ctx ends.
	Run(ctx context.Context) error
	// IMAPSAddr and IMAPAddr are where mail clients connect.
	IMAPSAddr() net.Addr
	IMAPAddr() net.Addr
	// PageURL is the import page's address.
	PageURL() string
	// AddAdministrator lets somebody enter the import page.
	AddAdministrator(ctx context.Context, name string, password store.Secret) error
	// AddDomain sets a domain up, as somebody does on the page, with how Postferry signs in at its new server.
	AddDomain(ctx context.Context, d store.Domain, signIn store.SignIn) error
	// AddAccounts adds accounts; with begin they move at once.
	AddAccounts(ctx context.Context, accounts []store.Account, begin bool) error
}

// Start opens what "postferry serve" runs with a configuration file. Its Run must be
// called if there is no error.
type Start func(ctx context.Context, config string, stderr io.Writer) (Daemon, error)

// Run sets the stage, has start run Postferry on it, and takes the tour. Unless it is
// to be taken once only, everything stays up until ctx ends.
func Run(ctx context.Context, start Start, out, stderr io.Writer, once bool) (err error) {
	stage, err := newStage(ctx, start, stderr)
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
	dir    string
	config string // path of the configuration
	mail   *servers.Pair
	names  *names
	daemon Daemon
	stop   context.CancelFunc
	ended  chan error
}

func newStage(ctx context.Context, start Start, stderr io.Writer) (*stage, error) {
	s := &stage{}
	if err := s.setUp(ctx, start, stderr); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// setUp begins what close ends, as far as it gets.
func (s *stage) setUp(ctx context.Context, start Start, stderr io.Writer) (err error) {
	if s.dir, err = os.MkdirTemp("", "postferry-demo-"); err != nil {
		return err
	}
	if s.mail, err = servers.Start(pause); err != nil {
		return err
	}
	if s.names, err = startNames(); err != nil {
		return err
	}
	return s.startDaemon(ctx, start, stderr)
}

// startDaemon runs Postferry between the servers.
func (s *stage) startDaemon(ctx context.Context, start Start, stderr io.Writer) (err error) {
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
[watch]
resolvers = [%s]
[[domain]]
name = %q
old = %q
new = %q
enrol = true
`, s.names.addrs(), mailDomain, s.mail.Old.URL(), s.mail.New.URL())
	s.config = filepath.Join(s.dir, "config.toml")
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		return err
	}
	if s.daemon, err = start(ctx, s.config, stderr); err != nil {
		return err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop, s.ended = stop, make(chan error, 1)
	go func() { s.ended <- s.daemon.Run(running) }()
	return nil
}

// state is the folder that the configuration names.
func (s *stage) state() string { return filepath.Join(s.dir, "state") }

func (s *stage) close() error {
	var errs []error
	if s.stop != nil {
		s.stop()
		errs = append(errs, <-s.ended)
	}
	if s.mail != nil {
		s.mail.Close()
	}
	if s.names != nil {
		errs = append(errs, s.names.close())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// invite says how to look around oneself.
func (s *stage) invite(out io.Writer, page page) {
	fmt.Fprintf(out, `
Everything stays up now. Point your own mail program at it:

  server     127.0.0.1
  port       %s with TLS (IMAPS), or %s with STARTTLS
  login      %s
  password   %s

The certificate is self-signed, made for this run: accept it when asked.
Or look at it the way an administrator does, in a browser: colleagues of hers
are being moved right now, others wait to be begun, and "The way to the end" says
what to do next until the old server may be switched off.

  page       %s
  name       %s
  password   %s

Or in another terminal:

  postferry status -c %s %s

Ctrl-C ends the demo and removes everything.
`, port(s.daemon.IMAPSAddr()), port(s.daemon.IMAPAddr()), servers.Login, servers.Password,
		page.url, page.name, page.password.Reveal(), s.config, servers.Login)
}
