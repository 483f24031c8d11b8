package syncer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/store/bolt"
	"postferry/syncer/message"
)

// backRig is a rig whose domain wants a way back. Everything that the old server had has come over, and the baseline
// is noted.
func backRig(t *testing.T) *rig {
	t.Helper()
	r := newRigIn(t, inMemory(t))
	r.silent = true
	r.cfg.Sync.OldConnections, r.cfg.Sync.NewConnections = 1, 1
	r.cfg.Domains[0].WayBack = true
	r.pair.new.deliver("INBOX", mail(1)) // was there before
	for i := 10; i < 14; i++ {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.pair.old.add("Work")
	r.pair.old.deliver("Work", mail(20))
	return r
}

// started makes the first pass.
func (r *rig) startBack() {
	r.t.Helper()
	r.start(false)
	r.syncs(1)
}

// syncs makes passes, which are to be complete.
func (r *rig) syncs(n int) {
	r.t.Helper()
	for range n {
		if res := r.sync(); !res.Pass.Complete || res.Problem != nil {
			r.t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
		}
	}
}

// wantBodies wants a folder of a server to have certain messages, each once.
func wantBodies(t *testing.T, what string, s *fakeServer, name string, want ...int) {
	t.Helper()
	var bodies []string
	for _, n := range want {
		bodies = append(bodies, mail(n))
	}
	if got := sorted(s.bodies(name)); !slices.Equal(got, sorted(bodies)) {
		t.Errorf("%s, %s: %q, want %v", what, name, got, want)
	}
}

// onlyAppends wants the old server to have been asked for nothing that changes it but APPEND.
func (r *rig) onlyAppends() {
	r.t.Helper()
	r.pair.old.mu.Lock()
	defer r.pair.old.mu.Unlock()
	for _, op := range r.pair.old.log {
		if slices.Contains([]string{"STORE", "EXPUNGE", "CREATE", "SUBSCRIBE", "SELECT", "MOVE", "RENAME", "DELETE"}, op) {
			r.t.Errorf("the old server was sent %s", op)
		}
	}
}

// TestWayBack: what arrives at the new server after the MX has moved goes back once, late mail comes over once, and
// nothing that is a copy goes anywhere.
func TestWayBack(t *testing.T) {
	t.Parallel()
	r := backRig(t)
	r.startBack()
	r.pair.new.deliver("INBOX", mail(30), imap.FlagSeen, "$label")
	r.syncs(1)
	wantBodies(t, "before the MX moved", r.pair.old, "INBOX", 10, 11, 12, 13)

	r.moveMX()
	r.pair.new.deliver("Work", mail(31))
	r.pair.old.deliver("INBOX", mail(40))
	r.pair.new.deliver("INBOX", mail(32), imap.FlagDeleted)
	r.pair.new.deliver("INBOX", mail(33), imap.FlagDraft)
	for range 3 {
		r.syncs(1)
		wantBodies(t, "old", r.pair.old, "INBOX", 10, 11, 12, 13, 30, 40)
		wantBodies(t, "old", r.pair.old, "Work", 20, 31)
		wantBodies(t, "new", r.pair.new, "INBOX", 1, 10, 11, 12, 13, 30, 32, 33, 40)
		wantBodies(t, "new", r.pair.new, "Work", 20, 31)
	}
	if got := r.pair.old.flags("INBOX", mail(30)); !slices.Equal(got, []imap.Flag{imap.FlagSeen}) {
		t.Errorf("flags %v", got)
	}
	if got := r.pair.new.flags("INBOX", mail(30)); !slices.Equal(got, message.NormaliseFlags([]imap.Flag{imap.FlagSeen, "$label"})) {
		t.Errorf("flags at the new server %v", got)
	}
	ways, returns, err := r.store.WaysBack(t.Context(), r.account.ID)
	if err != nil || len(ways) != 2 || ways[0].Copied+ways[1].Copied != 2 || len(returns) > 0 {
		t.Errorf("%+v, %+v, %v", ways, returns, err)
	}
	if s, err := r.store.Summary(t.Context(), r.account.ID); err != nil || s.Late.Messages > 0 || s.Copied != s.Messages {
		t.Errorf("what went back is counted: %+v, %v", s, err)
	}
	r.onlyAppends()
}

// TestWayBackWithAllMail: with a folder that shows all mail nothing goes back, and that is told.
func TestWayBackWithAllMail(t *testing.T) {
	t.Parallel()
	r := backRig(t)
	r.pair.old.add("All Mail").attrs = []imap.MailboxAttr{imap.MailboxAttrAll}
	r.startBack()
	r.moveMX()
	r.pair.new.deliver("INBOX", mail(30))
	r.syncs(2)
	wantBodies(t, "old", r.pair.old, "INBOX", 10, 11, 12, 13)
	if sum, err := r.store.WayBackOf(t.Context(), "example.com"); err != nil || sum.Troubled != 1 || sum.Copied != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// TestWayBackIsOff: without the wish nothing is written to the old server.
func TestWayBackIsOff(t *testing.T) {
	t.Parallel()
	r := backRig(t)
	r.cfg.Domains[0].WayBack = false
	r.startBack()
	r.moveMX()
	r.pair.new.deliver("INBOX", mail(30))
	r.syncs(2)
	wantBodies(t, "old", r.pair.old, "INBOX", 10, 11, 12, 13)
	if slices.Contains(r.pair.old.log, "APPEND") {
		t.Error("the old server was sent APPEND")
	}
}

// TestWayBackOfMovedCopies: what people do with their mail at the new server changes nothing at the old one; a second
// message of the same kind that has come in addition goes back.
func TestWayBackOfMovedCopies(t *testing.T) {
	t.Parallel()
	r := backRig(t)
	r.startBack()
	r.moveMX()
	move := func(n int, from, to string) {
		r.pair.new.remove(from, mail(n))
		r.pair.new.deliver(to, mail(n))
	}
	move(10, "INBOX", "Work")
	r.pair.new.deliver("INBOX", mail(30))
	r.syncs(2)
	move(30, "INBOX", "Work")
	move(20, "Work", "INBOX")
	move(10, "Work", "INBOX")
	r.pair.new.deliver("INBOX", mail(11)) // as it comes back from a list
	r.syncs(3)
	wantBodies(t, "old", r.pair.old, "INBOX", 10, 11, 11, 12, 13, 30)
	wantBodies(t, "old", r.pair.old, "Work", 20)
	wantBodies(t, "new", r.pair.new, "INBOX", 1, 10, 11, 11, 12, 13, 20)
	wantBodies(t, "new", r.pair.new, "Work", 30)
}

// TestWayBackRefused: a message that the old server does not take is told, and does not keep others back. Where that
// says not where it puts messages, nothing goes back.
func TestWayBackRefused(t *testing.T) {
	t.Parallel()
	r := backRig(t)
	r.startBack()
	r.moveMX()
	r.pair.old.refuse = func(body []byte) error {
		if string(body) == mail(30) {
			return refusedError("APPEND", imap.ResponseCodeLimit)
		}
		return nil
	}
	r.pair.new.deliver("INBOX", mail(30))
	r.pair.new.deliver("INBOX", mail(31))
	r.syncs(2)
	wantBodies(t, "old", r.pair.old, "INBOX", 10, 11, 12, 13, 31)
	_, returns, err := r.store.WaysBack(t.Context(), r.account.ID)
	if err != nil || len(returns) != 1 || returns[0].State != store.ReturnRefused || returns[0].Attempts != 1 {
		t.Errorf("%+v, %v", returns, err)
	}
	r.pair.old.refuse = func([]byte) error { return nil }
	r.pair.old.mu.Lock()
	r.pair.old.uidplus = false
	r.pair.old.mu.Unlock()
	r.pair.new.deliver("INBOX", mail(32))
	r.syncs(2)
	wantBodies(t, "old without UIDPLUS", r.pair.old, "INBOX", 10, 11, 12, 13, 31)
	ways, _, err := r.store.WaysBack(t.Context(), r.account.ID)
	if err != nil || ways[0].Trouble == "" {
		t.Errorf("%+v, %v", ways, err)
	}
}

// backKill is a rig of which the engine may be killed while mail goes both ways.
func backKill(t *testing.T) *killedRig {
	t.Helper()
	r := &killedRig{rig: backRig(t), changed: true}
	r.startBack()
	r.moveMX()
	r.stop()
	r.pair.new.deliver("INBOX", mail(30))
	r.pair.new.deliver("INBOX", mail(31))
	r.pair.new.deliver("Work", mail(32))
	r.pair.old.deliver("INBOX", mail(40))
	return r
}

// TestWayBackKilledAtEveryStep kills the engine at each step that a server or the store takes while mail goes both ways,
// and the next engine as well. In the end each message is on both servers, once.
func TestWayBackKilledAtEveryStep(t *testing.T) {
	for i, at := range recordMoments(t, func(s *steps) { backKill(t).twoPasses(s) }) {
		// Between an APPEND and its proof each moment counts; of the others a third is enough.
		if at.side != "store " && !strings.Contains("+APPEND -APPEND +WAIT -WAIT", at.step) && i%3 > 0 {
			continue
		}
		again := 0
		if i%3 == 0 {
			again = 1 + i/3%40
		}
		t.Run(fmt.Sprintf("%s, again %d", at, again), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				untilStruck(t, func() bool {
					r := backKill(t)
					if !r.killed(at) {
						return false
					}
					if again > 0 {
						r = r.reborn(t)
						r.passesUntil(killAt(moment{nth: again}))
					}
					r = r.reborn(t)
					r.start(false)
					r.syncs(4)
					r.bothHaveAll()
					r.stop()
					return true
				})
			})
		})
	}
}

