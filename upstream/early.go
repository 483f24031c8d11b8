package upstream

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/wire"
)

// EarlyCall is a listing on its way, and with it the bodies of a folder's first
// messages.
type EarlyCall struct {
	s            *Session
	list, bodies *command
	collector    *collector
	lines        []Message
}

// composeEarly asks for bodies behind a listing, by message numbers as nothing else is
// known yet. It asks for the items of the listing once more: Dovecot is at several
// commands at once, so that a body may come before its line of the listing.
func (s *Session) composeEarly(l *listed) (*EarlyCall, error) {
	c := &EarlyCall{s: s, list: l.cmd}
	c.collector = newCollector(s, l.set, listWant, func(m *fetched) error {
		c.lines = append(c.lines, m.Message)
		return nil
	})
	var err error
	c.bodies, err = s.compose("FETCH", func(e *wire.Encoder) {
		e.Raw(fmt.Sprintf("1:%d (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])", l.first))
	})
	return c, err
}

// Wait reads until all has come and returns the listing; listed tells whether it is
// one; it isn't if something else was awaited meanwhile. fn is that of Bodies, with what the listing tells; it is not called for a body
// of which that isn't known when it comes. A refusal of the bodies is no error: none come.
func (c *EarlyCall) Wait(ctx context.Context, fn func(m Message, size int64, r io.Reader) error) (lines []Message, listed bool, err error) {
	b := &bodies{s: c.s, all: true}
	lost := c.list.done
	take := func(num uint32, name string) bool {
		return c.collector.takeWith(num, name, func(m *fetched) {
			if m.have&listWant != listWant {
				c.s.dec.Skip()
				return
			}
			b.fn = func(_ imap.UID, size int64, r io.Reader) error { return fn(m.Message, size, r) }
			b.value(m.UID)
		})
	}
	err = c.s.do(ctx, "UID FETCH", func() error {
		if err := c.s.await(c.list, take); err != nil {
			return err
		}
		return c.s.await(c.bodies, take)
	})
	c.collector.rest()
	return c.lines, !lost && c.list.res.kind == "OK", cmp.Or(err, b.err)
}
