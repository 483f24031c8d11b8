package upstream

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

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
}

// Examine opens a folder read-only (EXAMINE, with (CONDSTORE) where offered).
func (s *Session) Examine(ctx context.Context, name string) (*Selected, error) {
	return s.openFolder(ctx, "EXAMINE", name, nil)
}

// Select opens a folder for writing.
func (s *Session) Select(ctx context.Context, name string) (*Selected, error) {
	return s.openFolder(ctx, "SELECT", name, nil)
}

// ExamineAndList is Examine and, in the same round trip, ListMessages of set. ok
// tells whether the server took the listing; if not, fn may have been called all the same.
func (s *Session) ExamineAndList(ctx context.Context, name string, set imap.UIDSet, fn func(Message) error) (sel *Selected, ok bool, err error) {
	l := &listed{set: set, fn: fn}
	sel, err = s.openFolder(ctx, "EXAMINE", name, l)
	return sel, l.ok, err
}

// ExamineAndFetch is Examine and, in the same round trip, ListMessages of set and the
// bodies of the first messages in the folder. It returns before those come.
func (s *Session) ExamineAndFetch(ctx context.Context, name string, set imap.UIDSet, first int) (*Selected, *EarlyCall, error) {
	l := &listed{set: set, first: first}
	sel, err := s.openFolder(ctx, "EXAMINE", name, l)
	return sel, l.early, err
}

// listed is a listing that is asked for together with the opening of its folder.
type listed struct {
	set imap.UIDSet
	fn  func(Message) error
	ok  bool
	cmd *command

	first int        // messages whose bodies are asked for as well
	early *EarlyCall // then it is waited for by itself
}

func (s *Session) openFolder(ctx context.Context, verb, name string, list *listed) (*Selected, error) {
	if err := s.checkName(verb, name); err != nil {
		return nil, err
	}
	condStore := s.Has(imap.CapCondStore) || s.Has(imap.CapQResync)
	sel, err := s.tryOpen(ctx, verb, name, condStore, list)
	if unsafe(err) && !s.identified {
		// 163.com opens no folder for a client that has not said who it is.
		if err := s.sayID(ctx); err != nil {
			return nil, err
		}
		sel, err = s.tryOpen(ctx, verb, name, condStore, list)
	}
	if !condStore || !saysNothing(err) {
		return sel, err
	}
	plain, again := s.tryOpen(ctx, verb, name, false, list)
	if again == nil {
		s.distrust(err, imap.CapCondStore, imap.CapQResync)
	}
	return plain, again
}

// saysNothing reports a refusal without a response code: it may be about the
// command as much as about the folder.
func saysNothing(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Class == Refused && e.Code == "" && e.answered()
}

func (s *Session) tryOpen(ctx context.Context, verb, name string, condStore bool, list *listed) (*Selected, error) {
	o := &opening{s: s, sel: &Selected{}}
	err := s.do(ctx, verb, func() error {
		cmd, err := o.send(verb, name, condStore)
		if err != nil {
			return err
		}
		if list != nil {
			if err := s.composeListing(list); err != nil {
				return err
			}
		}
		if err := s.flush(); err != nil {
			return err
		}
		if err := o.await(cmd); err != nil {
			return err
		}
		if list != nil && list.first == 0 {
			if err := s.awaitListing(list, cmd.res.kind == "OK"); err != nil {
				return err
			}
		}
		return s.refusal(cmd)
	})
	if err != nil {
		return nil, err
	}
	return o.sel, nil
}

// composeListing writes the command that lists a set, and the one for bodies.
func (s *Session) composeListing(l *listed) (err error) {
	if l.cmd, err = s.compose("UID FETCH", func(e *wire.Encoder) { e.UIDs(l.set).SP().Raw(listItems) }); err != nil || l.first == 0 {
		return err
	}
	l.early, err = s.composeEarly(l)
	return err
}

// awaitListing reads the answer to a listing. That of a folder that was not opened
// says nothing, whatever the server makes of it.
func (s *Session) awaitListing(l *listed, opened bool) error {
	c := newCollector(s, l.set, listWant, func(m *fetched) error { return l.fn(m.Message) })
	data := c.take
	if !opened {
		data = nil
	}
	if err := s.await(l.cmd, data); err != nil || !opened {
		return err
	}
	c.rest()
	l.ok = c.err == nil && l.cmd.res.kind == "OK"
	return nil
}

// opening is a folder that is being opened.
type opening struct {
	s         *Session
	sel       *Selected
	flags     []imap.Flag
	permanent bool // the permanent flags have been told
}

func (o *opening) send(verb, name string, condStore bool) (*command, error) {
	cmd, err := o.s.begin(verb)
	if err != nil {
		return nil, err
	}
	o.s.messages = 0
	o.s.enc.SP().Mailbox(name)
	if condStore {
		o.s.enc.Raw(" (CONDSTORE)")
	}
	o.s.enc.CRLF()
	return cmd, nil
}

func (o *opening) await(cmd *command) error {
	s := o.s
	s.told = o.told
	defer func() { s.told = nil }()
	err := s.await(cmd, func(_ uint32, data string) bool {
		if data == "FLAGS" {
			o.flags = s.readFlags()
		}
		return data == "FLAGS"
	})
	if err != nil {
		return err
	}
	o.told(&cmd.res)
	o.sel.Messages, s.news = s.messages, false
	if !o.permanent { // then all flags are (RFC 9051 section 7.1)
		o.sel.PermanentFlags = o.flags
	}
	return nil
}

// told takes what an OK or NO tells of the folder being opened.
func (o *opening) told(st *status) {
	n, _ := strconv.ParseUint(st.args, 10, 64)
	switch st.code {
	case "UIDVALIDITY":
		o.sel.UIDValidity = uint32(n)
	case "UIDNEXT":
		o.sel.UIDNext = imap.UID(n)
	case "HIGHESTMODSEQ":
		o.sel.HighestModSeq = n
	case "UIDNOTSTICKY":
		o.sel.NotSticky = true
	case "PERMANENTFLAGS":
		o.permanent = true
		o.sel.PermanentFlags, o.sel.AnyFlag = nil, false
		for _, word := range strings.Fields(strings.Trim(st.args, "()")) {
			if word == `\*` {
				o.sel.AnyFlag = true
			} else {
				o.sel.PermanentFlags = append(o.sel.PermanentFlags, o.s.flag([]byte(word)))
			}
		}
	}
}