// passesUntil is twoPasses for a kill that need not come.
func (r *killedRig) passesUntil(s *steps) {
	r.t.Helper()
	r.twoPasses(s)
	if !s.hit() { // all was through before
		if _, err := r.store.(*bolt.Store).Backup(context.Background(), &r.left, true); err != nil {
			r.t.Fatal(err)
		}
	}
}

// bothHaveAll wants both servers to have what went both ways, once.
func (r *killedRig) bothHaveAll() {
	r.t.Helper()
	wantBodies(r.t, "old", r.pair.old, "INBOX", 10, 11, 12, 13, 30, 31, 40)
	wantBodies(r.t, "new", r.pair.new, "INBOX", 1, 10, 11, 12, 13, 30, 31, 40)
	wantBodies(r.t, "old", r.pair.old, "Work", 20, 32)
	wantBodies(r.t, "new", r.pair.new, "Work", 20, 32)
	r.onlyAppends()
}

// TestWayBackDrawn: mail arrives at both servers and is moved between folders while connections break before and after
// messages are stored, answers are lost, servers store late, and the engine is started anew. In the end
// each message is at the new server once, and at the old one; twice there only where it was stored late.
func TestWayBackDrawn(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				drawBack(t, seed)
			})
		})
	}
}

// calm makes a pass in which nothing goes wrong.
func (r *rig) calm() {
	r.t.Helper()
	for _, s := range []*fakeServer{r.pair.old, r.pair.new} {
		s.fail(func(string) error { return nil })
	}
	r.syncs(1)
}

