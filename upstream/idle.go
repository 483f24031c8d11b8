package upstream

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"
)

// maxIdle is how long one IDLE may last: servers may log a client out that is
// silent for 30 minutes (RFC 2177). doneWait bounds the wait for the server's
// answer to DONE after the caller has lost interest.
const (
	maxIdle  = 28 * time.Minute
	doneWait = 5 * time.Second
)

// Idle waits in the opened folder until the server reports a change, maxWait
// passed or ctx ends, which is no error and leaves the session usable. A
// change since the folder was opened that no Idle has reported yet counts.
// Without IDLE it returns after a NOOP, so the caller paces itself.
func (s *Session) Idle(ctx context.Context, maxWait time.Duration) (changed bool, err error) {
	if ctx.Err() != nil {
		return false, nil
	}
	if !s.news && s.Has(imap.CapIdle) {
		err = s.idle(ctx, min(maxWait, maxIdle))
	} else if !s.news {
		err = s.run(ctx, "NOOP", nil, s.anyFetch)
	}
	changed = s.news
	if err == nil {
		s.news = false
	}
	return changed, err
}

// anyFetch counts changed flags as a change, and what is told of other folders (RFC 5465).
func (s *Session) anyFetch(_ uint32, name string) bool {
	s.news = s.news || name == "FETCH" || name == "STATUS"
	return false
}

// idle doesn't run under ctx itself, whose end must not cost the session.
func (s *Session) idle(ctx context.Context, maxWait time.Duration) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	// Until the server has agreed and after it is told to stop, the caller's
	// loss of interest is given a little time.
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(doneWait, cancel) })
	defer stop()
	return s.do(inner, "IDLE", func() error {
		cmd, err := s.begin("IDLE")
		if err != nil {
			return err
		}
		s.enc.CRLF()
		s.data = s.anyFetch
		defer func() { s.data = nil }()
		if ok, err := s.awaitGoAhead(cmd); !ok {
			if err == nil {
				err = s.refusal(cmd)
			}
			return err
		}
		if err := s.watch(ctx, cmd, maxWait); err != nil {
			return err
		}
		if cmd.done { // without having been told
			return s.refusal(cmd)
		}
		s.enc.Raw("DONE")
		if err := s.end(); err != nil {
			return err
		}
		if err := s.await(cmd, s.anyFetch); err != nil {
			return err
		}
		return s.refusal(cmd)
	})
}

// watch reads until there is news, maxWait passed or ctx ended.
func (s *Session) watch(ctx context.Context, cmd *command, maxWait time.Duration) error {
	until := time.Now().Add(maxWait)
	for !s.news && !cmd.done {
		s.link.Raw.Patience = time.Until(until)
		if s.link.Raw.Patience <= 0 || ctx.Err() != nil {
			break
		}
		err := s.waitByte(ctx)
		s.link.Raw.Patience = 0
		if err != nil {
			var timeout interface{ Timeout() bool }
			if errors.As(err, &timeout) && timeout.Timeout() && (ctx.Err() != nil || time.Until(until) <= 0) {
				break
			}
			return err
		}
		if err := s.read(); err != nil {
			return err
		}
	}
	s.link.Raw.Patience = 0
	return nil
}

// waitByte waits until there is something to read, taking nothing: the wait
// can be interrupted between responses only.
func (s *Session) waitByte(ctx context.Context) error {
	stop := s.link.Raw.Interruptible(ctx)
	defer stop()
	_, err := s.link.Reader.Peek(1)
	return err
}
