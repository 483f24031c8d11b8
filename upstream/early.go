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
	s   *Session
	set imap.UIDSet
	cmd *command
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
	b := &bodies{s: c.s, all: true}
	of := func(m *fetched) {
		b.fn = func(_ imap.UID, size int64, r io.Reader) error { return fn(m.Message, size, r) }
	}
	held := false // the body of the message that is being told of came first and is kept
	told := newCollector(c.s, c.set, listWant, func(m *fetched) error {
		lines = append(lines, m.Message)
		if held {
			of(m)
			b.hand(m.UID, int64(len(b.early)), bytes.NewReader(b.early))
		}
		return nil
	})
	body := func(m *fetched) {
		if m.have&listWant == listWant {
			of(m)
			b.value(m.UID)
			return
		}
		ok, fits := b.hold()
		held = ok && fits
	}
	err = c.s.do(ctx, "FETCH", func() error {
		return c.s.await(c.cmd, func(num uint32, name string) bool {
			held = false
			return told.takeWith(num, name, body)
		})
	})
	told.rest()
	return lines, !lost && c.cmd.res.kind == "OK", cmp.Or(err, b.err)
}
