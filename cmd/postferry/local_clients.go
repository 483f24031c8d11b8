package main

import (
	"context"
	"errors"

	"postferry/internal/control"
	"postferry/proxy"
	"postferry/syncer"
	"postferry/wire"
)

// errNoClients: only a daemon has clients.
var errNoClients = errors.New("no daemon runs, so no mail program is connected")

// Clients implements control.Backend.
func (l *local) Clients(context.Context) ([]control.ConnectedClient, error) {
	if l.relay == nil {
		return nil, errNoClients
	}
	var all []control.ConnectedClient
	for _, c := range l.relay.Clients() {
		all = append(all, l.describeClient(c))
	}
	return all, nil
}

func (l *local) describeClient(c proxy.Client) control.ConnectedClient {
	d := control.ConnectedClient{
		Login: c.Login, Program: c.Program, Address: c.Address, TLS: c.TLS, Folder: wire.DecodeMailbox(c.Folder), Since: c.Since,
		Idle: c.Quiet.Seconds(), Held: c.Held, Session: c.Session, Known: c.Account != 0,
	}
	if domain, ok := l.cfg.DomainOf(c.Login); ok {
		d.Domain = domain.Name
	}
	return d
}

// Kick implements control.Backend.
func (l *local) Kick(_ context.Context, login string) (kicked int, err error) {
	if l.relay == nil {
		return 0, errNoClients
	}
	return l.relay.Kick(login), nil
}

// opened is what clients have open, for the engine.
func opened(relay *proxy.Server) []syncer.Opened {
	var all []syncer.Opened
	for _, c := range relay.Clients() {
		if c.Folder != "" && c.Account != 0 {
			all = append(all, syncer.Opened{Account: c.Account, Mailbox: c.Folder, Quiet: c.Quiet})
		}
	}
	return all
}
