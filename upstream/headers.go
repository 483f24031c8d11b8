package upstream

import (
	"cmp"
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/wire"
)

// SelectAndHeaders is Select and, in the same round trip, Headers of set. A set that is too
// long for one command takes more of them.
func (c *Changer) SelectAndHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(m Message, header []byte) error) (*Selected, error) {
	if len(set) == 0 {
		return c.opener.openFolder(ctx, "SELECT", name, nil)
	}
	var ours error // of fn
	l := &listed{heads: splitSet(set)[0], header: func(m Message, header []byte) error {
		ours = fn(m, header)
		return ours
	}}
	sel, err := c.opener.openFolder(ctx, "SELECT", name, l)
	if err != nil || ours != nil {
		return sel, cmp.Or(err, ours)
	}
	rest := set[len(l.heads):]
	if !l.headOK { // refused, or something was wrong with it
		rest = set
	}
	if len(rest) == 0 {
		return sel, nil
	}
	return sel, c.fetcher.Headers(ctx, rest, fn)
}

// HeadersCall is a SendHeaders on its way.
type HeadersCall struct {
	group
	opened    *opening
	collector *collector
}

// SendHeaders asks for what Headers tells of a folder that is opened read-only for it and left
// again (but in a session that only reads), all in one round trip; set must be short enough for one command. The folder that
// was open is not any more. Other commands may be sent before the answer has come. An error
// means the connection is lost, unless it is of class Refused.
func (o *Opener) SendHeaders(ctx context.Context, mailbox string, set imap.UIDSet, fn func(m Message, header []byte) error) (*HeadersCall, error) {
	if err := o.conn.checkName("EXAMINE", mailbox); err != nil {
		return nil, err
	}
	c := &HeadersCall{opened: &opening{conn: o.conn, sel: &Selected{}}, collector: newCollector(o.conn, set, headersTo(fn))}
	var err error
	requests := []request{
		{"EXAMINE", func(e *wire.Encoder) { e.Mailbox(mailbox) }},
		{"UID FETCH", func(e *wire.Encoder) { e.UIDs(set).SP().Raw(headerItems) }},
	}
	if !o.conn.opt.ReadOnly {
		requests = append(requests, request{o.conn.leaveVerb(), nil})
	}
	c.group, err = o.conn.sendTogether(ctx, c.collector.take, c.opened.told, requests)
	return c, err
}

// Wait returns what the folder's opening told, but for the number of messages, after fn has
// been called for those that are there.
func (c *HeadersCall) Wait(ctx context.Context) (*Selected, error) {
	err := c.group.wait(ctx)
	c.collector.rest()
	return c.opened.sel, cmp.Or(err, c.collector.err)
}
