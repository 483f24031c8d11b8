package upstream

import (
	"bytes"
	"cmp"
	"context"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/wire"
)

// maxEarly is the largest body that is held because its UID is told behind
// it; larger ones are asked for once more on their own. Octets.
const maxEarly = 1 << 20

// Bodies fetches BODY.PEEK[] of set with one command and calls fn for each
// body as it arrives. size is the announced length; r ends with io.EOF only
// after exactly size octets, otherwise with an error. r is of no use after fn
// returned. fn need not read r to its end; the rest is discarded. UIDs the
// server passes over in silence are simply not reported, nor is NIL for a
// body. An error of fn is returned at the end of the answer.
// A NO or BAD is an *Error.
func (s *Session) Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error {
	b := &bodies{s: s, fn: fn}
	err := b.fetch(ctx, set)
	for _, uid := range b.again {
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
	s     *Session
	fn    func(uid imap.UID, size int64, r io.Reader) error
	err   error // of fn
	set   imap.UIDSet
	all   bool                // whatever comes is wanted, not only what is in set
	done  imap.UIDSet         // handed on
	uids  map[uint32]imap.UID // by message number, told in this answer
	again []imap.UID          // to be asked for on their own
	early []byte              // a body whose UID isn't known yet
}

func (b *bodies) fetch(ctx context.Context, set imap.UIDSet) error {
	b.set, b.uids = set, map[uint32]imap.UID{}
	return b.s.fetch(ctx, set, bodyItems, b.take)
}

const bodyItems = "(UID BODY.PEEK[])"

// BodiesCall are bodies on their way.
type BodiesCall struct {
	s    *Session
	cmds []*command
}

// AskBodies asks for the bodies of set. Others may be asked for before they have come,
// but nothing else may be done: bodies that come meanwhile are lost, as all are when
// another folder is opened. Wait for the calls in turn. An error means the connection
// is lost.
func (s *Session) AskBodies(ctx context.Context, set imap.UIDSet) (*BodiesCall, error) {
	c := &BodiesCall{s: s}
	return c, s.do(ctx, "UID FETCH", func() error {
		for _, part := range splitSet(set) {
			cmd, err := s.compose("UID FETCH", func(e *wire.Encoder) { e.UIDs(part).SP().Raw(bodyItems) })
			if err != nil {
				return err
			}
			c.cmds = append(c.cmds, cmd)
		}
		return s.flush()
	})
}

// Wait reads until the call is answered and returns the server's refusal, if it was
// one. fn is that of Bodies; it is called for each body that comes, be it of another
// call under way: a server may be at several at once.
func (c *BodiesCall) Wait(ctx context.Context, fn func(uid imap.UID, size int64, r io.Reader) error) error {
	b := &bodies{s: c.s, fn: fn, all: true, uids: map[uint32]imap.UID{}}
	var refused error
	err := c.s.do(ctx, "UID FETCH", func() error {
		for _, cmd := range c.cmds {
			if err := c.s.await(cmd, b.take); err != nil {
				return err
			}
			if err := c.s.refusal(cmd); err != nil && refused == nil {
				refused = err
			}
		}
		return nil
	})
	return cmp.Or(err, refused, b.err)
}

// take is a dataFunc.
func (b *bodies) take(num uint32, name string) bool {
	switch name {
	case "FETCH":
	case "EXPUNGE", "VANISHED": // the numbers shift
		clear(b.uids)
		return false
	default:
		return false
	}
	m := fetched{Message: Message{UID: b.uids[num]}}
	const none, held, dropped = 0, 1, 2
	early := none
	b.s.readItems(&m, func() {
		if m.UID == 0 {
			m.UID, _ = only(b.set)
		}
		if m.UID != 0 {
			b.value(m.UID)
			return
		}
		switch ok, fits := b.hold(); {
		case ok && fits:
			early = held
		case ok:
			early = dropped
		}
	})
	if m.UID == 0 {
		if early != none {
			b.s.opt.Log.Warn().Uint32("number", num).Msg("the server gave a body no UID; it is passed over")
		}
		return true
	}
	if len(b.uids) < maxPartial {
		b.uids[num] = m.UID
	}
	switch early {
	case held:
		b.hand(m.UID, int64(len(b.early)), bytes.NewReader(b.early))
	case dropped:
		b.again = append(b.again, m.UID)
	}
	return true
}

// value takes a body, literal or not, and hands it on. NIL is none.
func (b *bodies) value(uid imap.UID) {
	d := b.s.dec
	if size, ok := d.Literal(); ok {
		if size > 0 || b.s.literalEnds() {
			b.hand(uid, size, &wholeBody{b.s, d.Body(), size})
		}
		return
	}
	if d.Err() != nil {
		return
	}
	text, isNil := d.String(wire.MaxToken)
	if d.Err() == nil && !isNil {
		b.hand(uid, int64(len(text)), bytes.NewReader(text))
	}
}

// hold takes a body whose UID isn't known yet and keeps it if it fits.
func (b *bodies) hold() (ok, fits bool) {
	d := b.s.dec
	if size, isLiteral := d.Literal(); isLiteral && size > maxEarly {
		return true, false // dropped by what is read next
	} else if isLiteral {
		b.early = append(b.early[:0], make([]byte, size)...)
		_, err := io.ReadFull(d.Body(), b.early)
		return err == nil && b.s.literalEnds(), true
	}
	if d.Err() != nil {
		return false, false
	}
	text, isNil := d.String(wire.MaxToken)
	b.early = append(b.early[:0], text...)
	return d.Err() == nil && !isNil, true
}

// hand gives a body to fn, if it is one that was asked for and not the second
// time.
func (b *bodies) hand(uid imap.UID, size int64, r io.Reader) {
	if b.err != nil || !b.all && !b.set.Contains(uid) || b.done.Contains(uid) {
		return
	}
	b.done.AddNum(uid)
	b.err = b.fn(uid, size, r)
}

// literalEnds checks what follows a literal in a FETCH response. If that is
// neither the next item nor the end, the literal was longer or shorter than
// announced: parts of a message would be read as responses, or responses as part
// of a message. That costs the connection.
func (s *Session) literalEnds() bool {
	c := s.dec.Peek()
	if s.dec.Err() != nil {
		return false
	}
	if c == ')' || c == ' ' && s.itemFollows() {
		return true
	}
	s.broken = errLiteral
	return false
}

// itemFollows tells whether a space leads to the name of an item, rather than
// into the next response.
func (s *Session) itemFollows() bool {
	ahead, _ := s.r.Peek(len(" UID 1)")) // the shortest there is
	word, _, _ := bytes.Cut(bytes.TrimLeft(ahead, " "), []byte(" "))
	switch upper(word) {
	case "", "FETCH", "OK", "NO", "BAD", "EXISTS", "RECENT":
		return false
	}
	return word[0] >= 'A' && word[0] <= 'Z' || word[0] >= 'a' && word[0] <= 'z'
}

// wholeBody is a body that gives its last octets only if the literal ends there.
type wholeBody struct {
	s    *Session
	r    io.Reader
	left int64
}

func (b *wholeBody) Read(p []byte) (int, error) {
	if b.left > 0 && b.s.broken != nil {
		return 0, b.s.broken
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left == 0 && n > 0 && !b.s.literalEnds() {
		b.left = 1 // it is not whole, and won't be
		return 0, cmp.Or(b.s.broken, b.s.dec.Err())
	}
	return n, err
}
