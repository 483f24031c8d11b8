package link

import (
	"context"
	"errors"
	"net"

	"postferry/config"
)

// Entrance is what either protocol has between the connection and a login.
type Entrance interface {
	Link() *Link
	Secure(server config.Server) error
	Greeting() error
	StartTLS(server config.Server) error
	Learn() error // the capabilities
	Capabilities() []string
	Logout(ctx context.Context) error
}

// Begin makes a connection that nothing was said on yet one in a protocol.
type Begin func(nc net.Conn, opt Options) Entrance

// attempt is one to reach a server in a protocol.
type attempt struct {
	server config.Server
	opt    Options
	begin  Begin
}

// Open connects, reads the greeting, starts TLS and learns the capabilities. ctx bounds
// all of it. An error is of class Later, or Fix where trying again won't help.
func Open(ctx context.Context, server config.Server, opt Options, begin Begin) error {
	a := attempt{server, opt.withDefaults(), begin}
	e, err := a.reach(ctx)
	if err != nil {
		return a.veil(ctx, false, err)
	}
	err = start(ctx, e, server)
	return a.veil(ctx, e.Link().Met, err)
}

// reach makes the connection.
func (a *attempt) reach(ctx context.Context) (Entrance, error) {
	nc, err := connect(ctx, a.server, a.opt)
	if err != nil {
		return nil, err
	}
	return a.begin(nc, a.opt), nil
}

// start brings a fresh connection to where a login is possible, or closes it.
func start(ctx context.Context, e Entrance, server config.Server) error {
	l := e.Link()
	err := l.Do(ctx, OpConnect, func() error { return approach(e, server) })
	if err != nil {
		_ = l.Close()
		return dialError(err)
	}
	return nil
}

// dialError makes what would cost a session a server that is unwell.
func dialError(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	if e.Op = OpConnect; e.Class == Lost {
		e.Class = Later
	}
	return e
}

// approach brings a fresh connection to where a login is possible.
func approach(e Entrance, server config.Server) error {
	if server.Security == config.ImplicitTLS {
		if err := e.Secure(server); err != nil {
			return err
		}
	}
	if err := e.Greeting(); err != nil {
		return err
	}
	if server.Security == config.StartTLS {
		if err := e.StartTLS(server); err != nil {
			return err
		}
	}
	return e.Learn()
}
