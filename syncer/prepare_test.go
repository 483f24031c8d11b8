package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postferry/config"
	"postferry/internal/pause"
	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// prepareRig has an old server with a few folders, which are copied on one pair of
// connections.
func prepareRig(t *testing.T, folders ...string) *rig {
	t.Helper()
	return prepareRigIn(t, t.TempDir(), folders...)
}

func prepareRigIn(t *testing.T, dir string, folders ...string) *rig {
	t.Helper()
	r := newRigIn(t, dir)
	r.cfg.Domains[0].Account.Connections = 2 // one is for visits
	for i, name := range append([]string{"INBOX"}, folders...) {
		if name != "INBOX" {
			r.pair.old.add(name)
		}
		for n := range 3 {
			r.pair.old.deliver(name, mail(10*i+n))
		}
	}
	return r
}

// count is how often a step was taken.
func (f *fakeServer) count(step string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, op := range f.log {
		if op == step {
			n++
		}
	}
	return n
}

// same fails the test unless both servers have the same messages.
func (r *rig) same(folders ...string) {
	r.t.Helper()
	for _, name := range folders {
		if old, now := sorted(r.pair.old.bodies(name)), sorted(r.pair.new.bodies(name)); !slices.Equal(old, now) {
			r.t.Errorf("%s: %d messages on the old server, %d on the new one", name, len(old), len(now))
		}
	}
}

