package pop3

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
)

// What the sessions with a server find out of it, as quirks.
const (
	exactSizes imap.Cap = "LIST"      // proved or distrusted: sizes are those of the messages as they are sent
	givesTop   imap.Cap = "TOP"       // likewise: there is the command
	wholeTop   imap.Cap = "TOP WHOLE" // distrusted: TOP with enough lines gives all of a message

	dotStuffing = "DOT" // distrusted: lines that begin with a dot get another one in front
)

// maxHeld is the largest message of which a copy is held until its size is
// sure; larger ones are read twice if the server's sizes are not. Octets.
const maxHeld = 1 << 20

var (
	errUnstuffed = errors.New("the server does not mark lines that begin with a dot (RFC 1939 section 3)")
	errNotWhole  = errors.New("TOP gives less than the whole message")
	errLarge     = errors.New("the message is larger than announced")
	errWrongSize = errors.New("the message has another size than announced")
)

// Bodies reads messages of a listing and calls fn for each, in order. size is
// exact, whatever LIST says; r ends with io.EOF only after exactly size octets,
// otherwise with an error, and is of no use after fn returned. Messages are
// read by TOP where that gives all of them, as servers take only RETR for
// reading. Messages that the server refuses are passed over, and the first refusal is
// returned when all others have been read.
func (s *Session) Bodies(ctx context.Context, list []Message, fn func(m Message, size int64, body io.Reader) error) error {
	b := &bodies{s: s, fn: fn}
	for len(list) > 0 {
		small := 0
		for small < len(list) && list[small].Size >= 0 && list[small].Size <= maxHeld {
			small++
		}
		var err error
		if small > 0 {
			small, err = b.small(ctx, list[:small])
		} else {
			small, err = 1, b.large(ctx, list[0])
		}
		if err != nil {
			return err
		}
		list = list[small:]
	}
	if b.refused != nil {
		return b.refused
	}
	return nil
}

// bodies reads messages one after the other.
type bodies struct {
	s       *Session
	fn      func(m Message, size int64, body io.Reader) error
	held    bytes.Buffer
	refused *link.Error // the first one
}

// readTop tells whether messages are read by TOP.
func (s *Session) readTop() bool { return s.hasTop() && !s.opt.Quirks.Distrusts(string(wholeTop)) }

// hasTop tells whether there is TOP, as far as known: a server without CAPA is tried.
func (s *Session) hasTop() bool {
	return (len(s.caps.list) == 0 || s.Has("TOP")) && !s.opt.Quirks.Distrusts(string(givesTop))
}

// exact tells whether LIST's sizes can be trusted.
func (s *Session) exact() bool {
	return s.opt.Quirks.HasProved(exactSizes) && !s.opt.Quirks.Distrusts(string(exactSizes))
}

// judgeSize learns from a message that was read whole.
func (s *Session) judgeSize(m Message, size int64) {
	q := s.opt.Quirks
	switch {
	case m.Size == size && !q.HasProved(exactSizes):
		q.Prove(exactSizes)
	case m.Size != size && !q.Distrusts(string(exactSizes)):
		s.opt.Log.Info().Int64("list", m.Size).Int64("message", size).Msg("the sizes that the server lists are not exact")
		q.Distrust(exactSizes)
	}
}

// small reads messages that are small as LIST has it, and returns how many are done.
func (b *bodies) small(ctx context.Context, list []Message) (done int, err error) {
	if b.s.readTop() {
		if done, err = b.byTop(ctx, list); err != nil || done == len(list) {
			return done, err
		}
		list = list[done : done+1] // this one in another way, then on
	}
	n, err := b.byRetr(ctx, list)
	return done + n, err
}

// byTop reads up to the first message that TOP does not give as it should, and
// draws the consequences from that.
func (b *bodies) byTop(ctx context.Context, list []Message) (done int, err error) {
	q := b.s.opt.Quirks
	err = b.s.each(ctx, asking{verb: "TOP", suffix: topAll, window: retrWindow, whole: true, strict: func() bool { return true }}, list, func(m Message, r io.Reader) error {
		q.Prove(givesTop)
		size, err := b.hold(r)
		switch {
		case errors.Is(err, link.ErrEndless): // by RETR, too
			done++
			return err
		case errors.Is(err, errLarge), err == nil && size != m.Size:
			return errNotWhole
		case err != nil:
			return err
		}
		done++
		b.s.judgeSize(m, size)
		return b.fn(m, size, bytes.NewReader(b.held.Bytes()))
	})
	switch {
	case errors.Is(err, errNotWhole):
		b.s.opt.Log.Info().Msg("TOP does not give what LIST announces; messages are read by RETR")
		q.Distrust(wholeTop)
		return done, nil
	case errors.Is(err, link.ErrEndless):
		return done, b.passOver(err)
	case link.ClassOf(err) == link.Refused && err != nil:
		if !q.HasProved(givesTop) {
			q.Distrust(givesTop)
		}
		return done, nil
	}
	return done, err
}

