package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"postferry/admin/server"
	"postferry/config"
	"postferry/internal/backend"
	"postferry/internal/control"
	"postferry/notify"
	"postferry/proxy"
	"postferry/store/bolt"
	"postferry/syncer"
)

// daemon is everything that serve runs: the proxy in front, the engine behind
// it, and the control socket beside.
type daemon struct {
	cfg     *config.Config
	log     zerolog.Logger
	store   *bolt.Store
	engine  *syncer.Engine
	control net.Listener
	sockets proxy.Sockets // that were open before
	proxy   *proxy.Server
	backend *backend.Local // what the control socket and the page work with
	page    *server.Server // nil for none
	teller  *notify.Teller // tells people how moves go on
}

// openDaemon opens the state and the sockets. Nothing is served before run,
// which must be called if there is no error.
func openDaemon(ctx context.Context, cfg *config.Config, log zerolog.Logger) (*daemon, error) {
	return openDaemonOn(ctx, proxy.Sockets{}, cfg, log, nil)
}

// openDaemonAsking is openDaemon with the DNS servers, host:port, that the page
// asks for old servers; nil for the system's.
func openDaemonAsking(ctx context.Context, cfg *config.Config, log zerolog.Logger, resolvers []string) (*daemon, error) {
	return openDaemonOn(ctx, proxy.Sockets{}, cfg, log, resolvers)
}

// openDaemonOn is openDaemonAsking with sockets that are open already.
func openDaemonOn(ctx context.Context, sockets proxy.Sockets, cfg *config.Config, log zerolog.Logger, resolvers []string) (*daemon, error) {
	var st *bolt.Store
	open := func() (err error) {
		st, err = bolt.Open(cfg.State, bolt.Options{Command: serveCommand, Log: log})
		return err
	}
	err := patiently(ctx, func() error {
		return askingForTime(startExtension, func(state string) { notifySystemd(log, state) }, open)
	}, takesLongOrServes)
	if err != nil {
		return nil, err
	}
	d := &daemon{cfg: cfg, log: log, store: st, sockets: sockets}
	if err := d.open(ctx, resolvers); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// open opens what works with the state. What it has opened before an error is
// left to close.
func (d *daemon) open(ctx context.Context, resolvers []string) (err error) {
	if err := learnDomains(ctx, d.cfg.Directory, d.store); err != nil {
		return err
	}
	raiseDescriptors(d.cfg, d.cfg.Directory.All(), d.log)
	if d.engine, err = syncer.New(d.cfg, d.store, d.log); err != nil {
		return err
	}
	keeper := newKeeper(d.store, d.log)
	d.engine.SignInWith(keeper)
	if d.control, err = control.Listen(ctx, d.cfg.State); err != nil {
		return err
	}
	if d.proxy, err = proxy.NewOn(d.sockets, d.cfg, d.store, d.engine, d.log); err != nil {
		return err
	}
	d.engine.TellOpened(func() []syncer.Opened { return backend.Opened(d.proxy) })
	d.backend = &backend.Local{Store: d.store, Engine: d.engine, Relay: d.proxy, Background: true, Config: d.cfg, Log: d.log, Guide: backend.NewGuide(d.cfg, d.store, d.log, resolvers)}
	d.backend.Keeper, d.backend.Guide.MXMoved = keeper, d.engine.MXMoved
	if d.teller, err = newTeller(d.cfg, d.store, d.backend.Guide, d.log); err != nil {
		return err
	}
	if d.cfg.Admin.Listen == "" {
		return nil
	}
	if d.page, err = openPage(d, resolvers); err != nil {
		return err
	}
	d.backend.NewLink, d.backend.Corrected, d.backend.Operator = d.page.NewLink, d.page.Corrected, d.page.Operator()
	return nil
}

// run serves until ctx ends, and then until clients' commands have drained.
// The engine ends last: what drains may still need it.
func (d *daemon) run(ctx context.Context) error {
	d.announce()
	d.notify(systemd.SdNotifyReady)
	all, ctx := errgroup.WithContext(ctx)
	engineCtx, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	all.Go(func() error { return ended(engineCtx, d.engine.Run(engineCtx, true), "the engine") })
	all.Go(func() error {
		defer stopEngine()
		front, ctx := errgroup.WithContext(ctx)
		front.Go(func() error {
			d.proxy.Serve(ctx)
			return nil
		})
		front.Go(func() error { return ended(ctx, control.Serve(ctx, d.control, d.backend, d.log), "the control socket") })
		front.Go(func() error {
			d.backend.Guide.Watch(ctx)
			return nil
		})
		front.Go(func() error {
			d.teller.Run(ctx)
			return nil
		})
		if d.page != nil {
			front.Go(func() error { return ended(ctx, d.page.Serve(ctx), "the import page") })
		}
		front.Go(func() error {
			d.reloadOnHangup(ctx)
			return nil
		})
		front.Go(func() error { return d.watchdog(ctx) })
		front.Go(func() error {
			select {
			case <-ctx.Done():
				return nil
			case <-d.store.Lost():
				return d.store.LostError()
			}
		})
		front.Go(func() error {
			<-ctx.Done()
			d.notify(systemd.SdNotifyStopping)
			if context.Cause(ctx) == errSignal {
				d.log.Info().Msg("ending: letting clients finish")
			}
			return nil
		})
		return front.Wait()
	})
	err := waitUnlessLost(d.store, all.Wait)
	return errors.Join(err, d.close())
}

// lostGrace bounds how long is waited for what works with a state that is lost: it may
// wait for the database for ever.
const lostGrace = 15 * time.Second

// waitUnlessLost waits for what works with a state. Once that is lost it is the
// reason for all else, and is waited for no longer than lostGrace.
func waitUnlessLost(st *bolt.Store, wait func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- wait() }()
	var err error
	select {
	case err = <-ended:
	case <-st.Lost():
		select {
		case <-ended:
		case <-time.After(lostGrace):
		}
	}
	if lost := st.LostError(); lost != nil {
		return lost
	}
	return err
}

