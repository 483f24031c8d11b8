package upstream

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/wire"
)

// EarlyCall are the first messages of a folder on their way: what a listing tells of
// them, and their bodies.
type EarlyCall struct {
	conn *conn
	set  imap.UIDSet
	cmd  *command
}

// composeEarly asks for messages by their numbers, as nothing else is known yet.
func composeEarly(conn *conn, l *listed) (c *EarlyCall, err error) {
	c = &EarlyCall{conn: conn, set: l.set}
	c.cmd, err = conn.compose("FETCH", func(e *wire.Encoder) {
		e.Raw(fmt.Sprintf("1:%d (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])", l.first))
	})
	return c, err
}

// Wait reads until all has come and returns what was told of the messages. all is true if
// the server refused none of what was asked for, told everything of each with its UID, and
// nothing else was awaited meanwhile; otherwise the messages have to be listed.
// fn is that of Bodies, with what was told. It is called for a body only if all that was
// asked for came in the same response, and in front of it if it has more than a megabyte.
// A refusal is no error: nothing comes.
func (c *EarlyCall) Wait(ctx context.Context, fn func(m Message, size int64, r io.Reader) error) (lines []Message, all bool, err error) {
	lost := c.cmd.done
	e := &earlyAnswer{bodies: bodies{conn: c.conn, all: true}, fn: fn}
	e.told = newCollector(c.conn, c.set, collector{want: listWant, need: listWant, once: true, fn: func(m *fetched) error {
		lines = append(lines, m.Message)
		return nil
	}})
	err = c.conn.do(ctx, "FETCH", func() error { return c.conn.await(c.cmd, e.take) })
	return lines, !lost && c.cmd.res.Kind == "OK" && e.told.whole(), cmp.Or(err, e.err)
}

// earlyAnswer is the answer to an EarlyCall.
type earlyAnswer struct {
	bodies
	told *collector
	fn   func(m Message, size int64, r io.Reader) error
}

// take is a dataFunc. A message number says nothing: what is of a message has its UID beside it.
func (e *earlyAnswer) take(num uint32, name string) bool {
	if name != "FETCH" {
		return false
	}
	m := &fetched{Message: Message{Size: -1}}
	e.bodies.fn = func(_ imap.UID, size int64, r io.Reader) error { return e.fn(m.Message, size, r) }
	complete := func() bool { return m.UID != 0 && m.have&listWant == listWant && asksFor(e.told.set, m.UID) }
	e.read(m, complete)
	if complete() && e.came == bodyHeld {
		e.settle(num, m)
	}
	e.told.add(num, m)
	return true
}