// The next folder is asked for before the new server has told what became of the
// messages of the last one.
func TestNextFolderIsAskedForAhead(t *testing.T) {
	r := prepareRig(t, "A", "B", "C")
	opened, asked := 0, 0
	r.pair.new.fail(func(step string) error {
		switch step {
		case "+APPEND":
			opened++
		case "+WAIT":
			if got := r.pair.old.count("EXAMINE"); opened < 4 && got < opened+1 {
				t.Errorf("with the messages of %d folders sent, %d were opened", opened, got)
			}
			asked++
		}
		return nil
	})
	r.start(false)
	if res := r.sync(); !res.Pass.Complete || res.Pass.Copied != 12 {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	if opened != 4 || asked != 4 {
		t.Errorf("%d folders were sent and %d awaited", opened, asked)
	}
	if n := r.pair.old.attempts(); n != 1 {
		t.Errorf("%d connections to the old server", n)
	}
	r.same("INBOX", "A", "B", "C")
}

// A folder that needs the session once more that it has given away is pulled again, once.
func TestAskedForAheadInVain(t *testing.T) {
	r := prepareRig(t, "A", "B", "C", "D")
	r.cfg.Sync.Memory = 64 << 20
	body := nulMail + strings.Repeat("text\n", 400_000)
	for _, name := range []string{"INBOX", "B"} {
		r.pair.old.deliver(name, body)
	}
	r.pair.new.refuse = refuseLikeCyrus
	r.start(false)
	if res := r.sync(); !res.Pass.Complete || res.Pass.Copied != 17 {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	r.same("A", "C", "D")
	for _, name := range []string{"INBOX", "B"} {
		if n := len(r.pair.new.bodies(name)); n != 4 {
			t.Errorf("%s: %d messages", name, n)
		}
		if l := r.ledger(name); len(l.Repaired) != 1 || len(l.Intents)+len(l.Quarantine) > 0 {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if n := r.pair.old.attempts(); n != 1 {
		t.Errorf("%d connections to the old server", n)
	}
}

// What a client does to a folder that has been asked for ahead counts.
func TestAskedForAheadAndChanged(t *testing.T) {
	for name, change := range map[string]func(r *rig) (now string){
		"visited": func(r *rig) string {
			r.engine.Visit(r.t.Context(), r.account.ID, "A", nil)
			return "A"
		},
		"renamed": func(r *rig) string {
			must(r.t, r.engine.Renaming(r.t.Context(), r.account.ID, "A", "Z"))
			r.pair.new.mu.Lock()
			r.pair.new.folders["Z"] = r.pair.new.folders["A"]
			delete(r.pair.new.folders, "A")
			r.pair.new.mu.Unlock()
			must(r.t, r.engine.Changed(r.t.Context(), r.account.ID, "RENAME", "A", "Z"))
			return "Z"
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := prepareRig(t, "A", "B")
			waiting, done := make(chan struct{}), make(chan struct{})
			opened := 0
			r.pair.old.fail(func(step string) error {
				if step != "+EXAMINE" {
					return nil
				}
				if opened++; opened != 2 { // the second one is asked for ahead
					return nil
				}
				close(waiting)
				r.pair.old.mu.Unlock()
				defer r.pair.old.mu.Lock()
				select {
				case <-done:
					return nil
				case <-time.After(20 * time.Second):
					return errors.New("nothing happened meanwhile")
				}
			})
			r.start(false)
			now := ""
			go func() {
				defer close(done)
				<-waiting
				now = change(r)
			}()
			if res := r.sync(); !res.Pass.Complete || res.Pass.Copied != 9 {
				t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
			}
			<-done
			if got := sorted(r.pair.new.bodies(now)); !slices.Equal(got, sorted(r.pair.old.bodies("A"))) {
				t.Errorf("%s has %q", now, got)
			}
			r.same("INBOX", "B")
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestCutWhileAskedAhead loses connections at each step of a pass over several folders
// on one pair of connections.
func TestCutWhileAskedAhead(t *testing.T) {
	folders := []string{"INBOX", "A", "B", "C"}
	for _, side := range []string{"old", "new"} {
		for n := range 60 {
			t.Run(fmt.Sprint(side, n), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					r := prepareRig(t, folders[1:]...)
					r.silent = true
					r.cutAt(side, n+1)
					r.same(folders...)
				})
			})
		}
	}
}

// cutAt makes a pass during which a server's connection is lost at its nth step, and another one.
func (r *rig) cutAt(side string, n int) {
	r.t.Helper()
	at := 0
	map[string]*fakeServer{"old": r.pair.old, "new": r.pair.new}[side].fail(func(step string) error {
		if at++; at == n && !strings.HasSuffix(step, "CONNECT") {
			return &link.Error{Op: step, Class: link.Lost, Err: io.ErrUnexpectedEOF}
		}
		return nil
	})
	r.start(false)
	r.sync()
	if res := r.sync(); !res.Pass.Complete {
		r.t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
}

// What has been asked for ahead is of use only for the folder as it was then, in the
// pass it was asked for in.
func TestPreparedFits(t *testing.T) {
	at := time.Now()
	row := store.Folder{ID: 3, Old: "A", New: "B"}
	p := &session.Prefetched{NextFolder: session.NextFolder{Folder: row}, At: at}
	for name, c := range map[string]struct {
		change func(*folders.Folder)
		since  time.Time
		want   bool
	}{
		"the same":          {func(*folders.Folder) {}, at.Add(-time.Second), true},
		"another folder":    {func(f *folders.Folder) { f.ID = 4 }, at.Add(-time.Second), false},
		"renamed":           {func(f *folders.Folder) { f.New = "C" }, at.Add(-time.Second), false},
		"renamed there":     {func(f *folders.Folder) { f.Old = "C" }, at.Add(-time.Second), false},
		"copied by a visit": {func(f *folders.Folder) { f.Checkpoint.UIDNext = 5 }, at.Add(-time.Second), false},
		"visited":           {func(f *folders.Folder) { f.Looked = at.Add(time.Millisecond) }, at.Add(-time.Second), false},
		"the next pass":     {func(*folders.Folder) {}, at.Add(time.Second), false},
	} {
		f := &folders.Folder{Folder: row}
		c.change(f)
		if got := p.Fits(f.Folder, f.Looked, c.since); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// orderly is a session with an old server that opens INBOX once another session has asked
// for the folder that comes after its present one, which goes on once INBOX is through.
type orderly struct {
	session.Source
	ahead   chan struct{} // closed when a folder has been asked for ahead
	through func() bool
}

func (s orderly) Open(ctx context.Context, name string, ahead session.OpenWith) (*session.SourceFolder, error) {
	if name == "INBOX" {
		<-s.ahead
	}
	return s.Source.Open(ctx, name, ahead)
}

func (s orderly) SendOpen(ctx context.Context, name string, ahead session.OpenWith) (session.OpenCall, error) {
	close(s.ahead)
	for !s.through() {
		runtime.Gosched()
	}
	return s.Source.SendOpen(ctx, name, ahead)
}

// A folder that one pair has asked for is not asked for once more by another that is idle.
func TestPreparedFolderStaysWithItsLane(t *testing.T) {
	r := prepareRig(t, "A", "B")
	r.cfg.Domains[0].Account.Connections = 3
	real, asked := r.pair.dialers().Old, make(chan struct{})
	r.dialOld = func(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Source, error) {
		s, err := real(ctx, server, c, opt)
		return orderly{s, asked, func() bool {
			folders, err := r.store.Folders(t.Context(), r.account.ID)
			must(t, err)
			for _, f := range folders {
				if f.Old == "INBOX" {
					return !f.Checkpoint.Checked.IsZero()
				}
			}
			return false
		}}, err
	}
	r.pair.new.fail(func(step string) error {
		if step == "+WAIT" { // the pair that is through with INBOX is idle by now
			r.pair.new.mu.Unlock()
			defer r.pair.new.mu.Lock()
			must(t, pause.For(t.Context(), 50*time.Millisecond))
		}
		return nil
	})
	r.start(false)
	if res := r.sync(); !res.Pass.Complete {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	if n := r.pair.old.count("EXAMINE"); n != 3 {
		t.Errorf("3 folders were opened %d times", n)
	}
	r.same("INBOX", "A", "B")
}

// Messages that were asked for as the new folder was empty are not taken once it isn't.
func TestNotEmptyAnyMore(t *testing.T) {
	r := prepareRig(t)
	late := sync.OnceFunc(func() {
		r.pair.new.mu.Unlock()
		defer r.pair.new.mu.Lock()
		r.pair.new.deliver("INBOX", mail(1))
		r.pair.new.deliver("INBOX", mail(99))
	})
	r.pair.new.fail(func(step string) error {
		if step == "+STATUS" {
			late()
		}
		return nil
	})
	r.start(false)
	if res := r.sync(); !res.Pass.Complete || res.Pass.Copied != 2 || res.Pass.Adopted != 1 {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	if n := len(r.pair.new.bodies("INBOX")); n != 4 {
		t.Errorf("%d messages on the new server, want 4", n)
	}
	if n := r.pair.old.count("BODY"); n != 2 {
		t.Errorf("%d messages were fetched, want 2", n)
	}
}
