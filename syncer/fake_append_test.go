package syncer

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// fakeCall is a batch whose fate is sealed when it is sent, as on a server
// that has read it; whether the client hears of it is another matter.
type fakeCall struct {
	s       *fakeSession
	results []upstream.AppendResult
}

func (s *fakeSession) SendAppend(_ context.Context, mailbox string, batch []upstream.Append) (session.AppendCall, error) {
	bodies := make([][]byte, len(batch))
	for i, a := range batch {
		var err error
		s.move(0, int(a.Size))
		if bodies[i], err = io.ReadAll(a.Body); err != nil || int64(len(bodies[i])) != a.Size {
			s.Close()
			return nil, &link.Error{Op: "APPEND", Class: link.Lost, Err: io.ErrUnexpectedEOF}
		}
	}
	call := &fakeCall{s: s, results: make([]upstream.AppendResult, len(batch))}
	each := len(batch)
	if s.single {
		each = 1
	}
	var err error
	for at := 0; at < len(batch) && err == nil; at += each {
		err = s.appendOne(mailbox, batch[at:at+each], bodies[at:at+each], call.results[at:at+each])
	}
	return call, err
}

// move moves octets within the bounds of the session.
func (s *fakeSession) move(read, written int) {
	if s.traffic != nil {
		<-time.After(s.traffic.Moved(read, written))
	}
}

// lateError from a fault lets the server store what it has read when the client is gone: before the step of that
// number from then on.
type lateError int

func (lateError) Error() string { return "late" }

// hungError from a fault stops the server's process in the middle of an APPEND. It waits until the process goes on, and
// stores what it has read; false if that comes too late for whoever waits for the session's end.
type hungError func(ctx context.Context) bool

func (hungError) Error() string { return "hung" }

// never is after more steps than there are.
const never = math.MaxInt

// lateStore is what a server has read and will store later.
type lateStore struct {
	steps int             // until then, of any client's
	store func(late bool) // late: nobody waits for it any more
}

// later has the server store what it has read after so many steps. The caller holds the lock.
func (s *fakeSession) later(steps int, mailbox string, batch []upstream.Append, bodies [][]byte) *lateStore {
	l := &lateStore{steps, func(late bool) {
		if results := s.store(mailbox, batch, bodies); late && results[0].Err == nil && s.stored != nil {
			s.stored(bodies)
		}
	}}
	s.late = append(s.late, l)
	return l
}

// Hung tells whether the server fell silent in the middle of an APPEND.
func (s *fakeSession) Hung() bool { return s.hung != nil }

// AwaitEnd waits until the server has hung up, which it does when it has stored what it had read.
func (s *fakeSession) AwaitEnd(ctx context.Context) error {
	if s.hung == nil {
		return s.Close()
	}
	if !s.goesOn(ctx) {
		return errors.Join(context.DeadlineExceeded, s.Close())
	}
	s.mu.Lock()
	if at := slices.Index(s.late, s.hung); at >= 0 {
		s.late = slices.Delete(s.late, at, at+1)
		s.hung.store(false)
	}
	s.mu.Unlock()
	return s.Close()
}

// appendOne is one APPEND command. What is refused before it was sent is not lost.
func (s *fakeSession) appendOne(mailbox string, batch []upstream.Append, bodies [][]byte, results []upstream.AppendResult) error {
	err := s.step("APPEND", func() error {
		copy(results, s.store(mailbox, batch, bodies))
		return nil
	})
	late, isLate := errors.AsType[lateError](err)
	hung, isHung := errors.AsType[hungError](err)
	if isLate || isHung {
		s.mu.Lock()
		defer s.mu.Unlock()
		if isHung {
			s.goesOn, late = hung, never
		}
		l := s.later(int(late), mailbox, batch, bodies)
		if isHung {
			s.hung = l
		}
		return lostError("APPEND")
	}
	if err != nil && link.ClassOf(err) != link.Lost {
		for i := range results {
			results[i] = upstream.AppendResult{Err: err}
		}
		return nil
	}
	return err
}

// store is one MULTIAPPEND: all or nothing. The caller holds the lock.
func (s *fakeSession) store(mailbox string, batch []upstream.Append, bodies [][]byte) []upstream.AppendResult {
	results := make([]upstream.AppendResult, len(batch))
	b := s.folders[mailbox]
	var refusal error
	if b == nil {
		refusal = refusedError("APPEND", imap.ResponseCodeTryCreate)
	}
	for _, body := range bodies {
		if err := s.refuse(body); err != nil {
			refusal = err
		}
	}
	for i, a := range batch {
		if refusal != nil {
			results[i].Err = refusal
			continue
		}
		uid := b.append(bodies[i], a.Flags, a.Date)
		if s.uidplus && !s.fleeting {
			results[i] = upstream.AppendResult{UIDValidity: b.validity, UID: uid}
		}
	}
	return results
}

func (c *fakeCall) Wait(context.Context) ([]upstream.AppendResult, error) {
	return c.results, c.s.step("WAIT", func() error { return nil })
}
