package syncer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
	"postferry/wire"
)

// each calls fn for the selected folder's messages in a set.
func (s *fakeSession) each(op string, set imap.UIDSet, fn func(*fakeMessage) error) error {
	return s.eachOf(op, set, func(*fakeMessage) bool { return true }, fn)
}

// eachOf is each for those that the server tells of.
func (s *fakeSession) eachOf(op string, set imap.UIDSet, told func(*fakeMessage) bool, fn func(*fakeMessage) error) error {
	var found []*fakeMessage
	err := s.step(op, func() error {
		b := s.box
		for _, m := range b.messages {
			if inSet(set, m.uid, b) && told(m) {
				c := *m
				found = append(found, &c)
			}
		}
		found, _ = omitted(s, found)
		return nil
	})
	for _, m := range found {
		if ferr := fn(m); ferr != nil {
			return ferr
		}
	}
	return err
}

func inSet(set imap.UIDSet, uid imap.UID, b *fakeFolder) bool {
	last := imap.UID(0)
	if len(b.messages) > 0 {
		last = b.messages[len(b.messages)-1].uid
	}
	for _, r := range set {
		lo, hi := r.Start, r.Stop
		if lo == 0 {
			lo = last
		}
		if hi == 0 {
			hi = max(last, lo)
		}
		if lo <= uid && uid <= hi {
			return true
		}
	}
	return false
}

func (m *fakeMessage) line() upstream.Message {
	return upstream.Message{UID: m.uid, Flags: append([]imap.Flag{}, m.flags...), Date: m.date, Size: int64(len(m.body)), ModSeq: m.modseq}
}

func (s *fakeSession) ListMessages(_ context.Context, set imap.UIDSet, since uint64, fn func(upstream.Message) error) error {
	return s.eachOf("LISTING", set, func(m *fakeMessage) bool { return m.modseq > since || since == 0 }, func(m *fakeMessage) error { return fn(m.line()) })
}

func (s *fakeSession) ListFlags(_ context.Context, set imap.UIDSet, fn func(upstream.Message) error) error {
	return s.each("FLAGS", set, func(m *fakeMessage) error { return fn(m.line()) })
}

func (s *fakeSession) Headers(_ context.Context, set imap.UIDSet, fn func(upstream.Message, []byte) error) error {
	return s.each("HEADERS", set, func(m *fakeMessage) error { return fn(m.line(), message.Header(m.body)) })
}

func (s *fakeSession) SelectAndHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(upstream.Message, []byte) error) (*upstream.Selected, error) {
	sel, err := s.open("SELECT", name)
	if err != nil || len(set) == 0 {
		return sel, err
	}
	return sel, s.Headers(ctx, set, fn)
}

func (s *fakeSession) SendHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(upstream.Message, []byte) error) (session.HeadersCall, error) {
	sel, err := s.open("GLANCE", name)
	if err == nil {
		err = s.Headers(ctx, set, fn)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.box = nil // it was left again
	if link.ClassOf(err) == link.Lost {
		return nil, err
	}
	return fakeHeaders{sel, err}, nil
}

// fakeHeaders were told when they were asked for.
type fakeHeaders struct {
	sel *upstream.Selected
	err error
}

func (c fakeHeaders) Wait(context.Context) (*upstream.Selected, error) { return c.sel, c.err }

// Ask's calls are answered together with the first of them that is waited for, as a
// server may do it that is at several at once.
func (s *fakeSession) Ask(_ context.Context, set imap.UIDSet) (session.BodiesCall, error) {
	s.asked, s.of = append(s.asked, set...), s.box
	return fakeBodies{s}, nil
}

type fakeBodies struct{ s *fakeSession }

func (c fakeBodies) Wait(ctx context.Context, fn func(imap.UID, int64, io.Reader) error) error {
	set := c.s.asked
	if c.s.asked = nil; len(set) == 0 {
		return nil
	}
	defer c.s.within(c.s.of)()
	return c.s.Bodies(ctx, set, fn)
}

func (s *fakeSession) Bodies(_ context.Context, set imap.UIDSet, fn func(imap.UID, int64, io.Reader) error) error {
	return s.each("BODIES", set, func(m *fakeMessage) error {
		if err := s.step("BODY", func() error { return nil }); err != nil {
			return err
		}
		half := len(m.body) / 2
		s.move(len(m.body), 0)
		return fn(m.uid, int64(len(m.body)), io.MultiReader(bytes.NewReader(m.body[:half]), &latter{s: s, rest: m.body[half:]}))
	})
}

// latter is the second half of a body, before which the connection may break.
type latter struct {
	s    *fakeSession
	rest []byte
	came bool
}

func (l *latter) Read(p []byte) (int, error) {
	if !l.came {
		if err := l.s.step("HALF", func() error { return nil }); err != nil {
			return 0, lostError("UID FETCH")
		}
		l.came = true
	}
	if len(l.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func (s *fakeSession) Search(_ context.Context, criteria string) (set imap.UIDSet, err error) {
	from, ok := strings.CutPrefix(criteria, "UID ")
	if !ok {
		return nil, fmt.Errorf("unexpected criteria %q", criteria)
	}
	var start, stop imap.UID
	larger, smaller := -1, math.MaxInt
	if n, _ := fmt.Sscanf(from, "%d:%d LARGER %d SMALLER %d", &start, &stop, &larger, &smaller); n < 2 {
		fmt.Sscanf(from, "%d:*", &start)
	}
	err = s.each("SEARCH", imap.UIDSet{imap.UIDRange{Start: start, Stop: stop}}, func(m *fakeMessage) error {
		if len(m.body) > larger && len(m.body) < smaller {
			set.AddNum(m.uid)
		}
		return nil
	})
	return set, err
}

// Find knows one string: it is somewhere in the message.
func (s *fakeSession) Find(_ context.Context, criteria wire.Criteria) (set imap.UIDSet, err error) {
	if len(criteria.Words) != 2 || !criteria.Words[1].String {
		return nil, refusedError("UID SEARCH", "")
	}
	err = s.each("SEARCH", imap.UIDSet{imap.UIDRange{Start: 1}}, func(m *fakeMessage) error {
		if strings.Contains(string(m.body), criteria.Words[1].Text) {
			set.AddNum(m.uid)
		}
		return nil
	})
	return set, err
}
