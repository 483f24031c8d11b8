package upstream

import (
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
	"postferry/wire"
)

// ReadBackCall is a ReadBack on its way.
type ReadBackCall struct {
	group
	opened      *opening
	collector   *collector
	sizes       *collector // of messages of which only the size is asked for
	uidValidity uint32
	found       []Message
}

// SendReadBack asks what the server keeps of messages (UID, flags, date, size), and the
// sizes of others, in a folder that is opened read-only for it and left again, all in one round trip.
// The folder that was open is not any more. Batches may be sent before the answer has
// come; Wait for it in turn. An error means the connection is lost, unless it is
// of class Refused.
func (a *Appender) SendReadBack(ctx context.Context, mailbox string, uidValidity uint32, set, sizes imap.UIDSet) (*ReadBackCall, error) {
	if err := a.conn.checkName("EXAMINE", mailbox); err != nil {
		return nil, err
	}
	c := &ReadBackCall{uidValidity: uidValidity, opened: &opening{conn: a.conn, sel: &Selected{}}}
	tell := func(m *fetched) error {
		c.found = append(c.found, m.Message)
		return nil
	}
	c.collector = newCollector(a.conn, set, collector{want: listWant, need: haveUID | haveFlags, fn: tell})
	c.sizes = newCollector(a.conn, sizes, collector{want: haveUID | haveSize, need: haveUID | haveSize, fn: tell})
	requests := []request{{"EXAMINE", func(e *wire.Encoder) { e.Mailbox(mailbox) }}}
	for _, part := range splitSet(set) {
		requests = append(requests, request{"UID FETCH", func(e *wire.Encoder) { e.UIDs(part).SP().Raw(listItems) }})
	}
	for _, part := range splitSet(sizes) {
		requests = append(requests, request{"UID FETCH", func(e *wire.Encoder) { e.UIDs(part).SP().Raw("(UID RFC822.SIZE)") }})
	}
	var err error
	c.group, err = a.conn.sendTogether(ctx, c.take, c.opened.told, append(requests, request{a.conn.leaveVerb(), nil}))
	return c, err
}

// take is a dataFunc.
func (c *ReadBackCall) take(num uint32, name string) bool {
	if name != "FETCH" {
		return false
	}
	m := &fetched{Message: Message{Size: -1}}
	if c.conn.parser.readItems(m, nil); c.sizes.set.Contains(m.UID) {
		c.sizes.add(num, m)
	} else {
		c.collector.add(num, m)
	}
	return true
}

// Wait returns what the server keeps. A message that is gone is missing; all are if
// the UIDs don't mean what they did (another UIDVALIDITY, or UIDNOTSTICKY).
func (c *ReadBackCall) Wait(ctx context.Context) ([]Message, error) {
	err := c.group.wait(ctx)
	c.collector.rest()
	if sel := c.opened.sel; sel.NotSticky || sel.UIDValidity != 0 && sel.UIDValidity != c.uidValidity {
		return nil, err
	}
	return c.found, err
}

// PermanentCall is a SendPermanent on its way.
type PermanentCall struct {
	group
	opened *opening
}

// SendPermanent asks what a folder can keep of flags (PERMANENTFLAGS, which only
// SELECT tells) and leaves it again. The folder that was open is not any more. Messages
// that were \Recent are not afterwards. Other commands may be sent before the answer
// has come. An error means the connection is lost, unless it is of class Refused.
func (a *Appender) SendPermanent(ctx context.Context, mailbox string) (*PermanentCall, error) {
	if err := a.conn.checkName("SELECT", mailbox); err != nil {
		return nil, err
	}
	o := &opening{conn: a.conn, sel: &Selected{}}
	take := func(_ uint32, name string) bool {
		if name == "FLAGS" {
			o.flags = a.conn.parser.readFlags()
		}
		return name == "FLAGS"
	}
	requests := []request{{"SELECT", func(e *wire.Encoder) { e.Mailbox(mailbox) }}}
	if a.conn.caps.Has(imap.CapUnselect) {
		requests = append(requests, request{"UNSELECT", nil})
	} else { // CLOSE would remove what is \Deleted, unless the folder is open read-only
		requests = append(requests, request{"EXAMINE", func(e *wire.Encoder) { e.Mailbox(mailbox) }}, request{"CLOSE", nil})
	}
	told := func(st *link.Response) {
		if !o.permanent { // what EXAMINE tells comes later and is of no use here
			o.told(st)
		}
	}
	g, err := a.conn.sendTogether(ctx, take, told, requests)
	return &PermanentCall{group: g, opened: o}, err
}

// Wait returns what the folder can keep.
func (c *PermanentCall) Wait(ctx context.Context) (*Selected, error) {
	err := c.wait(ctx)
	if o := c.opened; !o.permanent {
		o.sel.PermanentFlags, o.sel.AnyFlag = o.flags, true
	}
	return c.opened.sel, err
}

// leaveVerb leaves a folder that is open read-only (RFC 3501 section 6.4.2: CLOSE then
// removes nothing).
func (c *conn) leaveVerb() string {
	if c.caps.Has(imap.CapUnselect) {
		return "UNSELECT"
	}
	return "CLOSE"
}

// request is a command of several that are sent together.
type request struct {
	verb  string
	write func(e *wire.Encoder)
}

// group are commands that were sent together.
type group struct {
	conn *conn
	cmds []*command
}

// sendTogether sends commands at once. data and told take what comes untagged.
func (c *conn) sendTogether(ctx context.Context, data dataFunc, told statusFunc, requests []request) (group, error) {
	g := group{conn: c}
	c.opened.examined = false // the last of them leaves what was open
	err := c.do(ctx, strings.ToUpper(requests[0].verb), func() error {
		for _, r := range requests {
			cmd, err := c.compose(r.verb, r.write)
			if err != nil {
				return err
			}
			cmd.data, cmd.told = data, told
			g.cmds = append(g.cmds, cmd)
		}
		return c.flush()
	})
	return g, err
}

// wait reads the answers. The first command that is refused is returned as an error;
// the others are of no use then, and what they are answered doesn't matter.
func (g group) wait(ctx context.Context) error {
	return g.conn.do(ctx, strings.ToUpper(g.cmds[0].verb), func() error {
		var refused error
		for _, cmd := range g.cmds {
			if err := g.conn.await(cmd, nil); err != nil {
				return err
			}
			if err := g.conn.refusal(cmd); err != nil && refused == nil {
				refused = err
			}
		}
		return refused
	})
}
