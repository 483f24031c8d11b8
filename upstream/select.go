package upstream

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
	"postferry/wire"
)

// Selected is what EXAMINE and SELECT tell.
type Selected struct {
	Messages       uint32
	UIDNext        imap.UID // 0 if not told
	UIDValidity    uint32
	HighestModSeq  uint64 // 0 with NOMODSEQ or without CONDSTORE
	PermanentFlags []imap.Flag
	AnyFlag        bool // \* is among the permanent flags
	NotSticky      bool // UIDNOTSTICKY (RFC 4315)
	ReadOnly       bool // READ-ONLY, or no flag among the permanent ones that were told: nothing in it may be changed
}

// Opener opens folders to be read: nothing in them can be changed then.
type Opener struct{ conn *conn }

// Examine opens a folder read-only (EXAMINE, with (CONDSTORE) where offered).
func (o *Opener) Examine(ctx context.Context, name string) (*Selected, error) {
	return o.openFolder(ctx, "EXAMINE", name, nil)
}

// Select opens a folder for writing.
func (c *Changer) Select(ctx context.Context, name string) (*Selected, error) {
	return c.opener.openFolder(ctx, "SELECT", name, nil)
}

// ExamineAndList is Examine and, in the same round trip, ListMessages of set and, unless it
// is empty, Headers of heads. ok tells whether the server took the listing; if not, fn may
// have been called all the same. Headers are a welcome extra: what doesn't come is missing.
func (o *Opener) ExamineAndList(ctx context.Context, name string, set imap.UIDSet, fn func(Message) error, heads imap.UIDSet, header func(m Message, header []byte) error) (sel *Selected, ok bool, err error) {
	l := &listed{set: set, fn: fn, heads: heads, header: header}
	sel, err = o.openFolder(ctx, "EXAMINE", name, l)
	return sel, l.ok, err
}

// ExamineAndFetch is Examine and, in the same round trip, asks for the first messages in
// the folder with their bodies, as far as they are in set. It returns before those come.
func (o *Opener) ExamineAndFetch(ctx context.Context, name string, set imap.UIDSet, first int) (*Selected, *EarlyCall, error) {
	l := &listed{set: set, first: first}
	sel, err := o.openFolder(ctx, "EXAMINE", name, l)
	return sel, l.early, err
}

// listed is a listing that is asked for together with the opening of its folder.
type listed struct {
	set imap.UIDSet
	fn  func(Message) error
	ok  bool
	cmd *command

	heads   imap.UIDSet // messages whose headers are asked for as well
	header  headerFunc
	headOK  bool
	headCmd *command

	first int        // messages that are asked for with their bodies, instead of the listing
	early *EarlyCall // then it is waited for by itself
}

func (o *Opener) openFolder(ctx context.Context, verb, name string, list *listed) (*Selected, error) {
	if err := o.conn.checkName(verb, name); err != nil {
		return nil, err
	}
	condStore := o.conn.caps.Has(imap.CapCondStore) || o.conn.caps.Has(imap.CapQResync)
	sel, err := o.tryOpen(ctx, verb, name, condStore, list)
	if link.Unsafe(err) && !o.conn.identified {
		// 163.com opens no folder for a client that has not said who it is.
		if err := o.conn.sayID(ctx); err != nil {
			return nil, err
		}
		sel, err = o.tryOpen(ctx, verb, name, condStore, list)
	}
	if !condStore || !saysNothing(err) {
		return sel, err
	}
	plain, again := o.tryOpen(ctx, verb, name, false, list)
	if again == nil {
		o.conn.caps.distrust(err, imap.CapCondStore, imap.CapQResync)
	}
	return plain, again
}

// saysNothing reports a refusal without a response code: it may be about the
// command as much as about the folder.
func saysNothing(err error) bool {
	e, ok := errors.AsType[*link.Error](err)
	return ok && e.Class == link.Refused && e.Code == "" && link.Answered(err)
}

func (o *Opener) tryOpen(ctx context.Context, verb, name string, condStore bool, list *listed) (*Selected, error) {
	folder := &opening{conn: o.conn, sel: &Selected{}}
	if err := folder.send(ctx, verb, name, condStore, list); err != nil {
		return nil, err
	}
	return folder.wait(ctx)
}

// OpenCall is an ExamineAndList or ExamineAndFetch on its way.
type OpenCall struct {
	opening *opening
	lines   []Message
}

// SendExamine opens a folder read-only and asks for a listing of set, unless that is
// empty, and the headers of heads, or for the first messages with their bodies, without waiting for an answer.
// Bodies asked for before may still be waited for, and further folders be opened behind this one; the folder that
// those bodies are of is not open any more, and nothing else may be asked before Wait. What was opened is waited for in turn. An error means the connection is
// lost, unless it is of class Refused.
func (o *Opener) SendExamine(ctx context.Context, name string, set imap.UIDSet, first int, heads imap.UIDSet, header func(m Message, header []byte) error) (*OpenCall, error) {
	if err := o.conn.checkName("EXAMINE", name); err != nil {
		return nil, err
	}
	c := &OpenCall{opening: &opening{conn: o.conn, sel: &Selected{}}}
	var l *listed
	if len(set) > 0 {
		l = &listed{set: set, first: first, heads: heads, header: header, fn: func(m Message) error {
			c.lines = append(c.lines, m)
			return nil
		}}
	}
	condStore := o.conn.caps.Has(imap.CapCondStore) || o.conn.caps.Has(imap.CapQResync)
	return c, c.opening.send(ctx, "EXAMINE", name, condStore, l)
}

// Wait returns what the server tells of the folder. A refusal may be about how it was
// asked: Examine asks in other ways, too.
func (c *OpenCall) Wait(ctx context.Context) (*Selected, error) { return c.opening.wait(ctx) }

