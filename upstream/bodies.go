package upstream

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
	"postferry/wire"
)

// maxEarly is the largest body that is held until its response has ended, so that it is
// sure whose it is; larger ones are passed on as they come. Octets.
const maxEarly = 1 << 20

// maxAlone is how many messages are asked for one by one if bodies came without a UID.
const maxAlone = 1000

// Bodies fetches BODY.PEEK[] of set with one command and calls fn for each
// body that comes in a response with its UID (RFC 9051 section 6.4.9). size is the announced
// length; r ends with io.EOF only after exactly size octets, otherwise with an error. r is
// of no use after fn returned. fn need not read r to its end; the rest is discarded. UIDs the
// server passes over in silence are simply not reported, nor is NIL for a
// body. Where bodies come without a UID, and the set is not large, its messages are asked for
// once more, each by itself. An error of fn is returned at the end of the answer.
// A NO or BAD is an *Error.
func (f *Fetcher) Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error {
	b := &bodies{conn: f.conn, fn: fn}
	err := b.fetch(ctx, set)
	for _, uid := range b.askAgain(set) {
		if err != nil || b.err != nil {
			break
		}
		err = b.fetch(ctx, imap.UIDSetNum(uid))
	}
	if err != nil {
		return err
	}
	return b.err
}

// bodies hands the bodies of an answer on.
type bodies struct {
	conn   *conn
	fn     func(uid imap.UID, size int64, r io.Reader) error
	err    error // of fn
	set    imap.UIDSet
	all    bool              // whatever comes is wanted, not only what is in set
	done   map[imap.UID]bool // handed on
	again  []imap.UID        // to be asked for on their own
	astray bool              // a body came of which nobody knows whose it is

	early []byte // of the present response
	came  arrived
}

// arrived says what became of the body in a response.
type arrived int

const (
	noBody    arrived = iota
	bodyHeld          // it waits for the response to end
	bodyTold          // it has been passed on
	bodyLarge         // it was too large to be held
	bodyTwice         // there are two
)

func (b *bodies) fetch(ctx context.Context, set imap.UIDSet) error {
	b.set = set
	return b.conn.fetch(ctx, set, bodyItems, b.take)
}

// askAgain are the messages of a set to be asked for by themselves.
func (b *bodies) askAgain(set imap.UIDSet) []imap.UID {
	again := b.again
	if !b.astray {
		return again
	}
	for _, uid := range few(set, maxAlone) {
		if !b.done[uid] && !slices.Contains(again, uid) {
			again = append(again, uid)
		}
	}
	return again
}

const bodyItems = "(UID BODY.PEEK[])"

// BodiesCall are bodies on their way.
type BodiesCall struct {
	conn *conn
	cmds []*command
}

// AskBodies asks for the bodies of set. Others may be asked for before they have come,
// but nothing else may be done: bodies that come meanwhile are lost, as all are when
// another folder is opened. Wait for the calls in turn. An error means the connection
// is lost.
func (f *Fetcher) AskBodies(ctx context.Context, set imap.UIDSet) (*BodiesCall, error) {
	c := &BodiesCall{conn: f.conn}
	return c, f.conn.do(ctx, "UID FETCH", func() error {
		for _, part := range splitSet(set) {
			cmd, err := f.conn.compose("UID FETCH", func(e *wire.Encoder) { e.UIDs(part).SP().Raw(bodyItems) })
			if err != nil {
				return err
			}
			c.cmds = append(c.cmds, cmd)
		}
		return f.conn.flush()
	})
}

// Wait reads until the call is answered and returns the server's refusal, if it was
// one. fn is that of Bodies; it is called for each body that comes, be it of another
// call under way: a server may be at several at once.
func (c *BodiesCall) Wait(ctx context.Context, fn func(uid imap.UID, size int64, r io.Reader) error) error {
	b := &bodies{conn: c.conn, fn: fn, all: true}
	var refused error
	err := c.conn.do(ctx, "UID FETCH", func() error {
		for _, cmd := range c.cmds {
			if err := c.conn.await(cmd, b.take); err != nil {
				return err
			}
			if err := c.conn.refusal(cmd); err != nil && refused == nil {
				refused = err
			}
		}
		return nil
	})
	return cmp.Or(err, refused, b.err)
}

// take is a dataFunc.
func (b *bodies) take(num uint32, name string) bool {
	if name != "FETCH" {
		return false
	}
	var m fetched
	b.read(&m, func() bool { return m.UID != 0 })
	m.bindOnly(b.set)
	b.settle(num, &m)
	return true
}

// read reads a response. What is larger than can be held is passed on at once if all that
// has to be known before is, which known tells.
func (b *bodies) read(m *fetched, known func() bool) {
	b.came = noBody
	b.conn.parser.readItems(m, func() { b.body(m, known()) })
}

// body takes a body, literal or not. NIL is none.
func (b *bodies) body(m *fetched, known bool) {
	d := b.conn.dec
	m.have |= haveBody
	if b.came != noBody {
		b.came = bodyTwice
		d.Skip()
		return
	}
	if size, ok := d.Literal(); ok {
		b.literal(m, size, known)
		return
	}
	if d.Err() != nil {
		return
	}
	text, isNil := d.String(wire.MaxToken)
	if d.Err() == nil && !isNil {
		b.early = append(b.early[:0], text...)
		b.came = bodyHeld
	}
}

