package syncer

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// aheadRig has an old server with several folders whose logins are counted: all, and
// those that waited for their turn.
func aheadRig(t *testing.T, refuse bool) (r *rig, logins, waited *atomic.Int32) {
	t.Helper()
	r = newRig(t)
	for _, name := range []string{"A", "B", "C"} {
		r.pair.old.add(name)
	}
	logins, waited = &atomic.Int32{}, &atomic.Int32{}
	real := r.pair.dialers().Old
	r.dialOld = func(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Source, error) {
		opt.Progress() // connected
		if opt.Turn != nil {
			select {
			case <-opt.Turn:
				waited.Add(1)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		logins.Add(1)
		if refuse {
			return nil, &link.Error{Server: server.Address(), Op: "login", Class: link.Fix, Code: imap.ResponseCodeAuthenticationFailed}
		}
		return real(ctx, server, c, opt)
	}
	r.start(false)
	return r, logins, waited
}

// The sessions of the other pairs follow the first one, in a first pass only.
func TestSessionsAreOpenedAhead(t *testing.T) {
	r, logins, waited := aheadRig(t, false)
	r.pair.old.fail(func(step string) error { // the trees are not told before the others are in
		for deadline := time.Now().Add(20 * time.Second); step == "+LIST" && waited.Load() < session.PassPairs-1; {
			if time.Now().After(deadline) {
				return errors.New("no session was opened ahead")
			}
			runtime.Gosched()
		}
		return nil
	})
	if res := r.sync(); res.Problem != nil || !res.Pass.Complete {
		t.Fatalf("%+v, %+v", res.Pass, res.Problem)
	}
	if logins.Load() != session.PassPairs {
		t.Errorf("%d logins for %d lanes", logins.Load(), session.PassPairs)
	}
	before := waited.Load()
	r.sync()
	if waited.Load() != before {
		t.Error("a pass without anything to copy opened sessions ahead")
	}
}

// A password that is refused is said once, however many sessions would follow.
func TestRefusedPasswordIsSaidOnce(t *testing.T) {
	r, logins, _ := aheadRig(t, true)
	res := r.sync()
	if res.Problem == nil || res.Problem.Advice != store.NeedsFix {
		t.Errorf("%+v", res.Problem)
	}
	r.stop()
	if n := logins.Load(); n != 1 {
		t.Errorf("%d logins with a refused password", n)
	}
}