func drawBack(t *testing.T, seed uint64) {
	r := backRig(t)
	r.startBack()
	r.moveMX()
	rnd := rand.New(rand.NewPCG(seed, 7))
	late := false
	next := 100
	var came []int
	trouble := func(s *fakeServer) func(string) error {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 8)) // each server has a lock of its own
		return func(step string) error {
			switch {
			case rnd.IntN(12) > 0:
				return nil
			case step == "+APPEND" && s == r.pair.old && rnd.IntN(2) == 0:
				late = true
				return lateError(1 + rnd.IntN(30))
			case step == "+APPEND", step == "-APPEND", step == "+WAIT", step == "+BODY", step == "+EXAMINE", step == "+STATUS":
				return lostError(step[1:])
			}
			return nil
		}
	}
	for range 12 {
		for range 1 + rnd.IntN(3) {
			folder := []string{"INBOX", "Work"}[rnd.IntN(2)]
			switch next++; rnd.IntN(4) {
			case 0, 1:
				r.pair.new.deliver(folder, mail(next))
			case 2:
				r.pair.old.deliver(folder, mail(next))
			case 3:
				if len(came) > 0 {
					r.calm() // what is moved before it is known to be there may come again: that is not the way back's matter
					n := came[rnd.IntN(len(came))]
					for range r.pair.new.remove("INBOX", mail(n)) {
						r.pair.new.deliver("Work", mail(n))
					}
				}
				continue
			}
			came = append(came, next)
		}
		r.pair.old.fail(trouble(r.pair.old))
		r.pair.new.fail(trouble(r.pair.new))
		ctx, cancel := context.WithTimeout(t.Context(), r.limit)
		_, _ = r.engine.Sync(ctx, nil, nil) //nolint:errcheck // what has come of it is looked at in the end
		cancel()
		if rnd.IntN(3) == 0 {
			r.stop()
			r.start(false)
		}
	}
	r.calm()
	r.pair.old.settle()
	r.syncs(3)
	count := func(s *fakeServer, n int) (all int) {
		for _, name := range []string{"INBOX", "Work"} {
			for _, b := range s.bodies(name) {
				if b == mail(n) {
					all++
				}
			}
		}
		return all
	}
	for _, n := range append(came, 10, 11, 12, 13, 20) {
		if got := count(r.pair.new, n); got != 1 {
			t.Errorf("message %d is %d times at the new server", n, got)
		}
		if got := count(r.pair.old, n); got != 1 && !(late && got > 1) {
			t.Errorf("message %d is %d times at the old server", n, got)
		}
	}
	if n := count(r.pair.old, 1); n > 0 {
		t.Error("what the new server had before has gone back")
	}
	r.onlyAppends()
}

