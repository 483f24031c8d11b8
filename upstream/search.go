package upstream

import (
	"context"
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
	var found imap.UIDSet
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
	return found, err
}

// readSearch reads SEARCH 1 2 3 (MODSEQ 4).
func (s *Session) readSearch(found *imap.UIDSet) {
	d := s.dec
	for d.More() {
		if d.Peek() == '(' {
			d.Skip()
			continue
		}
		if uid := imap.UID(d.Number()); d.Err() == nil && uid > 0 {
			found.AddNum(uid)
		}
	}
}

// readESearch reads ESEARCH (TAG "x") UID ALL 1:5,7 (RFC 9051 section 7.3.4).
func (s *Session) readESearch(found *imap.UIDSet) {
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
func (s *Session) readSet(found *imap.UIDSet) {
	d := s.dec
	for d.Err() == nil {
		from := imap.UID(d.Number())
		to := from
		if d.Accept(':') {
			to = imap.UID(d.Number())
		}
		if d.Err() == nil && from > 0 && to > 0 {
			found.AddRange(min(from, to), max(from, to))
		}
		if !d.Accept(',') {
			return
		}
	}
}
