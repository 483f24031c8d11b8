package syncer

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/syncer/folders"
	"postferry/syncer/jobs"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
)

// TestVisitOfAFolderThatAPassHasOpened: a client opens a folder that a pass is opening, or pulling. The old server,
// which needs a while to open it, does so once; of a large folder the newest messages come first.
func TestVisitOfAFolderThatAPassHasOpened(t *testing.T) {
	for name, tt := range map[string]visitOfPulled{
		"large, while it is opened":                   {0, 2000, session.ListWindow + 2, 0, 0, 1},
		"large, while it is pulled":                   {0, 2000, session.ListWindow + 2, 10, time.Millisecond / 2, 2},
		"large, while it is opened on one connection": {1, 2000, session.ListWindow + 2, 0, 0, 1},
		"large, while it is pulled on one connection": {1, 2000, session.ListWindow + 2, 10, time.Millisecond / 2, 2},
		"small, while it is opened":                   {0, 400, 1, 0, 0, 1},
		"small, while it is pulled":                   {0, 400, 1, 10, time.Millisecond / 2, 1},
		"small, on one connection":                    {1, 400, 1, 0, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, tt.run)
		})
	}
}

// visitOfPulled is a folder that a client opens while a pass is at it.
type visitOfPulled struct {
	connections, messages int
	next                  imap.UID
	copied                int // before the client opens it
	each                  time.Duration
	most                  int32 // how often it may be opened: again, where the pass has asked for too much at once
}

func (v visitOfPulled) run(t *testing.T) {
	const opening = 700 * time.Millisecond
	r := newRig(t)
	r.silent, r.cfg.Proxy.VisitWait = true, 4*time.Second
	r.cfg.Domains[0].Account.Connections = v.connections
	r.pair.old.folders["INBOX"].next = v.next // a large one is not asked for before it is listed
	for i := range v.messages {
		r.pair.old.deliver("INBOX", mail(i))
	}
	var examined atomic.Int32
	r.pair.old.slow(func(op string) time.Duration {
		switch op {
		case "EXAMINE":
			examined.Add(1)
			return opening
		case "BODY":
			return v.each
		}
		return 0
	})
	r.start(false)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.engine.Sync(t.Context(), nil, nil) //nolint:errcheck // its end is not of interest
	}()
	for examined.Load() == 0 || len(r.pair.new.bodies("INBOX")) < v.copied {
		time.Sleep(time.Millisecond)
	}
	shown, took := r.visitOf("INBOX")
	for i := v.messages - job.VisitShown; i < v.messages; i++ {
		if !slices.Contains(shown, mail(i)) {
			t.Fatalf("message %d is not among the %d that are there after %v", i, len(shown), took)
		}
	}
	if n := examined.Load(); n > v.most || took > 3*time.Second {
		t.Errorf("opened %d times, shown after %v", n, took)
	}
	if _, again := r.visitOf("INBOX"); again > opening {
		t.Errorf("the second visitor waits for %v", again)
	}
	<-ended
	r.sync()
	if all, want := sorted(r.pair.new.bodies("INBOX")), sorted(r.pair.old.bodies("INBOX")); !slices.Equal(all, want) {
		t.Errorf("%d messages, want each of %d once", len(all), len(want))
	}
	r.end()
}

// TestPassMakesWay: a pass that nobody has asked for leaves the old server to who has just logged in, for a moment
// or until the folder is shown that is opened then.
func TestPassMakesWay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fresh         bool
		came, started time.Duration // ago
		visits        int
		looked        bool // the look at the trees that it waited for has just ended
		makes         bool
	}{
		"nobody has logged in":               {false, time.Hour, 0, 0, false, false},
		"somebody has":                       {false, 0, 0, 0, false, true},
		"just before it began":               {false, 600 * time.Millisecond, 100 * time.Millisecond, 0, false, true},
		"a moment ago":                       {false, 1500 * time.Millisecond, 1100 * time.Millisecond, 0, false, false},
		"a moment ago, and opens a folder":   {false, 1500 * time.Millisecond, 1100 * time.Millisecond, 1, false, true},
		"opens a folder that takes too long": {false, 6 * time.Second, 6 * time.Second, 1, false, false},
		"but the pass was asked for":         {true, 0, 0, 1, false, false},
		"its login has taken long":           {false, 3 * time.Second, 0, 0, true, true},
		"and the pass has begun meanwhile":   {false, 3 * time.Second, 2 * time.Second, 0, true, true},
		"it took longer than anybody waits":  {false, 7 * time.Second, 6 * time.Second, 0, true, true},
		"others log in again and again":      {false, 0, 16 * time.Second, 0, false, false},
		"nobody waited for the look":         {false, 3 * time.Second, 0, 0, false, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := config.Default()
			cfg.Proxy.VisitWait = 5 * time.Second
			w := &person{shared: &shared{cfg: &cfg}, jobs: jobs.New(), came: time.Now().Add(-tt.came)}
			defer close(w.jobs.Gone)
			if tt.looked {
				(&looks{person: w, waiting: []chan struct{}{make(chan struct{})}}).tell()
			}
			ps := &passes{person: w, visits: &visits{person: w, list: make(visitList, tt.visits)}}
			ps.pass = &passRun{options: passOptions{fresh: tt.fresh}, started: time.Now().Add(-tt.started)}
			if got := ps.makesWay(); got != tt.makes || got == ps.pass.way.IsZero() {
				t.Errorf("%s: %v", name, got)
			}
		})
	}
}

// TestPullThatHasJustBegun: a client opens a folder when a pass's pull has just begun, and has not taken its places yet. It
// is given a moment to do so, as the folder would be opened twice otherwise; one that waits for places hands over.
func TestPullThatHasJustBegun(t *testing.T) {
	t.Parallel()
	for name, taken := range map[string]bool{"takes its places": true, "waits for places": false} {
		synctest.Test(t, func(t *testing.T) {
			cfg := config.Default()
			w := &person{shared: &shared{cfg: &cfg}, jobs: jobs.New()}
			defer close(w.jobs.Gone)
			s := &visits{person: w}
			f := &folders.Folder{Pulling: &folders.Pulling{Begun: time.Now(), Searches: &job.SearchQueue{}}}
			if !s.serves(f) || f.Pulling.Newest {
				t.Fatalf("%s: the pull hands the folder over at once", name)
			}
			(<-w.jobs.Events)() // it is looked at again
			if since := time.Since(f.Pulling.Begun); since < seatedSoon || since > 2*seatedSoon {
				t.Errorf("%s: looked at again after %v", name, since)
			}
			if f.Pulling.Newest = taken; taken {
				f.Pulling.Searches.Seat()
			}
			if s.serves(f) != taken {
				t.Errorf("%s: serves who opens the folder: %v", name, !taken)
			}
		})
	}
}
