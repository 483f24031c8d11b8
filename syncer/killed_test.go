package syncer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
	"postferry/store/bolt"
)

// TestKilledAtEveryStep kills the engine at each step that either server or the store
// takes in two passes, before and after it took effect: between an intent, its APPEND,
// the answer, the proof and their commits, and between the parts of each of them. What was
// committed until then is all that the next engine knows. In the end nothing is lost or doubled.
//
// Every third of those that come after is killed as well, while it finds out what
// has become of what the first one had begun. Before every second one somebody removes a
// message that has arrived together with those before and behind it, and takes a flag back
// at the old server that is at the new one already: neither comes back.
func TestKilledAtEveryStep(t *testing.T) {
	servers := map[string]func(*fakeServer){
		"one command":               func(*fakeServer) {},
		"a command each":            func(s *fakeServer) { s.single = true },
		"no APPENDUID":              func(s *fakeServer) { s.uidplus = false },
		"no APPENDUID, single ones": func(s *fakeServer) { s.uidplus, s.single = false, true },
	}
	for name, server := range servers {
		for i, at := range killMoments(recordMoments(t, func(s *steps) { newKillRig(t, server).twoPasses(s) })) {
			again := 0
			if i%3 == 0 {
				again = 1 + i/3%12
			}
			t.Run(fmt.Sprintf("%s, %s, again %d", name, at, again), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					untilStruck(t, func() bool { return killedTwice(t, kill{at, again, i%2 == 1}, server) })
				})
			})
		}
	}
}

// killMoments are all that the new server and the store took part in. What the old one
// does leaves nothing behind: some of it is enough.
func killMoments(all []moment) (some []moment) {
	for _, m := range outermost(all) {
		if m.side == "old " {
			some = append(some, m)
		}
	}
	for _, m := range all {
		if m.side != "old " {
			some = append(some, m)
		}
	}
	return some
}

// kill is an engine's end at a moment and, unless again is 0, that of the next one after so many steps.
type kill struct {
	at     moment
	again  int
	remove bool // a message between the two
}

// killedTwice tells whether the kills came.
func killedTwice(t *testing.T, k kill, server func(*fakeServer)) bool {
	t.Helper()
	r := newKillRig(t, server)
	if !r.killed(k.at) {
		return false
	}
	r.pair.new.settle()
	removed := ""
	if now := r.pair.new.bodies("INBOX"); k.remove && slices.Contains(now, mail(4)) && slices.Contains(now, mail(6)) {
		removed = mail(5)
		r.pair.new.remove("INBOX", removed)
	}
	flags := []imap.Flag{imap.FlagSeen}
	if k.remove && slices.Equal(r.pair.new.flags("INBOX", mail(1)), flags) {
		flags = nil
		r.pair.old.setFlags("INBOX", mail(1))
	}
	if k.again > 0 {
		r = r.reborn(t)
		if !r.killed(moment{nth: k.again}) {
			return false
		}
	}
	r = r.reborn(t)
	r.twoPasses(newSteps(moment{}, nil))
	r.start(false)
	if r.pair.new.remove("INBOX", removed) > 0 {
		t.Error("what was removed has come back")
	}
	r.pair.old.remove("INBOX", removed) // so that both are to be the same
	r.everythingOnce("INBOX", "Work")
	if got := r.pair.new.flags("INBOX", mail(1)); !slices.Equal(got, flags) {
		t.Errorf("flags %v, want %v", got, flags)
	}
	r.stop()
	if l := r.ledger("INBOX"); len(l.Entries) != 13 || len(l.Intents)+len(l.Quarantine) > 0 {
		t.Errorf("the ledger of INBOX: %d entries, %d intents, %d in quarantine", len(l.Entries), len(l.Intents), len(l.Quarantine))
	}
	return true
}

// killAt is the end of an engine, of which its servers see no more than that the connection is lost.
func killAt(at moment) *steps {
	s := newSteps(at, nil)
	s.after = lostError("killed")
	return s
}

// killedRig is a rig of which the engine may be killed.
type killedRig struct {
	*rig
	left    bytes.Buffer // what was committed when it was
	changed bool         // the old server is
	more    func()       // changes it as well
}

// newKillRig has a new mailbox.
func newKillRig(t *testing.T, server func(*fakeServer)) *killedRig {
	t.Helper()
	r := &killedRig{rig: everyStepRig(t, 0)}
	server(r.pair.new)
	return r
}

// killed makes two passes until they are killed, and tells whether they were.
func (r *killedRig) killed(at moment) bool {
	r.t.Helper()
	s := killAt(at)
	r.twoPasses(s)
	return s.hit()
}

// twoPasses makes two passes, with changes at the old server between them unless they were
// made before; or as much of them as comes before the kill.
func (r *killedRig) twoPasses(s *steps) {
	r.t.Helper()
	db := r.store.(*bolt.Store)
	s.strike = func() error {
		_, err := db.Backup(context.Background(), &r.left, true)
		return errors.Join(err, s.after)
	}
	s.attach(r.rig)
	defer func() { r.store = db }()
	r.start(false)
	defer r.stop()
	ctx, cancel := context.WithTimeout(r.t.Context(), r.limit)
	defer cancel()
	r.passUntil(ctx, s)
	if !s.hit() {
		if !r.changed {
			r.changed = true
			r.pair.old.setFlags("INBOX", mail(1), imap.FlagSeen)
			r.pair.old.deliver("INBOX", mail(100))
			if r.more != nil {
				r.more()
			}
		}
		r.passUntil(ctx, s)
	}
	s.end()
}

// passUntil makes a pass, which ends with the kill.
func (r *killedRig) passUntil(ctx context.Context, s *steps) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer cancel()
		_, _ = r.engine.Sync(ctx, nil, nil) //nolint:errcheck // what has come of it is looked at in the end
	}()
	select {
	case <-s.struck:
		cancel()
	case <-ended:
	}
	<-ended
}

// reborn is an engine that knows what was left of this one.
func (r *killedRig) reborn(t *testing.T) *killedRig {
	t.Helper()
	dir := inMemory(t)
	lab.Unpack(t, &r.left, dir)
	st, err := bolt.Open(dir, bolt.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	next := *r.rig
	next.store = st
	return &killedRig{rig: &next, changed: r.changed, more: r.more}
}
