package link

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/rs/zerolog"

	"postferry/wire"
)

// Options are how a session behaves on the network.
type Options struct {
	// Stall ends a session on which no byte moved for so long while one was
	// awaited. 0 for a minute.
	Stall time.Duration
	// ReadOnly refuses, before anything is sent, every command that could
	// change the server (SELECT, STORE, APPEND, CREATE, ...). Set for old servers.
	ReadOnly bool
	// Role is what people call the server in this session ("old server"), for
	// errors; "" if it has none.
	Role string
	// Log receives what an operator should see. The caller adds account and server.
	Log zerolog.Logger
	// TLS overrides the TLS configuration derived from the server, for tests; nil otherwise.
	TLS *tls.Config
	// SharedTLS is shared by many sessions with the same servers; nil for none.
	SharedTLS *SharedTLS
	// Dial makes the connection, to addr (host:port); nil for a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Wrap puts something between the connection and the session that is made of it; nil for
	// nothing.
	Wrap func(net.Conn) net.Conn
	// Buffer is the size of the buffers of each direction, in octets; 0 for what copying needs.
	Buffer int
	// Resolver leads names to addresses, for tests; nil for the system's.
	Resolver *net.Resolver
	// Progress is called whenever the server shows life (connected, greeting,
	// a response); nil for none. It must be quick and not block.
	Progress func()
	// Quirks are what is known of the server and what the session adds to it;
	// nil if it should learn for itself.
	Quirks *Quirks
	// Traffic bounds and counts what goes over the connection; nil for no bound.
	Traffic Traffic
	// Turn is what Login waits for before it sends anything; nil for nothing.
	Turn <-chan struct{}
	// SignIn is what Login signs in with in place of the login and password that it is given; nil
	// for those.
	SignIn *SignIn
	// ID is what is said of the client before it is logged in, where the server takes ID;
	// nil for a session of our own, which tells its own name afterwards.
	ID []wire.Field
	// Client is where the connection is told to come from, to a server that wants the PROXY
	// protocol; nil for ourselves.
	Client net.Addr
	// Trace writes the session's protocol down; nil for none.
	Trace *Trace
}

// Traffic bounds and counts the octets of connections. It is safe for
// concurrent use. The octets are those on the wire, with what protects them.
type Traffic interface {
	// Piece is how many octets may be moved at once; 0 for any number.
	Piece() int
	// Moved counts octets that came or are about to go, and says how long to
	// wait before the next.
	Moved(read, written int) time.Duration
}

// defaultStall is the Stall of Options that have none.
const defaultStall = time.Minute

func (o Options) withDefaults() Options {
	if o.Stall <= 0 {
		o.Stall = defaultStall
	}
	return o
}
