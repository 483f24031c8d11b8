package pop3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"postferry/upstream/link"
)

// Message is a line of a listing. Numbers mean something in this session only.
type Message struct {
	Number uint32
	Size   int64  // as LIST has it, which at some servers is not exact; -1 if unknown
	UID    string // as UIDL has it; "" if the server has none
}

// maxMessages is how many messages a mailbox may have, as all of them are listed at once.
// listSlack is how many lines a listing may have beside those of the messages that STAT
// tells of. maxListed is how many octets of unique ids are kept.
const (
	maxMessages = 500_000
	listSlack   = 1000
	maxListed   = 64 << 20
)

// maxAnswer is how many octets an answer of several lines may have, beside answerLine for
// each of those that there is reason for.
const (
	maxAnswer  = 64 << 20
	answerLine = 200
)

// List lists the mailbox by number. messages is how many there are as STAT has it;
// it may differ from the length of the list only at servers that are unwell.
// Messages have no UID where the server does not know UIDL.
func (s *Session) List(ctx context.Context) (messages int, list []Message, err error) {
	err = s.do(ctx, "LIST", func() error {
		if messages, err = s.stat(); err != nil || messages == 0 {
			return err
		}
		if list, err = s.sizes(messages); err != nil {
			return err
		}
		return s.uids(messages, list)
	})
	if err != nil {
		return 0, nil, err
	}
	return messages, list, nil
}

// stat asks how many messages there are.
func (s *Session) stat() (int, error) {
	r, err := s.command("STAT", "")
	if err != nil {
		return 0, err
	}
	if r.kind != replyOK {
		return 0, s.refusal("STAT", r)
	}
	word, _, _ := strings.Cut(r.text, " ")
	n, err := strconv.ParseUint(word, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%w: STAT: %.100q", link.ErrNoReply, s.link.Clean(r.text))
	}
	if n > maxMessages {
		return 0, &link.Excess{Of: fmt.Sprintf("%d messages in a mailbox", n), Whole: true}
	}
	return int(n), nil
}

// sizes lists numbers and sizes.
func (s *Session) sizes(expected int) ([]Message, error) {
	r, err := s.command("LIST", "")
	if err != nil {
		return nil, err
	}
	if r.kind != replyOK {
		return nil, s.refusal("LIST", r)
	}
	list := make([]Message, 0, min(expected, 1<<16))
	err = s.lines(expected+listSlack, func(line string) {
		if n, rest, ok := listLine(line); ok {
			size, err := strconv.ParseInt(rest, 10, 64)
			if err != nil || size < 0 {
				size = -1
			}
			list = append(list, Message{Number: n, Size: size})
		}
	})
	s.tell('S', fmt.Sprintf("[%d lines]", len(list)))
	slices.SortStableFunc(list, func(a, b Message) int { return cmp.Compare(a.Number, b.Number) })
	return slices.CompactFunc(list, func(a, b Message) bool { return a.Number == b.Number }), err
}

// uids adds the unique ids. A server that knows no UIDL leaves them empty.
func (s *Session) uids(expected int, list []Message) error {
	r, err := s.command("UIDL", "")
	if err != nil {
		return err
	}
	if r.kind != replyOK {
		if e := s.refusal("UIDL", r); e.Class != link.Refused {
			return e
		}
		return nil
	}
	n, octets := 0, 0
	err = s.lines(expected+listSlack, func(line string) {
		n++
		number, uid, ok := listLine(line)
		if !ok {
			return
		}
		at, found := slices.BinarySearchFunc(list, number, func(m Message, n uint32) int { return cmp.Compare(m.Number, n) })
		if octets += len(uid); found && octets <= maxListed {
			list[at].UID = strings.Clone(uid)
		}
	})
	if err == nil && octets > maxListed {
		err = &link.Excess{Of: fmt.Sprintf("unique ids of %d octets", octets), Whole: true}
	}
	s.tell('S', fmt.Sprintf("[%d lines]", n))
	return err
}

// listLine reads a number and the first word behind it.
func listLine(line string) (number uint32, word string, ok bool) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return 0, "", false
	}
	n, err := strconv.ParseUint(words[0], 10, 32)
	if err != nil || n == 0 {
		return 0, "", false
	}
	if len(words) > 1 {
		word = words[1]
	}
	return uint32(n), word, true
}