// byRetr reads messages by RETR, up to one that turns out to be large.
func (b *bodies) byRetr(ctx context.Context, list []Message) (int, error) {
	last := -1
	err := b.s.each(ctx, asking{verb: "RETR", window: retrWindow, whole: true}, list, func(m Message, r io.Reader) error {
		for last++; list[last].Number != m.Number; last++ { // those between were refused
		}
		size, err := b.hold(r)
		if err != nil {
			return err
		}
		b.s.judgeSize(m, size)
		return b.fn(m, size, bytes.NewReader(b.held.Bytes()))
	})
	if errors.Is(err, errLarge) {
		return last + 1, b.large(ctx, list[last])
	}
	return len(list), b.passOver(err)
}

// passOver notes a refusal, which is about one message.
func (b *bodies) passOver(err error) error {
	e, ok := err.(*link.Error)
	if !ok || e.Class != link.Refused {
		return err
	}
	if b.refused == nil {
		b.refused = e
	}
	return nil
}

// hold reads a message into memory, if it fits.
func (b *bodies) hold(r io.Reader) (int64, error) {
	b.held.Reset()
	n, err := io.CopyN(&b.held, r, maxHeld+1)
	if err == nil {
		return n, errLarge
	}
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return n, nil
	}
	return n, err
}

// large streams a message. What LIST says of its size is good enough if it
// has been right so far; otherwise it is counted first.
func (b *bodies) large(ctx context.Context, m Message) error {
	size, err := m.Size, error(nil)
	if size < 0 || !b.s.exact() {
		if size, err = b.count(ctx, m); err != nil {
			return b.passOver(err)
		}
	}
	ask := asking{verb: "RETR", window: 1, whole: true}
	if b.s.readTop() {
		ask = asking{verb: "TOP", suffix: topAll, window: 1, whole: true}
	}
	return b.passOver(b.s.each(ctx, ask, []Message{m}, func(m Message, r io.Reader) error {
		x := &exactReader{r: r, left: size}
		err := b.fn(m, size, x)
		if x.wrong {
			b.s.judgeSize(m, -1)
			if ask.suffix != "" {
				b.s.opt.Quirks.Distrust(wholeTop)
			}
		}
		return err
	}))
}

// count reads a message for nothing but its size.
func (b *bodies) count(ctx context.Context, m Message) (size int64, err error) {
	read := func(ask asking) error {
		return b.s.each(ctx, ask, []Message{m}, func(_ Message, r io.Reader) (err error) {
			size, err = io.Copy(io.Discard, r)
			return err
		})
	}
	if b.s.readTop() {
		err := read(asking{verb: "TOP", suffix: topAll, window: 1, whole: true})
		if err == nil && size == m.Size {
			b.s.judgeSize(m, size)
			return size, nil
		}
		if err != nil && (link.ClassOf(err) != link.Refused || errors.Is(err, link.ErrEndless)) {
			return 0, err
		}
		b.s.opt.Quirks.Distrust(wholeTop)
	}
	if err := read(asking{verb: "RETR", window: 1, whole: true}); err != nil {
		return 0, err
	}
	b.s.judgeSize(m, size)
	return size, nil
}

// exactReader ends with io.EOF only if what it reads from ends after the
// announced number of octets, and says so no later than with the last of them.
type exactReader struct {
	r     io.Reader
	left  int64
	ended bool
	wrong bool // it has another size
}

// Read implements io.Reader.
func (x *exactReader) Read(p []byte) (int, error) {
	if x.wrong {
		return 0, errWrongSize
	}
	if x.ended {
		return 0, io.EOF
	}
	n, err := x.r.Read(p[:min(int64(len(p)), x.left)])
	x.left -= int64(n)
	switch {
	case err == io.EOF && x.left > 0:
		x.wrong = true
		return 0, errWrongSize
	case err != nil && err != io.EOF:
		return n, err
	case x.left > 0:
		return n, nil
	}
	var more [1]byte
	for {
		switch m, err := x.r.Read(more[:]); {
		case m > 0:
			x.wrong = true
			return 0, errWrongSize
		case err == io.EOF:
			x.ended = true
			return n, nil
		case err != nil:
			return 0, err
		}
	}
}
