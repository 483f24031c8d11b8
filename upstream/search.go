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

// Searcher searches the opened folder.
type Searcher struct{ conn *conn }

// Search runs UID SEARCH with raw criteria in the opened folder. The criteria
// must be one line without literals.
func (s *Searcher) Search(ctx context.Context, criteria string) (imap.UIDSet, error) {
	if err := s.conn.checkName(verbSearch, criteria); err != nil {
		return nil, err
	}
	if _, literal := wire.ParseLiteral([]byte(criteria)); literal || strings.TrimSpace(criteria) == "" {
		return nil, &link.Error{Server: s.conn.link.Address, Role: s.conn.opt.Role, Op: verbSearch, Class: link.Refused, Err: errCriteria}
	}
	found := hits{conn: s.conn}
	err := s.conn.run(ctx, verbSearch, func(e *wire.Encoder) { e.Raw(criteria) }, found.take)
	return found.set(), err
}

// Find runs UID SEARCH in the opened folder for what a client searches for on another server.
func (s *Searcher) Find(ctx context.Context, criteria wire.Criteria) (imap.UIDSet, error) {
	found := hits{conn: s.conn}
	err := s.conn.do(ctx, verbSearch, func() error {
		cmd, err := s.conn.begin(verbSearch)
		if err != nil {
			return err
		}
		s.conn.data = found.take
		defer func() { s.conn.data = nil }()
		s.conn.enc.SP()
		for _, part := range criteria.Parts() {
			if !part.String {
				s.conn.enc.Raw(part.Text)
				continue
			}
			if ok, err := s.conn.sendString(cmd, part.Text); !ok {
				return cmp.Or(err, s.conn.refusal(cmd))
			}
		}
		if err := s.conn.end(); err != nil {
			return err
		}
		if err := s.conn.await(cmd, found.take); err != nil {
			return err
		}
		return s.conn.refusal(cmd)
	})
	return found.set(), err
}

// take takes an answer to a search.
func (h *hits) take(_ uint32, name string) bool {
	switch name {
	case "SEARCH":
		h.conn.parser.readSearch(h)
	case "ESEARCH":
		h.conn.parser.readESearch(h)
	default:
		return false
	}
	return true
}

// hits are what a search finds, in the server's order.
type hits struct {
	conn   *conn
	ranges []imap.UIDRange
	count  uint64
}

// add takes a range. There can't be more messages than the folder has, but for those that
// come and go meanwhile.
func (h *hits) add(from, to imap.UID) {
	r := imap.UIDRange{Start: min(from, to), Stop: max(from, to)}
	if h.count += uint64(r.Stop-r.Start) + 1; h.count > reasons*uint64(h.conn.bounds.most)+fetchSlack {
		h.conn.bounds.tooMuch(fmt.Sprintf("%d hits of a search, in a folder of %d messages", h.count, h.conn.bounds.most), false)
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
func (p *parser) readSearch(found *hits) {
	d := p.dec
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
func (p *parser) readESearch(found *hits) {
	d := p.dec
	for d.More() {
		switch {
		case d.Peek() == '(':
			d.Skip()
		case upper(d.Word()) == "ALL":
			d.Space()
			p.readSet(found)
		}
	}
}

// readSet reads a set of UIDs. "*" has no place in an answer.
func (p *parser) readSet(found *hits) {
	d := p.dec
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