func (b *bodies) literal(m *fetched, size int64, known bool) {
	uid, one := only(b.set)
	switch {
	case size <= maxEarly:
		b.hold(size)
	case known && !m.torn:
		b.came = bodyTold
		b.hand(m.UID, size, &wholeBody{b.conn, b.conn.dec.Body(), size, m.UID})
	case one && m.UID == 0 && !m.torn:
		b.came = bodyTold
		b.hand(uid, size, &wholeBody{b.conn, b.conn.dec.Body(), size, uid})
	default:
		b.came = bodyLarge // dropped by what is read next
	}
}

// hold keeps a literal.
func (b *bodies) hold(size int64) {
	b.early = slices.Grow(b.early[:0], int(size))[:size]
	if _, err := io.ReadFull(b.conn.dec.Body(), b.early); err == nil && b.conn.parser.literalEnds() {
		b.came = bodyHeld
	}
}

// settle hands on what was held, if the response says whose it is.
func (b *bodies) settle(num uint32, m *fetched) {
	switch {
	case b.came == noBody || b.came == bodyTold:
	case b.came == bodyTwice || m.UID == 0:
		b.astray = true
		b.conn.warnings.warn().Uint32("number", num).Msg("the server does not say whose body this is; it is asked for once more")
	case b.came == bodyLarge:
		b.askAlone(m.UID)
	default:
		b.hand(m.UID, int64(len(b.early)), bytes.NewReader(b.early))
	}
}

// hand gives a body to fn, if it is one that was asked for and not the second
// time.
func (b *bodies) hand(uid imap.UID, size int64, r io.Reader) {
	if b.err != nil || !b.all && !asksFor(b.set, uid) || b.done[uid] {
		return
	}
	if b.done == nil {
		b.done = map[imap.UID]bool{}
	}
	if len(b.done) == maxBodies {
		b.conn.bounds.tooMuch(fmt.Sprintf("%d messages", len(b.done)), false)
		return
	}
	b.done[uid] = true
	b.err = b.fn(uid, size, r)
}

// askAlone notes that a body has to be asked for on its own.
func (b *bodies) askAlone(uid imap.UID) {
	if len(b.again) < maxAlone && !slices.Contains(b.again, uid) {
		b.again = append(b.again, uid)
	}
}

// literalEnds checks what follows a literal in a FETCH response. If that is
// neither the next item nor the end, the literal was longer or shorter than
// announced: parts of a message would be read as responses, or responses as part
// of a message. That costs the connection.
func (p *parser) literalEnds() bool {
	c := p.dec.Peek()
	if p.dec.Err() != nil {
		return false
	}
	if c == ')' || c == ' ' && p.itemFollows() {
		return true
	}
	p.bounds.broken = link.ErrLiteral
	return false
}

// itemFollows tells whether a space leads to the name of an item, rather than
// into the next response.
func (p *parser) itemFollows() bool {
	ahead, _ := p.reader.Peek(len(" UID 1)")) // the shortest there is
	word, _, _ := bytes.Cut(bytes.TrimLeft(ahead, " "), []byte(" "))
	switch upper(word) {
	case "", "FETCH", "OK", "NO", "BAD", "EXISTS", "RECENT":
		return false
	}
	return word[0] >= 'A' && word[0] <= 'Z' || word[0] >= 'a' && word[0] <= 'z'
}

// wholeBody is a body that gives its last octets only if the literal ends there, and what
// is left of its response does not say that it is another message's.
type wholeBody struct {
	conn *conn
	r    io.Reader
	left int64
	uid  imap.UID
}

func (b *wholeBody) Read(p []byte) (int, error) {
	if b.left > 0 && b.conn.bounds.broken != nil {
		return 0, b.conn.bounds.broken
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left == 0 && n > 0 && !(b.conn.parser.literalEnds() && b.conn.parser.stillOf(b.uid)) {
		b.left = 1 // it is not whole, and won't be
		return 0, cmp.Or(b.conn.bounds.broken, b.conn.dec.Err())
	}
	return n, err
}

// stillOf tells whether no other UID stands in the rest of a FETCH response, as far as it
// has been read ahead. Otherwise it is not known whose body was passed on: that costs the connection.
func (p *parser) stillOf(uid imap.UID) bool {
	if p.dec.Peek() == ')' {
		return true
	}
	ahead, _ := p.reader.Peek(p.reader.Buffered())
	line, _, _ := bytes.Cut(ahead, []byte("\n"))
	for word := range bytes.FieldsSeq(bytes.TrimRight(line, ")\r")) {
		if upper(word) == "UID" {
			_, rest, _ := bytes.Cut(line, word)
			number, _, _ := bytes.Cut(bytes.TrimLeft(rest, " "), []byte(" "))
			if string(bytes.TrimRight(number, ")\r")) != strconv.FormatUint(uint64(uid), 10) {
				p.bounds.broken = errOtherUID
				return false
			}
			line = rest
		}
	}
	return true
}
