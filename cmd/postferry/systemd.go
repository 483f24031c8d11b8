package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/control"
	"postferry/proxy"
)

// Names of the sockets that systemd may open (FileDescriptorName=).
const (
	socketIMAPS = "imaps"
	socketIMAP  = "imap"
	socketACME  = "acme"
)

// inheritedSockets are those that systemd has opened for us; none without it. It is
// asked once: what is under way then is nobody else's.
func inheritedSockets() (proxy.Sockets, error) {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return proxy.Sockets{}, fmt.Errorf("sockets of systemd: %w", err)
	}
	var s proxy.Sockets
	var odd []string
	for name, listeners := range named {
		at := map[string]*net.Listener{socketIMAPS: &s.IMAPS, socketIMAP: &s.IMAP, socketACME: &s.ACME}[name]
		if at == nil || len(listeners) != 1 {
			odd = append(odd, name)
			continue
		}
		*at = listeners[0]
	}
	if len(odd) == 0 {
		return s, nil
	}
	slices.Sort(odd)
	for _, listeners := range named {
		for _, l := range listeners {
			l.Close()
		}
	}
	return proxy.Sockets{}, control.UsageError(fmt.Errorf("sockets of systemd: %s; expected one each with FileDescriptorName=%s, %s or %s",
		strings.Join(odd, ", "), socketIMAPS, socketIMAP, socketACME))
}

// withoutInherited is a configuration without the addresses that are listened on already.
func withoutInherited(c *config.Config, s proxy.Sockets) *config.Config {
	rest := *c
	if s.IMAPS != nil {
		rest.Proxy.IMAPS = ""
	}
	if s.IMAP != nil {
		rest.Proxy.IMAP = ""
	}
	return &rest
}

// notify tells systemd how the daemon is.
func (d *daemon) notify(state string) { notifySystemd(d.log, state) }

// notifySystemd tells systemd how the daemon is, if it wants to know (Type=notify).
func notifySystemd(log zerolog.Logger, state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		log.Warn().Err(err).Msg("systemd can't be told how the daemon is")
	}
}

// startExtension is how much longer systemd is asked to wait for the start each time.
const startExtension = 30 * time.Second

// askingForTime does what may take longer than systemd waits for a start (TimeoutStartSec=, 90 s if nothing is said): bringing a
// large database up to date. Until it ends, systemd is asked to wait on, three times within what it was asked for.
func askingForTime(extension time.Duration, tell func(state string), do func() error) error {
	done := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		tick := time.NewTicker(extension / 3)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				tell(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", extension.Microseconds()))
			case <-done:
				return
			}
		}
	})
	defer asking.Wait()
	defer close(done)
	return do()
}

// watchdog tells systemd again and again that all is well, if it wants to know
// (WatchdogSec=): as long as the engine and the state answer. Otherwise systemd restarts us.
func (d *daemon) watchdog(ctx context.Context) error {
	every, err := systemd.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return err
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := d.answers(ctx, every/2); err == nil {
			d.notify(systemd.SdNotifyWatchdog)
		} else if ctx.Err() == nil {
			d.log.Error().Err(err).Msg("the daemon does not answer itself: systemd is not told that all is well")
		}
	}
}

// answers returns an error if the engine or the state does not answer in time.
func (d *daemon) answers(ctx context.Context, bound time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	_, err := d.store.Domains(ctx)
	return errors.Join(d.engine.Answers(ctx), err)
}
