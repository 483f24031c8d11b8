package upstream

import (
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/wire"
)

// ReadBack tells what the server keeps of messages (UID, flags, date) in a
// folder that is opened read-only for it and left again, all in one round trip.
// The folder that was open is not any more. A message that is gone is missing; all
// are if the UIDs don't mean what they did (another UIDVALIDITY, or UIDNOTSTICKY).
func (s *Session) ReadBack(ctx context.Context, mailbox string, uidValidity uint32, set imap.UIDSet) (found []Message, err error) {
	if err := s.checkName("EXAMINE", mailbox); err != nil {
		return nil, err
	}
	c := newCollector(s, set, haveUID|haveFlags|haveDate, func(m *fetched) error {
		found = append(found, m.Message)
		return nil
	})
	o := &opening{s: s, sel: &Selected{}}
	err = s.together(ctx, c.take, []request{
		{"EXAMINE", func(e *wire.Encoder) { e.Mailbox(mailbox) }},
		{"UID FETCH", func(e *wire.Encoder) { e.UIDs(set).SP().Raw("(UID FLAGS INTERNALDATE)") }},
		{s.leaveVerb(), nil},
	}, o.told)
	c.rest()
	if o.sel.NotSticky || o.sel.UIDValidity != 0 && o.sel.UIDValidity != uidValidity {
		found = nil
	}
	return found, err
}

// Permanent tells what a folder can keep of flags (PERMANENTFLAGS, which only
// SELECT tells) and leaves it again, in one round trip. The folder that was open
// is not any more. Messages that were \Recent are not afterwards.
func (s *Session) Permanent(ctx context.Context, mailbox string) (*Selected, error) {
	if err := s.checkName("SELECT", mailbox); err != nil {
		return nil, err
	}
	o := &opening{s: s, sel: &Selected{}}
	take := func(_ uint32, name string) bool {
		if name == "FLAGS" {
			o.flags = s.readFlags()
		}
		return name == "FLAGS"
	}
	requests := []request{{"SELECT", func(e *wire.Encoder) { e.Mailbox(mailbox) }}}
	if s.Has(imap.CapUnselect) {
		requests = append(requests, request{"UNSELECT", nil})
	} else { // CLOSE would remove what is \Deleted, unless the folder is open read-only
		requests = append(requests, request{"EXAMINE", func(e *wire.Encoder) { e.Mailbox(mailbox) }}, request{"CLOSE", nil})
	}
	err := s.together(ctx, take, requests, func(st *status) {
		if !o.permanent { // what EXAMINE tells comes later and is of no use here
			o.told(st)
		}
	})
	if !o.permanent {
		o.sel.PermanentFlags, o.sel.AnyFlag = o.flags, true
	}
	return o.sel, err
}

// leaveVerb leaves a folder that is open read-only (RFC 3501 section 6.4.2: CLOSE then
// removes nothing).
func (s *Session) leaveVerb() string {
	if s.Has(imap.CapUnselect) {
		return "UNSELECT"
	}
	return "CLOSE"
}

// request is a command of several that are sent together.
type request struct {
	verb  string
	write func(e *wire.Encoder)
}

// together sends commands at once and reads their answers. The first one that
// is refused is returned as an error; the others are of no use then, and what they
// are answered doesn't matter.
func (s *Session) together(ctx context.Context, data dataFunc, requests []request, told statusFunc) error {
	return s.do(ctx, strings.ToUpper(requests[0].verb), func() error {
		var cmds []*command
		for _, r := range requests {
			cmd, err := s.compose(r.verb, r.write)
			if err != nil {
				return err
			}
			cmds = append(cmds, cmd)
		}
		if err := s.flush(); err != nil {
			return err
		}
		s.told = told
		defer func() { s.told = nil }()
		var refused error
		for _, cmd := range cmds {
			if err := s.await(cmd, data); err != nil {
				return err
			}
			if err := s.refusal(cmd); err != nil && refused == nil {
				refused = err
			}
		}
		return refused
	})
}
