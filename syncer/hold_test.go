package syncer

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
)

// TestHold: while a client's command is about a folder nothing is copied into it, and
// afterwards it goes on; its neighbours are not concerned.
func TestHold(t *testing.T) {
	r := newRig(t)
	const n = 3 * 100 // batches
	r.pair.old.add("F")
	r.pair.old.add("F/below")
	r.pair.old.add("other")
	for i := range n {
		for _, name := range []string{"F", "F/below", "other"} {
			r.pair.old.deliver(name, mail(i))
		}
	}
	begun := make(chan struct{}, 1)
	r.pair.new.fail(func(step string) error {
		if step == "-APPEND" {
			select {
			case begun <- struct{}{}:
			default:
			}
		}
		return nil
	})
	r.start(true)
	<-begun
	release := r.engine.Hold(t.Context(), r.account.ID, "F")
	have := func(name string) int { return len(r.pair.new.bodies(name)) }
	before := []int{have("F"), have("F/below")}
	r.eventually("the other folder is complete", func() bool { return have("other") == n })
	if after := []int{have("F"), have("F/below")}; !slices.Equal(before, after) {
		t.Errorf("copied meanwhile: %v, then %v", before, after)
	}
	release()
	release()
	r.eventually("complete", func() bool { return have("F") == n && have("F/below") == n && r.complete() })
}

// TestNothingBeginsWhereItIsHeld: neither a pass nor a client that opens the folder begins a pull there.
func TestNothingBeginsWhereItIsHeld(t *testing.T) {
	r := newRig(t)
	names := []string{"F", "F/below", "other"}
	for _, name := range names {
		r.pair.old.add(name)
	}
	r.start(false)
	r.sync()
	release := r.engine.Hold(t.Context(), r.account.ID, "F")
	for i, name := range names {
		r.pair.old.deliver(name, mail(i))
	}
	have := func(name string) int { return len(r.pair.new.bodies(name)) }
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.sync()
	}()
	r.eventually("the other folder is complete", func() bool { return have("other") == 1 })
	r.engine.Connected(t.Context(), r.account.ID)
	for _, name := range names {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		r.engine.Visit(ctx, r.account.ID, name, nil)
		cancel()
	}
	r.engine.Disconnected(r.account.ID)
	if n := have("F") + have("F/below"); n > 0 {
		t.Errorf("%d messages were copied into folders that are held", n)
	}
	release()
	<-ended
	if have("F")+have("F/below") != 2 {
		t.Error("nothing was copied afterwards")
	}
}

// TestHoldIsBounded: a server that does not answer keeps no client's command waiting.
func TestHoldIsBounded(t *testing.T) {
	r := newRig(t)
	r.pair.old.deliver("INBOX", mail(1))
	reached, goOn := make(chan struct{}), make(chan struct{})
	r.pair.new.fail(func(step string) error {
		if step == "+APPEND" {
			close(reached)
			<-goOn
		}
		return nil
	})
	r.start(true)
	<-reached
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	release := r.engine.Hold(ctx, r.account.ID, "INBOX")
	if ctx.Err() == nil {
		t.Error("it did not wait")
	}
	close(goOn)
	release()
	r.eventually("complete", r.complete)
}

// TestAppendIntoAnotherFolder: messages that went into another folder of the same name are
// neither lost nor there twice.
func TestAppendIntoAnotherFolder(t *testing.T) {
	r := newRig(t)
	r.pair.old.add("F")
	const n = 30
	for i := range n {
		r.pair.old.deliver("F", mail(i))
	}
	r.start(false)
	r.sync()
	for i := range n {
		r.pair.old.deliver("F", mail(n+i))
	}
	swapped := false
	r.pair.new.fail(func(step string) error {
		if box := r.pair.new.folders["F"]; step == "+APPEND" && box != nil && !swapped {
			swapped = true
			r.pair.new.folders["G"] = box
			r.pair.new.addLocked("F")
		}
		return nil
	})
	for range 3 {
		r.sync()
	}
	got := slices.Sorted(slices.Values(append(r.pair.new.bodies("G"), r.pair.new.bodies("F")...)))
	if different := len(slices.Compact(slices.Clone(got))); !swapped || len(got) != 2*n || different != 2*n {
		t.Errorf("%d messages, %d different ones, want %d", len(got), different, 2*n)
	}
	r.wantCopies("F")
}

// wantCopies wants each line of a folder's ledger to stand for its copy in the folder of the row, if
// it stands for any there.
func (r *rig) wantCopies(old string) {
	r.t.Helper()
	row := r.folderRow(old)
	box := r.pair.new.folders[row.New]
	if box == nil {
		r.t.Fatalf("the row's folder is %q, which isn't there", row.New)
	}
	bodies := map[store.Key]string{}
	for _, m := range r.pair.old.folders[old].messages {
		bodies[message.IMAPKey(r.pair.old.folders[old].validity, m.uid)] = string(m.body)
	}
	for _, e := range r.ledger(old).Entries {
		i := slices.IndexFunc(box.messages, func(m *fakeMessage) bool { return m.uid == e.UID })
		if e.UID != 0 && (e.UIDValidity != box.validity || i < 0 || string(box.messages[i].body) != bodies[e.Key]) {
			r.t.Errorf("the line of UID %d, UIDVALIDITY %d in %q does not stand for its copy there", e.UID, e.UIDValidity, row.New)
		}
	}
}

// mute is a connection with a server of which nothing is heard for a while.
type mute struct {
	net.Conn
	now *atomic.Bool
}

func (c mute) Read(p []byte) (n int, err error) {
	for {
		if n, err = c.Conn.Read(p); err != nil || !c.now.Load() {
			return n, err
		}
	}
}

// TestHoldWhereTheOldServerHangs: who is about to change a folder waits no longer than who opens one for an old server that has
// fallen silent in the middle of it, and the folder is pulled to its end afterwards.
func TestHoldWhereTheOldServerHangs(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		var muted atomic.Bool
		reached := make(chan struct{})
		hang := sync.OnceFunc(func() {
			muted.Store(true)
			close(reached)
		})
		r := newOddRigInMemoryWith(t, lab.OddOptions{Fetch: func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
			if isOdd(m.Body) && strings.Contains(response, "BODY[") {
				hang()
			}
			return response
		}}, lab.OddOptions{}, map[string]int{"INBOX": 30})
		r.dialOld = through(session.RealDialers().Old, func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := r.old.Dial(ctx, network, addr)
			return mute{c, &muted}, err
		})
		r.cfg.Sync.Stall = time.Minute
		r.start(true)
		<-reached
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		var releases []func()
		for _, want := range []time.Duration{patience, 0} { // and nothing is pulled any more
			begun := time.Now()
			release := r.engine.Hold(ctx, r.account.ID, "INBOX")
			if took := time.Since(begun); took < want || took > want+noPatience {
				t.Errorf("waited for %v; want %v", took, want)
			}
			defer release()
			releases = append(releases, release)
		}
		muted.Store(false)
		for _, release := range releases {
			release()
		}
		r.eventually("complete", r.rig.complete)
		r.arrived(nil)
	})
}
