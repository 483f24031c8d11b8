package upstream

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
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
	return s.openFolder(ctx, "EXAMINE", name)
}

// Select opens a folder for writing.
func (s *Session) Select(ctx context.Context, name string) (*Selected, error) {
	return s.openFolder(ctx, "SELECT", name)
}

func (s *Session) openFolder(ctx context.Context, verb, name string) (*Selected, error) {
	if err := s.checkName(verb, name); err != nil {
		return nil, err
	}
	condStore := s.Has(imap.CapCondStore) || s.Has(imap.CapQResync)
	sel, err := s.tryOpen(ctx, verb, name, condStore)
	if unsafe(err) && !s.identified {
		// 163.com opens no folder for a client that has not said who it is.
		if err := s.sayID(ctx); err != nil {
			return nil, err
		}
		sel, err = s.tryOpen(ctx, verb, name, condStore)
	}
	if !condStore || !saysNothing(err) {
		return sel, err
	}
	plain, again := s.tryOpen(ctx, verb, name, false)
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

func (s *Session) tryOpen(ctx context.Context, verb, name string, condStore bool) (sel *Selected, err error) {
	sel = &Selected{}
	var flags []imap.Flag
	permanent := false
	err = s.do(ctx, verb, func() error {
		s.told = func(st *status) { permanent = s.opening(sel, st) || permanent }
		defer func() { s.told = nil }()
		cmd, err := s.begin(verb)
		if err != nil {
			return err
		}
		s.messages = 0
		s.enc.SP().Mailbox(name)
		if condStore {
			s.enc.Raw(" (CONDSTORE)")
		}
		if err := s.end(); err != nil {
			return err
		}
		err = s.await(cmd, func(_ uint32, data string) bool {
			if data == "FLAGS" {
				flags = s.readFlags()
			}
			return data == "FLAGS"
		})
		if err != nil {
			return err
		}
		s.opening(sel, &cmd.res)
		return s.refusal(cmd)
	})
	if err != nil {
		return nil, err
	}
	sel.Messages, s.news = s.messages, false
	if !permanent { // then all flags are (RFC 9051 section 7.1)
		sel.PermanentFlags = flags
	}
	return sel, nil
}

// opening takes what an OK or NO tells of the folder being opened. It reports
// whether that were the permanent flags.
func (s *Session) opening(sel *Selected, st *status) (permanent bool) {
	n, _ := strconv.ParseUint(st.args, 10, 64)
	switch st.code {
	case "UIDVALIDITY":
		sel.UIDValidity = uint32(n)
	case "UIDNEXT":
		sel.UIDNext = imap.UID(n)
	case "HIGHESTMODSEQ":
		sel.HighestModSeq = n
	case "UIDNOTSTICKY":
		sel.NotSticky = true
	case "PERMANENTFLAGS":
		sel.PermanentFlags, sel.AnyFlag = nil, false
		for _, word := range strings.Fields(strings.Trim(st.args, "()")) {
			if word == `\*` {
				sel.AnyFlag = true
			} else {
				sel.PermanentFlags = append(sel.PermanentFlags, s.flag([]byte(word)))
			}
		}
		return true
	}
	return false
}