// ended is the error of a part that should run until ctx ends.
func ended(ctx context.Context, err error, part string) error {
	switch {
	case ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
		return nil
	case err == nil:
		return errors.New(part + " ended by itself")
	}
	return err
}

// announce logs what a person wants to see first.
func (d *daemon) announce() {
	var names []string
	for _, domain := range d.cfg.Directory.All() {
		names = append(names, domain.Name)
	}
	line := d.log.Info().Str("version", versionString()).Int("pid", os.Getpid()).Str("state", d.cfg.State)
	if addr := d.proxy.IMAPSAddr(); addr != nil {
		line = line.Stringer("imaps", addr)
	}
	if addr := d.proxy.IMAPAddr(); addr != nil {
		line = line.Stringer("imap", addr)
	}
	if d.page != nil {
		line = line.Str("page", d.page.URL())
	}
	line.Strs("domains", names).Msg("ready")
	if d.cfg.Proxy.AllowPlaintext {
		d.log.Warn().Msg("logins without TLS are accepted (proxy.allow_plaintext): anyone on the way can read passwords")
	}
}

// reloadOnHangup reads the certificate again on SIGHUP.
func (d *daemon) reloadOnHangup(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			d.proxy.Reload()
		}
	}
}

// close lets go of what was opened.
func (d *daemon) close() error {
	var errs []error
	if d.proxy != nil {
		d.proxy.Close()
	}
	if d.page != nil {
		errs = append(errs, d.page.Close())
	}
	if d.control != nil {
		d.control.Close()
		errs = append(errs, control.RemoveSocket(filepath.Join(d.cfg.State, control.SocketName)))
	}
	return errors.Join(append(errs, d.store.Close())...)
}
