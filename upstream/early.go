package upstream

import (
	"bytes"
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
	s    *Session
	set  imap.UIDSet
	cmd  *command
	body *bodies
	held bool // the body of the message that is being told of came first and is kept

	lines []Message
}

// composeEarly asks for messages by their numbers, as nothing else is known yet.
func (s *Session) composeEarly(l *listed) (c *EarlyCall, err error) {
	c = &EarlyCall{s: s, set: l.set}
	c.cmd, err = s.compose("FETCH", func(e *wire.Encoder) {
		e.Raw(fmt.Sprintf("1:%d (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])", l.first))
	})
	return c, err
}

// Wait reads until all has come and returns what was told of the messages. all is true if
// the server refused none of what was asked for, and nothing else was awaited meanwhile.
// fn is that of Bodies, with what was told; it is not called for a body of more than a
// megabyte that comes before that. A refusal is no error: nothing comes.
func (c *EarlyCall) Wait(ctx context.Context, fn func(m Message, size int64, r io.Reader) error) (lines []Message, all bool, err error) {
	lost := c.cmd.done
	c.body = &bodies{s: c.s, all: true}
	told := newCollector(c.s, c.set, listWant, func(m *fetched) error {
		c.lines = append(c.lines, m.Message)
		if c.held {
			c.hand(m, int64(len(c.body.early)), bytes.NewReader(c.body.early), fn)
		}
		return nil
	})
	err = c.s.do(ctx, "FETCH", func() error {
		return c.s.await(c.cmd, func(num uint32, name string) bool {
			c.held = false
			return told.takeWith(num, name, func(m *fetched) { c.take(m, fn) })
		})
	})
	told.rest()
	return c.lines, !lost && c.cmd.res.kind == "OK", cmp.Or(err, c.body.err)
}

// take takes a body: as it comes if it is known by then what it is of.
func (c *EarlyCall) take(m *fetched, fn func(m Message, size int64, r io.Reader) error) {
	if m.have&listWant != listWant {
		ok, fits := c.body.hold()
		c.held = ok && fits
		return
	}
	c.body.fn = func(_ imap.UID, size int64, r io.Reader) error { return fn(m.Message, size, r) }
	c.body.value(m.UID)
}

func (c *EarlyCall) hand(m *fetched, size int64, r io.Reader, fn func(m Message, size int64, r io.Reader) error) {
	c.body.fn = func(imap.UID, int64, io.Reader) error { return fn(m.Message, size, r) }
	c.body.hand(m.UID, size, r)
}
