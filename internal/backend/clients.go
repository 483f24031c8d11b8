package backend

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
func (l *Local) Clients(context.Context) ([]control.ConnectedClient, error) {
	if l.Relay == nil {
		return nil, errNoClients
	}
	var all []control.ConnectedClient
	for _, c := range l.Relay.Clients() {
		all = append(all, l.describeClient(c))
	}
	return all, nil
}

func (l *Local) describeClient(c proxy.Client) control.ConnectedClient {
	d := control.ConnectedClient{
		Login: c.Login, Program: c.Program, Address: c.Address, TLS: c.TLS, Folder: wire.DecodeMailbox(c.Folder), Since: c.Since,
		Idle: c.Quiet.Seconds(), Held: c.Held, Session: c.Session, Known: c.Account != 0,
	}
	if domain, ok := l.Config.DomainOf(c.Login); ok {
		d.Domain = domain.Name
	}
	return d
}

// Kick implements control.Backend.
func (l *Local) Kick(_ context.Context, login string) (kicked int, err error) {
	if l.Relay == nil {
		return 0, errNoClients
	}
	return l.Relay.Kick(login), nil
}

// Opened is what clients have open, for the engine.
func Opened(relay *proxy.Server) []syncer.Opened {
	var all []syncer.Opened
	for _, c := range relay.Clients() {
		if c.Folder != "" && c.Account != 0 {
			all = append(all, syncer.Opened{Account: c.Account, Mailbox: c.Folder, Quiet: c.Quiet})
		}
	}
	return all
}
