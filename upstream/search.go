package upstream

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
	"postferry/wire"
)

const verbSearch = "UID SEARCH"

// Search runs UID SEARCH with raw criteria in the opened folder. The criteria
// must be one line without literals.
func (s *Session) Search(ctx context.Context, criteria string) (imap.UIDSet, error) {
	if err := s.checkName(verbSearch, criteria); err != nil {
		return nil, err
	}
	if _, literal := wire.ParseLiteral([]byte(criteria)); literal || strings.TrimSpace(criteria) == "" {
		return nil, &link.Error{Server: s.link.Address, Role: s.opt.Role, Op: verbSearch, Class: link.Refused, Err: errCriteria}
	}
	found := hits{s: s}
	err := s.run(ctx, verbSearch, func(e *wire.Encoder) { e.Raw(criteria) }, found.take)
	return found.set(), err
}

// Find runs UID SEARCH in the opened folder for what a client searches for on another server.
func (s *Session) Find(ctx context.Context, criteria wire.Criteria) (imap.UIDSet, error) {
	found := hits{s: s}
	err := s.do(ctx, verbSearch, func() error {
		cmd, err := s.begin(verbSearch)
		if err != nil {
			return err
		}
		s.data = found.take
		defer func() { s.data = nil }()
		s.enc.SP()
		for _, part := range criteria.Parts() {
			if !part.String {
				s.enc.Raw(part.Text)
				continue
			}
			if ok, err := s.loginArg(cmd, part.Text); !ok {
				return cmp.Or(err, s.refusal(cmd))
			}
		}
		if err := s.end(); err != nil {
			return err
		}
		if err := s.await(cmd, found.take); err != nil {
			return err
		}
		return s.refusal(cmd)
	})
	return found.set(), err
}

// take takes an answer to a search.
func (h *hits) take(_ uint32, name string) bool {
	switch name {
	case "SEARCH":
		h.s.readSearch(h)
	case "ESEARCH":
		h.s.readESearch(h)
	default:
		return false
	}
	return true
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