// How many commands are under way at most at a server with PIPELINING (RFC
// 2449 section 6.6). Their lines are a fraction of what every system buffers,
// so neither side waits for the other to read. What is on its way when the
// asking ends early is read for nothing, so that is bounded, too.
const (
	retrWindow = 128
	topWindow  = 128
	retrOctets = 4 << 20 // as LIST has them
)

// topAll asks TOP for more lines than any message has. Servers don't take TOP
// for reading: Dovecot marks what RETR gave as read, and that not. There are
// servers whose TOP gives less than all, so a message is to be taken for whole
// only if it has the size of LIST.
const topAll = " 99999999"

// asking is a command that is given for each of many messages.
type asking struct {
	verb, suffix string
	window       int         // how many are under way at most
	whole        bool        // it brings whole messages
	strict       func() bool // whether a refusal ends the asking; nil for no
}

// each gives a command for each message of list, calling fn for each answer as
// it arrives, in order. r ends with io.EOF only when the server has said that
// the answer is complete, otherwise with an error; it is of no use after fn
// returned. fn need not read it to its end; the rest is discarded. An error of
// fn ends the asking, and so does a refusal that is about more than the message.
// Other refused messages are passed over; then the first refusal is returned at the end.
func (s *Session) each(ctx context.Context, ask asking, list []Message, fn func(m Message, r io.Reader) error) error {
	if !s.Has("PIPELINING") {
		ask.window = 1
	}
	e := &fetching{asking: ask, s: s, list: list, fn: fn}
	err := s.do(ctx, ask.verb, func() error {
		for e.answered < e.sent || e.sent < len(list) && e.stop == nil {
			if err := e.ask(); err != nil {
				return err
			}
			if err := e.take(); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case e.stop != nil:
		return e.stop
	case e.refused != nil:
		return e.refused
	}
	return nil
}

// fetching is a row of commands, each answered with a text.
type fetching struct {
	asking
	s              *Session
	list           []Message
	fn             func(Message, io.Reader) error
	sent, answered int
	octets         int64       // on their way
	stop           error       // of fn, or a refusal
	refused        *link.Error // the first one
}

// ask sends more commands when half of the window is free.
func (e *fetching) ask() error {
	if e.stop != nil || e.sent == len(e.list) || e.sent-e.answered > e.window/2 {
		return nil
	}
	for ; e.sent < len(e.list) && e.sent-e.answered < e.window && e.fits(); e.sent++ {
		e.octets += e.list[e.sent].Size
		args := strconv.FormatUint(uint64(e.list[e.sent].Number), 10) + e.suffix
		e.s.tell('C', e.verb+" "+args)
		if err := e.s.send(e.verb, args); err != nil {
			return err
		}
	}
	return e.s.link.Writer.Flush()
}

// fits tells whether one more answer may be on its way.
func (e *fetching) fits() bool { return !e.whole || e.octets < retrOctets || e.sent == e.answered }

// take reads the oldest answer and hands it on.
func (e *fetching) take() error {
	r, err := e.s.answer()
	if err != nil {
		return err
	}
	e.s.tell('S', r.line())
	m := e.list[e.answered]
	e.answered++
	e.octets -= m.Size
	if r.kind != replyOK {
		e.refuse(r)
		return nil
	}
	body := e.s.body()
	if e.whole {
		body.expect = m.Size
	}
	if e.stop == nil {
		e.stop = e.fn(m, body)
	}
	if _, err := io.Copy(io.Discard, body); err != nil && err != body.fault {
		return err
	}
	e.s.tell('S', fmt.Sprintf("[%d octets]", body.size))
	return e.amiss(body.fault)
}

// amiss deals with what turned out to be wrong with a message, which nobody was given: it is
// about that message, or else the session begins anew, as it is read in another way then.
func (e *fetching) amiss(fault error) error {
	switch {
	case fault == nil:
	case !errors.Is(fault, link.ErrEndless):
		return fault
	default:
		if errors.Is(e.stop, fault) {
			e.stop = nil
		}
		if e.refused == nil {
			e.refused = &link.Error{Server: e.s.link.Address, Role: e.s.opt.Role, Op: e.verb, Class: link.Refused, Err: fault}
		}
	}
	return nil
}

// refuse notes a refusal.
func (e *fetching) refuse(r reply) {
	refusal := e.s.refusal(e.verb, r)
	if e.stop == nil && (refusal.Class != link.Refused || e.strict != nil && e.strict()) {
		e.stop = refusal
	}
	if e.refused == nil {
		e.refused = refusal
	}
}
