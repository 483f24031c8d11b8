package upstream

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
)

// Message is a line of a listing.
type Message struct {
	UID    imap.UID
	Flags  []imap.Flag // sorted, without \Recent
	Date   time.Time   // INTERNALDATE; zero if absent or unreadable
	Size   int64       // RFC822.SIZE; -1 if absent
	ModSeq uint64
}

// ListMessages lists the messages of set in the opened folder (UID FLAGS
// INTERNALDATE RFC822.SIZE), calling fn for each as it arrives, in the
// server's order. A message without a UID is skipped and logged; one of which
// the server holds items back is reported at the end with what there is.
// changedSince > 0 restricts to messages changed after that mod-sequence
// (CONDSTORE) and reports their ModSeq; where the server refuses that although
// it announced it, all are reported. A message whose flags change
// meanwhile may be reported again: the later report counts.
// An error of fn ends the session's use of the answer, not the session.
func (s *Session) ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(Message) error) error {
	items := listItems
	if changedSince > 0 {
		// CHANGEDSINCE implies MODSEQ in the answer (RFC 7162 section 3.1.4.1).
		items += fmt.Sprintf(" (CHANGEDSINCE %d)", changedSince)
	}
	tell := func(m *fetched) error { return fn(m.Message) }
	err := s.collect(ctx, set, items, listWant, tell)
	if changedSince == 0 || !Answered(err) || ClassOf(err) != Refused {
		return err
	}
	s.distrust(err, imap.CapCondStore, imap.CapQResync)
	return s.ListMessages(ctx, set, 0, fn)
}

// What a listing asks for.
const (
	listItems = "(UID FLAGS INTERNALDATE RFC822.SIZE)"
	listWant  = haveUID | haveFlags | haveDate | haveSize
)

// ListFlags is ListMessages with UID and FLAGS only.
func (s *Session) ListFlags(ctx context.Context, set imap.UIDSet, fn func(Message) error) error {
	return s.collect(ctx, set, "(UID FLAGS)", haveUID|haveFlags, func(m *fetched) error { return fn(m.Message) })
}

// Headers fetches the fields a fingerprint is made of
// (BODY.PEEK[HEADER.FIELDS (...)]) and RFC822.SIZE of set. header is fn's to
// keep, and at most 256 KB of it.
func (s *Session) Headers(ctx context.Context, set imap.UIDSet, fn func(m Message, header []byte) error) error {
	const items = "(UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SENDER SUBJECT X-TUID X-OFFLINEIMAP)])"
	return s.collect(ctx, set, items, haveUID|haveSize|haveHeader, func(m *fetched) error {
		if m.have&haveHeader == 0 {
			return nil
		}
		return fn(m.Message, m.header)
	})
}

// maxPartial bounds how many messages are held that the server has told of in part.
const maxPartial = 4096

// collector puts FETCH responses together, as servers may tell of a message
// in several of them and send others' changes in between.
type collector struct {
	s       *Session
	set     imap.UIDSet
	want    have
	fn      func(*fetched) error
	err     error // of fn
	partial map[uint32]*fetched
	told    []imap.UID
}

func newCollector(s *Session, set imap.UIDSet, want have, fn func(*fetched) error) *collector {
	return &collector{s: s, set: set, want: want, fn: fn, partial: map[uint32]*fetched{}}
}

func (s *Session) collect(ctx context.Context, set imap.UIDSet, items string, want have, fn func(*fetched) error) error {
	c := newCollector(s, set, want, fn)
	err := s.fetch(ctx, set, items, c.take)
	c.rest()
	if err != nil {
		return err
	}
	return c.err
}

// take is a dataFunc.
func (c *collector) take(num uint32, name string) bool { return c.takeWith(num, name, nil) }

// takeWith is take. body, unless it is nil, is called with the decoder at a whole body.
func (c *collector) takeWith(num uint32, name string, body func(*fetched)) bool {
	switch name {
	case "FETCH":
	case "EXPUNGE", "VANISHED": // the numbers shift
		c.rest()
		return false
	default:
		return false
	}
	m, known := c.partial[num]
	if !known {
		m = &fetched{Message: Message{Size: -1}}
	}
	if body == nil {
		c.s.readItems(m, nil)
	} else {
		c.s.readItems(m, func() { body(m) })
	}
	if m.have&c.want == c.want {
		if known {
			delete(c.partial, num)
		}
		c.tell(m)
	} else if len(c.partial) < maxPartial {
		c.partial[num] = m
	} else if !known {
		c.s.opt.Log.Warn().Uint32("number", num).Msg("the server told of too many messages in part; one is passed over")
	}
	return true
}

// tell reports a message if it is one that was asked for.
func (c *collector) tell(m *fetched) {
	if m.UID == 0 || !asksFor(c.set, m.UID) {
		return
	}
	c.told = append(c.told, m.UID)
	if c.err == nil {
		c.err = c.fn(m)
	}
}

// rest deals with what was told in part only.
func (c *collector) rest() {
	if len(c.partial) == 0 {
		return
	}
	told := make(map[imap.UID]bool, len(c.told))
	for _, uid := range c.told {
		told[uid] = true
	}
	nums := make([]uint32, 0, len(c.partial))
	for num := range c.partial {
		nums = append(nums, num)
	}
	slices.Sort(nums)
	for _, num := range nums {
		m := c.partial[num]
		switch {
		case m.UID == 0 && m.have&^haveFlags != 0:
			c.s.opt.Log.Warn().Uint32("number", num).Msg("the server gave a message no UID; it is passed over")
		case m.UID != 0 && !told[m.UID]: // otherwise a change of what was reported
			c.tell(m)
		}
	}
	clear(c.partial)
}
