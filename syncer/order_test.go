package syncer

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/store"
)

// newestRig has a folder that was filled with its newest messages first, at a new server
// that can move. Nothing runs.
func newestRig(t *testing.T) *rig {
	t.Helper()
	r := everyStepRig(t, 0)
	for i := 12; i < 60; i++ {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.pair.new.moves = true
	r.cfg.Proxy.VisitOrder, r.cfg.Proxy.VisitWait, r.cfg.Proxy.VisitWindow = config.OrderNewest, time.Nanosecond, 8
	r.cfg.Sync.OldConnections, r.cfg.Sync.NewConnections = 4, 4
	r.start(false)
	ctx, cancel := context.WithTimeout(t.Context(), r.limit)
	defer cancel()
	r.engine.Connected(ctx, r.account.ID)
	r.engine.Visit(ctx, r.account.ID, "INBOX", nil)
	r.engine.Disconnected(r.account.ID)
	r.sync()
	r.stop()
	if first := r.pair.new.bodies("INBOX")[0]; first != mail(52) || r.orderOf("INBOX").State != store.OrderNewest {
		t.Fatalf("not filled newest first: %.40q, %+v", first, r.orderOf("INBOX"))
	}
	r.cfg.Sync.OldConnections, r.cfg.Sync.NewConnections = 1, 1
	r.cfg.Proxy.VisitOrder = config.OrderRestored
	return r
}

// orderOf is what the store knows of a folder's order.
func (r *rig) orderOf(name string) store.Order {
	r.t.Helper()
	rows, err := r.store.Folders(r.t.Context(), r.account.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range rows {
		if f.New == name {
			return f.Order
		}
	}
	r.t.Fatalf("no folder %s", name)
	return store.Order{}
}

// standsForAll fails unless each line of the ledger stands for the copy of its message.
func (r *rig) standsForAll(name string) {
	r.t.Helper()
	r.pair.old.mu.Lock()
	defer r.pair.old.mu.Unlock()
	r.pair.new.mu.Lock()
	defer r.pair.new.mu.Unlock()
	bodies := func(b *fakeFolder) map[imap.UID]string {
		all := map[imap.UID]string{}
		for _, m := range b.messages {
			all[m.uid] = string(m.body)
		}
		return all
	}
	was, is := bodies(r.pair.old.folders[name]), bodies(r.pair.new.folders[name])
	for _, e := range r.ledger(name).Entries {
		uid := imap.UID(e.Key[4])<<24 | imap.UID(e.Key[5])<<16 | imap.UID(e.Key[6])<<8 | imap.UID(e.Key[7])
		if was[uid] != "" && is[e.UID] != "" && was[uid] != is[e.UID] || is[e.UID] == "" && slices.Contains(r.pair.new.bodiesLocked(name), was[uid]) {
			r.t.Errorf("the line of %d stands for %d, which is %.40q", uid, e.UID, is[e.UID])
		}
	}
}

func (f *fakeServer) bodiesLocked(name string) (all []string) {
	for _, m := range f.folders[name].messages {
		all = append(all, string(m.body))
	}
	return all
}

// TestOrderIsRestored: when a folder that was filled newest first is complete, its newest
// messages are the last ones, with their flags; those that have come to the new server since come
// behind them; what was removed stays away, and nothing is copied again.
func TestOrderIsRestored(t *testing.T) {
	t.Parallel()
	r := newestRig(t)
	own := "Message-ID: <own@example.com>\r\nSubject: sent by a client\r\n\r\nText\r\n"
	r.pair.new.deliver("INBOX", own)
	r.pair.new.setFlags("INBOX", mail(55), imap.FlagFlagged)
	r.pair.new.remove("INBOX", mail(57))
	r.pair.old.deliver("INBOX", mail(60))
	r.start(false)
	if res := r.sync(); !res.Pass.Complete || res.Pass.Copied != 1 {
		t.Errorf("the pass: %+v, %+v", res.Pass, res.Problem)
	}
	want := slices.Concat(mails(0, 57), mails(58, 60), []string{own, mail(60)})
	if got := r.pair.new.bodies("INBOX"); !slices.Equal(got, want) {
		t.Errorf("%d messages, the last ones are %q", len(got), got[max(len(got)-4, 0):])
	}
	if got := r.pair.new.flags("INBOX", mail(55)); !slices.Equal(got, []imap.Flag{imap.FlagFlagged}) {
		t.Errorf("flags %v", got)
	}
	r.standsForAll("INBOX")
	if o := r.orderOf("INBOX"); o != (store.Order{}) {
		t.Errorf("order: %+v", o)
	}
	r.pair.old.setFlags("INBOX", mail(58), imap.FlagSeen)
	moves := r.pair.new.count("MOVE")
	if res := r.sync(); !res.Pass.Complete || res.Pass.Copied != 0 || res.Pass.FlagChanges != 1 || r.pair.new.count("MOVE") != moves {
		t.Errorf("the pass after: %+v, %+v", res.Pass, res.Problem)
	}
	if got := r.pair.new.flags("INBOX", mail(58)); !slices.Equal(got, []imap.Flag{imap.FlagSeen}) {
		t.Errorf("a flag that changed at the old server is not carried over to the moved copy: %v", got)
	}
}

// TestOrderIsKept: a folder is left as it is where that is wanted, where the server can't do
// it, and as long as a client is at work in it.
func TestOrderIsKept(t *testing.T) {
	tests := map[string]struct {
		change func(*rig)
		opened []Opened // by clients; the account is ours
		state  store.OrderState
		moved  bool
	}{
		"newest is wanted": {func(r *rig) { r.cfg.Proxy.VisitOrder = config.OrderNewest }, nil, store.OrderNewest, false},
		"no MOVE":          {func(r *rig) { r.pair.new.moves = false }, nil, store.OrderKept, false},
		"no COPYUID":       {func(r *rig) { r.pair.new.movesUntold = true }, nil, store.OrderKept, true},
		"refused":          {func(r *rig) { r.pair.new.refuseStep("+MOVE") }, nil, store.OrderKept, false},
		"refused late":     {func(r *rig) { r.pair.new.refuseStep("-MOVED") }, nil, store.OrderKept, true},
		"in use":           {nil, []Opened{{Mailbox: "INBOX", Quiet: time.Second}}, store.OrderNewest, false},
		"quiet":            {nil, []Opened{{Mailbox: "INBOX", Quiet: 2 * time.Minute}}, store.OrderArrival, true},
		"another folder":   {nil, []Opened{{Mailbox: "Work"}}, store.OrderArrival, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newestRig(t)
			if tt.change != nil {
				tt.change(r)
			}
			for i := range tt.opened {
				tt.opened[i].Account = r.account.ID
			}
			r.opened = func() []Opened { return tt.opened }
			r.start(false)
			for range 2 {
				if res := r.sync(); !res.Pass.Complete || res.Problem != nil || res.Pass.Copied > 0 {
					t.Errorf("the pass: %+v, %+v", res.Pass, res.Problem)
				}
			}
			if got := r.orderOf("INBOX").State; got != tt.state {
				t.Errorf("the order is %q, want %q", got, tt.state)
			}
			got := r.pair.new.bodies("INBOX")
			if moved := got[len(got)-1] == mail(59); moved != tt.moved || !slices.Equal(sorted(got), sorted(mails(0, 60))) {
				t.Errorf("moved: %v; %d messages", moved, len(got))
			}
			r.standsForAll("INBOX")
		})
	}
}

// refuseStep makes the server refuse something from now on.
func (f *fakeServer) refuseStep(step string) {
	f.fail(func(s string) error {
		if s == step {
			return refusedError("UID MOVE", imap.ResponseCodeCannot)
		}
		return nil
	})
}

// TestKilledWhileOrderIsRestored kills the engine at each step that the new server or the
// store takes while an order is restored, before and after it took effect, and within the MOVE,
// when the messages are in both places; and again while it finds out what became of that. In the
// end each message is there once, in its order, with a line that stands for it, and what its
// user removed between the two stays away.
func TestKilledWhileOrderIsRestored(t *testing.T) {
	moments := recordMoments(t, func(s *steps) { (&killedRig{rig: newestRig(t)}).twoPasses(s) })
	for i, at := range killMoments(moments) {
		if at.side == "old " {
			continue
		}
		again := 0
		if i%2 == 0 {
			again = 1 + i/2%9
		}
		t.Run(fmt.Sprintf("%s, again %d", at, again), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				untilStruck(t, func() bool { return killedInOrder(t, kill{at, again, i%3 == 0}) })
			})
		})
	}
}

// killedInOrder tells whether the kills came.
func killedInOrder(t *testing.T, k kill) bool {
	t.Helper()
	r := &killedRig{rig: newestRig(t)}
	if !r.killed(k.at) {
		return false
	}
	want := slices.Concat(mails(0, 60), mails(100, 101))
	if k.remove {
		r.pair.new.remove("INBOX", mail(56))
		r.pair.old.remove("INBOX", mail(56))
		want = slices.DeleteFunc(want, func(s string) bool { return s == mail(56) })
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
	r.everythingOnce("INBOX", "Work")
	if got := r.pair.new.bodies("INBOX"); !slices.Equal(got, want) {
		t.Errorf("the last of %d messages are %.40q", len(got), got[max(len(got)-9, 0):])
	}
	r.standsForAll("INBOX")
	if o := r.orderOf("INBOX"); o != (store.Order{}) {
		t.Errorf("order: %+v", o)
	}
	return true
}
