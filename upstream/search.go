package upstream

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/wire"
)

// Search runs UID SEARCH with raw criteria in the opened folder. The criteria
// must be one line without literals.
func (s *Session) Search(ctx context.Context, criteria string) (imap.UIDSet, error) {
	if err := s.checkName("UID SEARCH", criteria); err != nil {
		return nil, err
	}
	if _, literal := wire.ParseLiteral([]byte(criteria)); literal || strings.TrimSpace(criteria) == "" {
		return nil, &Error{Server: s.addr, Role: s.opt.Role, Op: "UID SEARCH", Class: Refused, Err: errCriteria}
	}
	found := hits{s: s}
	err := s.run(ctx, "UID SEARCH", func(e *wire.Encoder) { e.Raw(criteria) }, func(_ uint32, name string) bool {
		switch name {
		case "SEARCH":
			s.readSearch(&found)
		case "ESEARCH":
			s.readESearch(&found)
		default:
			return false
		}
		return true
	})
	return found.set(), err
}

// hits are what a search finds, in the server's order.
type hits struct {
	s      *Session
	ranges []imap.UIDRange
	count  uint64
}

// add takes a range. There can't be more messages than the folder has, but for those that
// come and go meanwhile.
func (h *hits) add(from, to imap.UID) {
	r := imap.UIDRange{Start: min(from, to), Stop: max(from, to)}
	if h.count += uint64(r.Stop-r.Start) + 1; h.count > reasons*uint64(h.s.most)+fetchSlack {
		h.s.tooMuch(fmt.Sprintf("%d hits of a search, in a folder of %d messages", h.count, h.s.most), false)
		return
	}
	h.ranges = append(h.ranges, r)
}

// set is all of them. In order, each takes its place at the end.
func (h *hits) set() (found imap.UIDSet) {
	slices.SortFunc(h.ranges, func(a, b imap.UIDRange) int { return cmp.Compare(a.Start, b.Start) })
	for _, r := range h.ranges {
		found.AddRange(r.Start, r.Stop)
	}
	return found
}

// readSearch reads SEARCH 1 2 3 (MODSEQ 4).
func (s *Session) readSearch(found *hits) {
	d := s.dec
	for d.More() {
		if d.Peek() == '(' {
			d.Skip()
			continue
		}
		if uid := imap.UID(d.Number()); d.Err() == nil && uid > 0 {
			found.add(uid, uid)
		}
	}
}

// readESearch reads ESEARCH (TAG "x") UID ALL 1:5,7 (RFC 9051 section 7.3.4).
func (s *Session) readESearch(found *hits) {
	d := s.dec
	for d.More() {
		switch {
		case d.Peek() == '(':
			d.Skip()
		case upper(d.Word()) == "ALL":
			d.Space()
			s.readSet(found)
		}
	}
}

// readSet reads a set of UIDs. "*" has no place in an answer.
func (s *Session) readSet(found *hits) {
	d := s.dec
	for d.Err() == nil {
		from := imap.UID(d.Number())
		to := from
		if d.Accept(':') {
			to = imap.UID(d.Number())
		}
		if d.Err() == nil && from > 0 && to > 0 {
			found.add(from, to)
		}
		if !d.Accept(',') {
			return
		}
	}
}
