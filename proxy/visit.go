package proxy

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// hold keeps a SELECT or EXAMINE back while its folder is visited: not longer
// than the bound for visits, and not longer than the client is there. What the
// client sent before goes on; the folder is looked at only when that is
// answered, for it may have made, renamed or spelled the folder anew. That takes
// nothing of the time for the visit: a large FETCH can take longer than that.
func (u *upload) hold(ctx context.Context, name string) error {
	if err := u.passBefore(); err != nil {
		return err
	}
	begun := time.Now()
	defer u.holding(heldByVisit)()
	ctx, left := context.WithCancel(ctx)
	defer left()
	stop := u.watchClient(left)
	u.flow.quiet(ctx, u.srv.cfg.Proxy.VisitWait, u.cmd)
	u.flow.opens(u.cmd, u.rawName(name))
	ctx, cancel := context.WithTimeout(ctx, u.srv.cfg.Proxy.VisitWait)
	defer cancel()
	err := u.visit(ctx, u.rawName(name))
	u.srv.metrics.visited(ctx, time.Since(begun))
	stop()
	u.sync()
	return err
}

// visit waits for a visit and tells the client how far it is.
func (u *upload) visit(ctx context.Context, name string) error {
	var done, total atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		u.srv.ferry.Visit(ctx, u.account().ID, name, func(d, t int) {
			done.Store(int64(d))
			total.Store(int64(t))
		})
	}()
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	var err error
	for {
		select {
		case <-ended:
			return err
		case <-ticker.C:
			if err == nil {
				err = u.out.inject(inProgress(u.cmd.tag, done.Load(), total.Load()))
			}
		}
	}
}

// inProgress is the response of RFC 9585. A tag that could be taken for the end
// of something else is left out, and the goal is never reached while the
// command is still in progress.
func inProgress(tag string, done, total int64) string {
	quoted := `"` + tag + `"`
	if strings.ContainsAny(tag, `]"\`) {
		quoted = "NIL"
	}
	state := "NIL NIL"
	if total > 0 {
		state = fmt.Sprintf("%d %d", min(max(done, 0), total-1), total)
	}
	return fmt.Sprintf("* OK [INPROGRESS (%s %s)] The folder is being filled\r\n", quoted, state)
}

// watchClient calls gone if the client leaves. Until stop is called it owns the
// client's reader, and reads ahead only as far as that has room.
func (u *upload) watchClient(gone func()) (stop func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r := u.r
		if u.raw != nil {
			r = u.raw // a decompressor does not go on after its time was over
		}
		for n := r.Buffered(); n < r.Size(); n = r.Buffered() {
			if _, err := r.Peek(n + 1); err != nil {
				gone()
				return
			}
		}
	}()
	return func() {
		u.client.SetReadDeadline(time.Now())
		<-ended
		u.client.SetReadDeadline(time.Time{})
		if u.down.Load() { // its deadline has just been undone
			u.client.SetReadDeadline(time.Now().Add(lingerBound))
		}
	}
}