// Listed returns the listing, after Wait. ok tells whether the server took it.
func (c *OpenCall) Listed() (lines []Message, ok bool) {
	l := c.opening.list
	return c.lines, l != nil && l.ok
}

// Early are the bodies that are on their way, after Wait; nil if none were asked for.
func (c *OpenCall) Early() *EarlyCall {
	if l := c.opening.list; l != nil {
		return l.early
	}
	return nil
}

// compose writes the command that lists a set, or that for the first messages.
func (l *listed) compose(c *conn) (err error) {
	if l.first > 0 {
		l.early, err = composeEarly(c, l)
		return err
	}
	if len(l.set) > 0 {
		l.cmd, err = c.compose("UID FETCH", func(e *wire.Encoder) { e.UIDs(l.set).SP().Raw(listItems) })
	}
	if len(l.heads) > 0 && err == nil {
		l.headCmd, err = c.compose("UID FETCH", func(e *wire.Encoder) { e.UIDs(l.heads).SP().Raw(headerItems) })
	}
	return err
}

// await reads the answers to a listing. Those of a folder that was not opened
// say nothing, whatever the server makes of it. A server may be at both commands at once.
func (l *listed) await(c *conn, opened bool) error {
	lines := newCollector(c, l.set, collector{want: listWant, need: listWant, fn: func(m *fetched) error { return l.fn(m.Message) }})
	headers := newCollector(c, l.heads, headersTo(l.header))
	data := func(num uint32, name string) bool {
		if name != "FETCH" {
			return false
		}
		m := &fetched{Message: Message{Size: -1}}
		if c.parser.readItems(m, nil); l.headCmd != nil && (m.have&haveHeader != 0 || l.cmd == nil) {
			headers.add(num, m)
		} else {
			lines.add(num, m)
		}
		return true
	}
	if !opened {
		data = nil
	}
	for _, cmd := range []*command{l.cmd, l.headCmd} {
		if cmd == nil {
			continue
		}
		if err := c.await(cmd, data); err != nil {
			return err
		}
	}
	l.ok = opened && l.cmd != nil && l.cmd.res.Kind == "OK" && lines.err == nil && lines.whole()
	l.headOK = opened && l.headCmd != nil && l.headCmd.res.Kind == "OK" && headers.err == nil && headers.whole()
	return nil
}

// opening is a folder that is being opened.
type opening struct {
	conn      *conn
	sel       *Selected
	cmd       *command
	list      *listed // nil for none
	flags     []imap.Flag
	permanent bool // the permanent flags have been told
}

// send sends the command, and those for a listing.
func (o *opening) send(ctx context.Context, verb, name string, condStore bool, list *listed) error {
	o.list = list
	return o.conn.do(ctx, verb, func() (err error) {
		o.conn.opened.messages = 0
		o.conn.parser.forgetKeywords()
		o.cmd, err = o.conn.compose(verb, func(e *wire.Encoder) {
			e.Mailbox(name)
			if condStore {
				e.Raw(" (CONDSTORE)")
			}
		})
		if err == nil && list != nil {
			err = list.compose(o.conn)
		}
		if err != nil {
			return err
		}
		return o.conn.flush()
	})
}

// wait reads the answers to what send has sent, but for early bodies.
func (o *opening) wait(ctx context.Context) (*Selected, error) {
	err := o.conn.do(ctx, o.cmd.verb, func() error {
		if err := o.await(o.cmd); err != nil {
			return err
		}
		if o.list != nil && o.list.first == 0 {
			if err := o.list.await(o.conn, o.cmd.res.Kind == "OK"); err != nil {
				return err
			}
		}
		return o.conn.refusal(o.cmd)
	})
	if err != nil {
		return nil, err
	}
	o.conn.opened.examined = o.cmd.verb == "EXAMINE"
	return o.sel, nil
}

func (o *opening) await(cmd *command) error {
	conn := o.conn
	conn.told = o.told
	defer func() { conn.told = nil }()
	err := conn.await(cmd, func(_ uint32, data string) bool {
		if data == "FLAGS" {
			o.flags = conn.parser.readFlags()
		}
		return data == "FLAGS"
	})
	if err != nil {
		return err
	}
	o.told(&cmd.res)
	o.sel.Messages, conn.opened.news = conn.opened.messages, false
	o.sel.ReadOnly = o.sel.ReadOnly || o.permanent && len(o.sel.PermanentFlags) == 0 && !o.sel.AnyFlag
	if !o.permanent { // then all flags are (RFC 9051 section 7.1)
		o.sel.PermanentFlags = o.flags
	}
	return nil
}

// told takes what an OK or NO tells of the folder being opened.
func (o *opening) told(st *link.Response) {
	n, _ := strconv.ParseUint(st.Args, 10, 64)
	switch st.Code {
	case "UIDVALIDITY":
		o.sel.UIDValidity = uint32(n)
	case "UIDNEXT":
		o.sel.UIDNext = imap.UID(n)
	case "HIGHESTMODSEQ":
		o.sel.HighestModSeq = n
	case "READ-ONLY":
		o.sel.ReadOnly = true
	case "UIDNOTSTICKY":
		o.sel.NotSticky = true
	case "PERMANENTFLAGS":
		o.permanent = true
		o.sel.PermanentFlags, o.sel.AnyFlag = nil, false
		for word := range strings.FieldsSeq(strings.Trim(st.Args, "()")) {
			switch {
			case word == `\*`:
				o.sel.AnyFlag = true
			case len(word) <= maxWord && len(o.sel.PermanentFlags) < maxWords:
				o.sel.PermanentFlags = append(o.sel.PermanentFlags, o.conn.parser.flag([]byte(word)))
			}
		}
	}
}
