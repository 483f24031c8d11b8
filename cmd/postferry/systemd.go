package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	systemd "github.com/coreos/go-systemd/v22/daemon"

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

// notify tells systemd how the daemon is, if it wants to know (Type=notify).
func (d *daemon) notify(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		d.log.Warn().Err(err).Msg("systemd can't be told how the daemon is")
	}
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