// TestWayBackPutBack: the new server is put back to a backup, alone or together with the old one. What comes to it afterwards goes back
// although it has UIDs that other messages had; what had gone back before is there once.
func TestWayBackPutBack(t *testing.T) {
	for _, both := range []bool{false, true} {
		for _, looked := range []bool{false, true} {
			t.Run(fmt.Sprintf("both %v, looked at before %v", both, looked), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					r := backRig(t)
					r.startBack()
					r.moveMX()
					r.syncs(1)
					putBack := []func(){r.pair.new.keep("INBOX")}
					if both {
						putBack = append(putBack, r.pair.old.keep("INBOX"))
					}
					arrives := func(n int) {
						r.pair.new.mu.Lock()
						defer r.pair.new.mu.Unlock()
						r.pair.new.folders["INBOX"].append([]byte(mail(n)), nil, time.Now())
					}
					for n := 30; n < 35; n++ {
						arrives(n)
					}
					r.syncs(2)
					for _, back := range putBack {
						back()
					}
					if looked {
						r.syncs(1)
					}
					arrives(40)
					r.syncs(3)
					want := []int{10, 11, 12, 13, 40}
					if !both {
						want = append(want, 30, 31, 32, 33, 34) // as the old server has them
					}
					wantBodies(t, "old", r.pair.old, "INBOX", want...)
					wantBodies(t, "new", r.pair.new, "INBOX", append(want, 1)...)
					r.onlyAppends()
				})
			})
		}
	}
}
