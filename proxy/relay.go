package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/wire"
)

// relay is a client's connection after login: raw bytes both ways.
type relay struct {
	srv    *Server
	in     *entry
	owner  atomic.Pointer[store.Account] // whose mailbox it is; the client's side changes it
	client *side
	server *side

	out        outlet
	flow       flow
	compressed atomic.Bool // the client has what it is sent compressed
	utf8       atomic.Bool // names are UTF-8 since an ENABLE (RFC 9755, RFC 9051)
	uidOnly    atomic.Bool // messages have no numbers since an ENABLE (RFC 9586)
	down       atomic.Bool // the new server's side has ended
	left       atomic.Bool // the client has sent all it will
	told       atomic.Bool // the client has been told to go
	bye        bool        // the new server has said BYE; the server's side's own
	got        int64       // octets passed to the new server; the client's side's own

	activity
	kick   context.CancelCauseFunc // ends it with a word
	ended  chan struct{}           // closed when the new server's side has ended
	ending atomic.Pointer[string]  // BYE that is to be said as soon as no command is under way
}

// errKicked: an operator wants a client to go.
var errKicked = errors.New("an operator has ended the connection")

// direction is one of the two ways of a relay.
type direction interface {
	// burst passes on what comes; errQuiet when nothing does.
	burst(ctx context.Context) error
	// idle waits until something comes. It returns false if nothing has for a while, unless it is to last.
	idle(lasting bool) bool
}

// relay moves bytes, on goroutines of wg, until both sides are done; then it calls done. Stopping
// (ctx) waits for the end of a response, killing (kill) for nothing.
func (s *Server) relay(ctx, kill context.Context, wg *sync.WaitGroup, p *session, in *entry, server net.Conn, sr *bufio.Reader, done func()) {
	server.SetDeadline(time.Time{})
	client := newSide(p.conn)
	r := &relay{
		srv: s, in: in, client: client, server: newSide(server),
		out: outlet{conn: client, patience: writeBound, sum: &s.metrics.sent}, flow: newFlow(), ended: make(chan struct{}),
	}
	r.owner.Store(&in.account)
	r.begin(p, in.program)
	ctx, r.kick = context.WithCancelCause(ctx)
	held, letGo := context.WithCancel(kill)
	s.present.enter(r)
	killed := context.AfterFunc(kill, func() { server.Close() })
	stopped := context.AfterFunc(ctx, func() { r.stop(context.Cause(ctx)) })
	uploaded := make(chan struct{})
	u, d := newUpload(r, p.r), newDownload(r, sr)
	carry(held, wg, u, func(err error) { u.ended(err); close(uploaded) })
	carry(held, wg, d, func(err error) {
		d.giveBack()
		close(r.ended)
		letGo()
		r.finish(err)
		<-uploaded
		r.over(err)
		stopped()
		killed()
		r.kick(nil)
		done()
	})
}

// carrier moves the bytes of one direction until it ends. When nothing comes for a while it goes on with
// another goroutine, which waits: it has none of the stack that TLS has taken before.
type carrier struct {
	ctx   context.Context
	wg    *sync.WaitGroup
	d     direction
	begun bool
	rests bool // nothing has come for a while
	ended func(error)
	step  func() // kept, as it would be made anew for each goroutine
}

// carry begins with what has been read ahead.
func carry(ctx context.Context, wg *sync.WaitGroup, d direction, ended func(error)) {
	c := &carrier{ctx: ctx, wg: wg, d: d, ended: ended}
	c.step = c.carry
	c.goOn()
}

func (c *carrier) goOn() {
	c.wg.Add(1)
	go c.step()
}

func (c *carrier) carry() {
	defer c.wg.Done()
	for {
		if c.begun && !c.d.idle(c.rests) {
			c.rests = true
			c.goOn()
			return
		}
		c.begun, c.rests = true, false
		if err := c.d.burst(c.ctx); err != errQuiet {
			c.ended(err)
			return
		}
	}
}

// over is the end of both directions.
func (r *relay) over(err error) {
	r.flow.end()
	r.client.Close()
	_, sent := r.out.state()
	r.logger().Info().Int64("received", r.got).Int64("sent", sent).Dur("after", time.Since(r.since)).
		Str("reason", r.reason(err)).Msg("disconnected")
	r.srv.present.leave(r)
	r.server.Close()
	r.srv.left(r.account())
}

// logger is made when there is something to log, which is seldom.
func (r *relay) logger() *zerolog.Logger {
	log := r.srv.log.With().Stringer("remote", r.client.RemoteAddr()).Str("session", r.session).Str("account", r.in.login).Logger()
	return &log
}

// finish closes both connections after the server's side has ended, so that the
// client still receives all it was sent.
func (r *relay) finish(err error) {
	r.down.Store(true)
	r.server.Close()
	var write *writeError
	if errors.As(err, &write) {
		r.client.Close()
		return
	}
	mid, _ := r.out.state()
	if !mid && !r.bye && !r.left.Load() && !errors.Is(err, errLastWord) {
		r.out.hurry(lingerBound)
		r.out.bye("* BYE [UNAVAILABLE] The mail server closed the connection\r\n")
	}
	if closeWrite(r.client) != nil {
		r.client.Close()
	}
	r.client.SetReadDeadline(time.Now().Add(lingerBound))
}

// stop says goodbye to the client as soon as no command is under way and no response is
// cut by it, or when half of the time for it is over.
func (r *relay) stop(why error) {
	word := "* BYE Postferry is shutting down\r\n"
	if errors.Is(why, errKicked) {
		word = "* BYE [UNAVAILABLE] The administrator has ended this connection\r\n"
	}
	r.ending.Store(&word)
	if r.flow.closes() {
		r.sayBye()
		return
	}
	late := time.NewTimer(drainBound / 2)
	defer late.Stop()
	select {
	case <-late.C:
		r.sayBye()
	case <-r.ended:
	}
}

// sayBye says what stop wants to be said.
func (r *relay) sayBye() (said bool) {
	r.out.hurry(drainBound / 2)
	if said = r.out.bye(*r.ending.Load()); said {
		r.told.Store(true)
		r.server.SetReadDeadline(time.Now())
	}
	return said
}

// wait gives the new server some time to say what it still has to.
func (r *relay) wait(d time.Duration) {
	r.server.SetReadDeadline(time.Now().Add(d))
	if r.told.Load() { // its deadline has just been undone, and nobody hears it any more
		r.server.SetReadDeadline(time.Now())
	}
}

// reason says in the log who ended the connection.
func (r *relay) reason(err error) string {
	var write *writeError
	switch {
	case errors.Is(err, errLastWord):
		return "it was told to go"
	case r.left.Load():
		return "the client closed it"
	case errors.As(err, &write):
		return "the client was lost: " + write.Error()
	case errors.Is(err, io.EOF):
		return "the new server closed it"
	}
	return "the new server was lost: " + err.Error()
}

// writeError is a client that takes no more.
type writeError struct{ error }

func (e *writeError) Unwrap() error { return e.error }

// rawName spells a folder's name as a client that has not enabled UTF-8 would.
func (r *relay) rawName(name string) string {
	switch {
	case wire.IsInbox(name):
		return "INBOX"
	case r.utf8.Load():
		return wire.EncodeMailbox(name)
	}
	return name
}
