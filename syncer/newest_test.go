package syncer

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
)

// slowOld makes the old server take a while for each body.
func (r *rig) slowOld(each time.Duration) {
	r.pair.old.slow(func(op string) time.Duration {
		if op == "BODY" {
			return each
		}
		return 0
	})
}

// visitOf opens a folder as a client does and tells what it shows, and after how long.
func (r *rig) visitOf(folder string) (shown []string, took time.Duration) {
	r.t.Helper()
	r.engine.Connected(r.t.Context(), r.account.ID)
	defer r.engine.Disconnected(r.account.ID)
	ctx, cancel := context.WithTimeout(r.t.Context(), r.cfg.Proxy.VisitWait)
	defer cancel()
	begun := time.Now()
	r.engine.Visit(ctx, r.account.ID, folder, nil)
	return r.pair.new.bodies(folder), time.Since(begun)
}

// TestFolderThatTakesLong: of a folder that can't be filled while a client waits, the newest
// messages are there, whatever its size; one that can comes in its order.
func TestFolderThatTakesLong(t *testing.T) {
	tests := map[string]struct {
		messages int
		each     time.Duration // that the old server takes for a message
		wait     time.Duration // visit_wait
		ordered  bool
	}{
		"1,500 slow ones":     {1500, 30 * time.Millisecond, 6 * time.Second, false},
		"300 very slow ones":  {300, 60 * time.Millisecond, 8 * time.Second, false},
		"1,500 quick ones":    {1500, 0, 6 * time.Second, true},
		"100 a little slow":   {100, 3 * time.Millisecond, 6 * time.Second, true},
		"more than is known":  {3000, time.Millisecond, 6 * time.Second, false},
		"no more than a page": {job.VisitShown, 30 * time.Millisecond, 6 * time.Second, true},
		"nobody waits":        {200, 5 * time.Millisecond, 4 * time.Millisecond, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.silent, r.cfg.Proxy.VisitWait = true, tt.wait
				for i := range tt.messages {
					r.pair.old.deliver("INBOX", mail(i))
				}
				r.slowOld(tt.each)
				r.start(false)
				shown, took := r.visitOf("INBOX")
				for range 100 {
					if tt.wait > time.Second || slices.Contains(shown, mail(tt.messages-1)) {
						break
					}
					time.Sleep(20 * time.Millisecond)
					shown = r.pair.new.bodies("INBOX")
				}
				for i := tt.messages - job.VisitShown; i < tt.messages; i++ {
					if !slices.Contains(shown, mail(i)) {
						t.Fatalf("message %d is not among the %d that are there after %v", i, len(shown), took)
					}
				}
				if took > tt.wait+5*time.Second { // without a bound 18 s and more
					t.Errorf("shown after %v", took)
				}
				r.slowOld(0)
				r.sync()
				all := r.pair.new.bodies("INBOX")
				want := make([]string, tt.messages)
				for i := range want {
					want[i] = mail(i)
				}
				if ordered := slices.Equal(all, want); ordered != tt.ordered {
					t.Errorf("in the order of arrival: %v", ordered)
				}
				if !slices.Equal(sorted(all), sorted(want)) {
					t.Errorf("%d messages, want each of %d once", len(all), tt.messages)
				}
				r.end()
			})
		})
	}
}

// TestPaceIsRemembered: what one folder has shown of a server counts for the next one, in
// both directions.
func TestPaceIsRemembered(t *testing.T) {
	t.Parallel()
	for name, each := range map[string]time.Duration{"slow": 8 * time.Millisecond, "quick": 0} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.silent, r.cfg.Proxy.VisitWait = true, 8*time.Second
			r.pair.old.add("Work")
			for i := range 70 {
				r.pair.old.deliver("INBOX", mail(10_000+i))
			}
			r.slowOld(each)
			r.start(false)
			r.visitOf("INBOX")
			for i := range 1000 {
				r.pair.old.deliver("Work", mail(i))
			}
			shown, _ := r.visitOf("Work")
			if len(shown) == 0 || (shown[0] == mail(0)) != (each == 0) {
				t.Errorf("%s: %d messages are shown, the first is %.60q", name, len(shown), slices.Concat(shown, []string{""})[0])
			}
			r.end()
		})
	}
}

// TestSecondVisitorOfALargeFolder: who opens a folder whose newest messages are there waits
// for nothing, while the others are on their way.
func TestSecondVisitorOfALargeFolder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.silent, r.cfg.Proxy.VisitWait = true, 8*time.Second
		for i := range 1000 {
			r.pair.old.deliver("INBOX", mail(i))
		}
		r.slowOld(30 * time.Millisecond)
		r.start(false)
		r.visitOf("INBOX")
		if _, took := r.visitOf("INBOX"); took > 6*time.Second { // all of them take half a minute
			t.Errorf("the second one waited for %v", took)
		}
		if n := len(r.pair.new.bodies("INBOX")); n > 500 {
			t.Errorf("%d messages are there already", n)
		}
		r.end()
	})
}

// TestVisitOfAFolderThatIsPulledSlowly: a pass hands a folder over at once, however much it
// has asked the old server for.
func TestVisitOfAFolderThatIsPulledSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.silent, r.cfg.Proxy.VisitWait = true, 12*time.Second
		r.pair.old.folders["INBOX"].next = session.ListWindow + 2 // too large to be asked for before it is listed
		for i := range 900 {
			r.pair.old.deliver("INBOX", mail(i))
		}
		r.slowOld(20 * time.Millisecond)
		r.start(false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r.engine.Connected(ctx, r.account.ID)
		defer r.engine.Disconnected(r.account.ID)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.engine.Sync(ctx, nil, nil) //nolint:errcheck // its end is not of interest
		}()
		for len(r.pair.new.bodies("INBOX")) < 10 {
			time.Sleep(10 * time.Millisecond)
		}
		shown, took := r.visitOf("INBOX")
		if !slices.Contains(shown, mail(899)) || !slices.Contains(shown, mail(850)) || took > 11*time.Second {
			t.Errorf("after %v %d messages, and not the newest ones", took, len(shown))
		}
		r.slowOld(0)
		cancel()
		<-ended
		r.end()
	})
}

func TestArrivals(t *testing.T) {
	for _, tt := range []struct {
		seen     session.Arrivals
		messages int
		octets   uint64
		want     time.Duration
		known    bool
	}{
		{session.Arrivals{}, 10, 0, 0, false},
		{session.Arrivals{Messages: 3, Took: 100 * time.Millisecond}, 10, 0, 0, false},
		{session.Arrivals{Messages: 3, Took: 300 * time.Millisecond}, 10, 0, time.Second, true},
		{session.Arrivals{Messages: 64}, 1_000_000, 0, 0, true},
		{session.Arrivals{Messages: 100, Octets: 1e6, Took: time.Second}, 1000, 1e6, time.Second, true},
		{session.Arrivals{Messages: 100, Octets: 1e6, Took: time.Second}, 1000, 1e9, 10 * time.Second, true},
		{session.Arrivals{Messages: 1, Took: time.Hour}, 1 << 40, 0, time.Hour, true},
	} {
		if got, known := tt.seen.Needs(tt.messages, tt.octets); got != tt.want || known != tt.known {
			t.Errorf("%+v: %d messages, %d octets: %v, %v", tt.seen, tt.messages, tt.octets, got, known)
		}
	}
}
