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

// Watcher hears what is new.
type Watcher struct{ conn *conn }

// Idle waits in the opened folder until the server reports a change, maxWait
// passed or ctx ends, which is no error and leaves the session usable. A
// change since the folder was opened that no Idle has reported yet counts.
// Without IDLE it returns after a NOOP, so the caller paces itself.
func (w *Watcher) Idle(ctx context.Context, maxWait time.Duration) (changed bool, err error) {
	if ctx.Err() != nil {
		return false, nil
	}
	if !w.conn.opened.news && w.conn.caps.Has(imap.CapIdle) {
		err = w.idle(ctx, min(maxWait, maxIdle))
	} else if !w.conn.opened.news {
		err = w.conn.run(ctx, "NOOP", nil, w.anyFetch)
	}
	changed = w.conn.opened.news
	if err == nil {
		w.conn.opened.news = false
	}
	return changed, err
}

// anyFetch counts changed flags as a change, and what is told of other folders (RFC 5465).
func (w *Watcher) anyFetch(_ uint32, name string) bool {
	w.conn.opened.news = w.conn.opened.news || name == "FETCH" || name == "STATUS"
	return false
}

// idle doesn't run under ctx itself, whose end must not cost the session.
func (w *Watcher) idle(ctx context.Context, maxWait time.Duration) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	// Until the server has agreed and after it is told to stop, the caller's
	// loss of interest is given a little time.
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(doneWait, cancel) })
	defer stop()
	return w.conn.do(inner, "IDLE", func() error {
		cmd, err := w.conn.begin("IDLE")
		if err != nil {
			return err
		}
		w.conn.enc.CRLF()
		w.conn.data = w.anyFetch
		defer func() { w.conn.data = nil }()
		if ok, err := w.conn.awaitGoAhead(cmd); !ok {
			if err == nil {
				err = w.conn.refusal(cmd)
			}
			return err
		}
		if err := w.watch(ctx, cmd, maxWait); err != nil {
			return err
		}
		if cmd.done { // without having been told
			return w.conn.refusal(cmd)
		}
		w.conn.enc.Raw("DONE")
		if err := w.conn.end(); err != nil {
			return err
		}
		if err := w.conn.await(cmd, w.anyFetch); err != nil {
			return err
		}
		return w.conn.refusal(cmd)
	})
}

// watch reads until there is news, maxWait passed or ctx ended.
func (w *Watcher) watch(ctx context.Context, cmd *command, maxWait time.Duration) error {
	until := time.Now().Add(maxWait)
	for !w.conn.opened.news && !cmd.done {
		w.conn.link.Raw.Patience = time.Until(until)
		if w.conn.link.Raw.Patience <= 0 || ctx.Err() != nil {
			break
		}
		err := w.waitByte(ctx)
		w.conn.link.Raw.Patience = 0
		if err != nil {
			var timeout interface{ Timeout() bool }
			if errors.As(err, &timeout) && timeout.Timeout() && (ctx.Err() != nil || time.Until(until) <= 0) {
				break
			}
			return err
		}
		if err := w.conn.read(); err != nil {
			return err
		}
	}
	w.conn.link.Raw.Patience = 0
	return nil
}

// waitByte waits until there is something to read, taking nothing: the wait
// can be interrupted between responses only.
func (w *Watcher) waitByte(ctx context.Context) error {
	stop := w.conn.link.Raw.Interruptible(ctx)
	defer stop()
	_, err := w.conn.link.Reader.Peek(1)
	return err
}
