package upstream

import (
	"context"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// maxPartial bounds how many messages are held that the server has told of in part.
const maxPartial = 4096

// collector puts together what an answer tells of messages. Whatever is told of a message
// must come in a response that has its UID, as every response to UID FETCH has (RFC 9051
// section 6.4.9): message numbers bind nothing together, as servers mix them up, shift them
// in between and leave UIDs out. There may be several such responses for a message.
type collector struct {
	conn *conn
	set  imap.UIDSet
	want have // what was asked for
	need have // without which a message isn't reported
	fn   func(*fetched) error
	once bool // each message is reported once, however often the server tells of it

	err     error // of fn
	partial map[imap.UID]*fetched
	told    []imap.UID
	done    map[imap.UID]bool // those that are not reported again; nil for none
	all     have              // what was told of any message
	astray  bool              // something came without a UID
	held    int               // octets of partial
	most    int               // reports that there is reason for, as far as was looked
	before  int               // so many had been reported when it was asked for once more
}

func newCollector(conn *conn, set imap.UIDSet, c collector) *collector {
	if c.conn, c.set, c.partial = conn, set, map[imap.UID]*fetched{}; c.once {
		c.done = map[imap.UID]bool{}
	}
	return &c
}

// collect asks for items of a set. What can't be bound to a message, or is missing, is
// asked for once more, and what is missing then of a message by itself: then it is clear what
// an answer without a UID is about.
func (c *conn) collect(ctx context.Context, set imap.UIDSet, items string, wish collector) error {
	told := newCollector(c, set, wish)
	err := c.fetch(ctx, set, items, told.take)
	if again := told.again(); err == nil && told.err == nil && len(again) > 0 {
		c.opt.Log.Warn().Str("items", items).Msg("the server left items out; they are asked for once more")
		told.begin(again)
		err = c.fetch(ctx, again, items, told.take)
		told.learn(err)
		if err == nil {
			err = told.each(ctx, items)
		}
	}
	told.rest()
	if err != nil {
		return err
	}
	return told.err
}

// vainMost is how many messages are asked for by themselves without anything new coming
// before the others are not.
const vainMost = 3

// each asks for the messages that are still incomplete, one by one.
func (c *collector) each(ctx context.Context, items string) error {
	all, vain := c.set, 0
	defer func() { c.set = all }()
	for _, uid := range c.incomplete() {
		if vain == vainMost {
			break
		}
		had := c.partial[uid].have
		c.set = imap.UIDSetNum(uid)
		if err := c.conn.fetch(ctx, c.set, items, c.take); err != nil {
			return err
		}
		if m, left := c.partial[uid]; left && m.have == had {
			vain++
		} else {
			vain = 0
		}
	}
	return nil
}

// incomplete are messages that lack what the server tells of others, the lowest first.
func (c *collector) incomplete() (uids []imap.UID) {
	lacking := c.want &^ c.conn.habits.lacks
	told := c.reported()
	for uid, m := range c.partial {
		if m.fresh && m.have&lacking != lacking && !told[uid] && asksFor(c.set, uid) {
			uids = append(uids, uid)
		}
	}
	slices.Sort(uids)
	return uids
}

// take is a dataFunc.
func (c *collector) take(num uint32, name string) bool {
	if name != "FETCH" {
		return false
	}
	m := &fetched{Message: Message{Size: -1}}
	c.conn.parser.readItems(m, nil)
	c.add(num, m)
	return true
}

// add takes what one response tells.
func (c *collector) add(num uint32, m *fetched) {
	m.bindOnly(c.set)
	if c.all |= m.have; m.UID == 0 {
		// Flags alone are a change that nobody asked for, unless nothing else was.
		c.astray = c.astray || m.have&^(haveFlags|haveModSeq) != 0 || c.want&^(haveUID|haveFlags) == 0
		return
	}
	c.held += len(m.header)
	part, known := c.partial[m.UID]
	if known {
		part.add(m)
		m = part
	}
	switch {
	case m.have&c.want == c.want:
		if known {
			delete(c.partial, m.UID)
		}
		c.tell(m)
	case known || c.room():
		m.fresh = true
		c.partial[m.UID] = m
	default:
		c.conn.warnings.warn().Uint32("number", num).Msg("the server told of too many messages in part; one is passed over")
	}
}

// room tells whether another message may be held that was told of in part.
func (c *collector) room() bool {
	if len(c.partial) == 0 {
		c.held = 0
	}
	return len(c.partial) < maxPartial && c.held < maxPartialHeld
}

// tell reports a message if it is one that was asked for.
func (c *collector) tell(m *fetched) {
	if c.err != nil || m.UID == 0 || !asksFor(c.set, m.UID) || c.done[m.UID] {
		return
	}
	if len(c.told) >= c.most {
		c.most = c.conn.bounds.reportsMost(c.set)
	}
	if len(c.told) >= c.most {
		c.conn.bounds.tooMuch(fmt.Sprintf("%d reports of the same messages", len(c.told)), false)
		return
	}
	if c.told = append(c.told, m.UID); c.once {
		c.done[m.UID] = true
	}
	c.err = c.fn(m)
}

// again is what has to be asked for once more: of messages that were told of in part; and
// all, if something came without a UID. What the server never tells is not asked for.
func (c *collector) again() (set imap.UIDSet) {
	if c.astray && !c.conn.habits.unbound {
		return c.set
	}
	if len(c.partial) > 0 {
		set.AddNum(c.incomplete()...)
	}
	return set
}

// begin prepares for what a set is told once more: what was reported is not again, and what
// is not told of any more is gone.
func (c *collector) begin(set imap.UIDSet) {
	c.done, c.before = c.reported(), len(c.told)
	for uid, m := range c.partial {
		m.fresh = !asksFor(set, uid)
	}
}

// learn notes what the server doesn't tell however often it is asked, so that it is not
// asked twice each time.
func (c *collector) learn(err error) {
	if err != nil {
		return
	}
	c.conn.habits.lacks |= c.want &^ c.all
	c.conn.habits.unbound = c.conn.habits.unbound || c.astray && len(c.told) == c.before
}

// reported are the messages that were.
func (c *collector) reported() map[imap.UID]bool {
	told := make(map[imap.UID]bool, len(c.told))
	for _, uid := range c.told {
		told[uid] = true
	}
	return told
}

// whole tells whether nothing came in part or without its UID.
func (c *collector) whole() bool {
	if c.astray || len(c.partial) == 0 {
		return !c.astray
	}
	told := c.reported()
	for uid := range c.partial {
		if !told[uid] && asksFor(c.set, uid) {
			return false
		}
	}
	return true
}

// rest reports what was told in part only, the last time it was asked for.
func (c *collector) rest() {
	if len(c.partial) == 0 {
		return
	}
	told := c.reported()
	uids := make([]imap.UID, 0, len(c.partial))
	for uid, m := range c.partial {
		if m.fresh && m.have&c.need == c.need && !told[uid] { // otherwise a change of what was reported
			uids = append(uids, uid)
		}
	}
	slices.Sort(uids)
	for _, uid := range uids {
		c.tell(c.partial[uid])
	}
	clear(c.partial)
}
