package link

import (
	"context"
	"errors"
	"net"

	"postferry/config"
	"postferry/internal/publicnet"
)

// Causes for servers that are connected to outside only.
var (
	// ErrNoMailServer is all that is told if none is found. Whoever chose the server
	// could otherwise learn from the cause what is on this machine, in its networks or
	// at other people's: which names and ports there are, and what answers there.
	ErrNoMailServer = errors.New("no mail server that may be used for this domain answers there")
	errUnprotected  = errors.New("connections without TLS are for servers that an administrator of all domains has chosen")
)

// dialerOf is what makes a connection with a server.
func dialerOf(server config.Server, opt Options) func(ctx context.Context, network, addr string) (net.Conn, error) {
	switch {
	case opt.Dial != nil:
		return opt.Dial
	case server.PublicOnly:
		return (&publicnet.Dialer{Timeout: opt.Stall, Resolver: opt.Resolver}).DialContext
	}
	return (&net.Dialer{Timeout: opt.Stall, Resolver: opt.Resolver}).DialContext
}

// veil is what may be told of an attempt to reach a server that ended with err. met
// tells whether a mail server had answered by then.
func (a *attempt) veil(ctx context.Context, met bool, err error) error {
	switch {
	case err == nil, !a.server.PublicOnly, met, errors.Is(err, errUnprotected), errors.Is(ctx.Err(), context.Canceled):
		return err
	case a.server.Security == config.ImplicitTLS && isCertificate(err) && a.speaks(ctx):
		return err
	}
	a.opt.Log.Info().Err(err).Msg("no mail server can be reached where an administrator of one domain has said")
	return &Error{Server: address(a.server), Role: a.opt.Role, Op: OpConnect, Class: Later, Err: ErrNoMailServer}
}

// speaks tells whether a mail server is behind a certificate that is not accepted. It is
// told no secret.
func (a *attempt) speaks(ctx context.Context) bool {
	opt := a.opt
	opt.Progress, opt.Traffic, opt.Trace, opt.Quirks = nil, nil, nil, nil
	answer, _ := Probe(ctx, a.server, opt, a.begin) // what came after the greeting doesn't matter
	return answer.Speaks
}
