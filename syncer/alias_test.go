package syncer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"postferry/store"
	"postferry/syncer/session"
)

// second puts another account of the rig's domain into the store, whose logins lead to the same mailboxes.
func (r *rig) second(login, password string) store.AccountID {
	r.t.Helper()
	c := store.Credentials{Login: login, Password: store.Secret(password)}
	rows, _, err := r.store.PutAccounts(r.t.Context(), []store.Account{{
		Domain: "example.com", Login: login, Old: c, New: c, Origin: store.Imported, State: store.Active}})
	if err != nil {
		r.t.Fatal(err)
	}
	return rows[0].ID
}

func (r *rig) rowOf(id store.AccountID) store.Account {
	r.t.Helper()
	a, err := r.store.AccountByID(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// syncAll makes a pass over accounts.
func (r *rig) syncAll(ids ...store.AccountID) []Result {
	r.t.Helper()
	results, err := r.engine.Sync(r.t.Context(), ids, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return results
}

// TestProbeInterrupted: whatever step of a probe is the last one before everything ends, or before the
// connection does, INBOX is subscribed afterwards as it was before.
func TestProbeInterrupted(t *testing.T) {
	for _, was := range []bool{true, false} {
		steps := probeUntil(t, was, false, 0)
		if steps < 16 {
			t.Fatalf("the probe has only %d steps", steps)
		}
		for last := 1; last <= steps; last++ {
			probeUntil(t, was, true, last)
		}
		for _, last := range []int{1, steps / 2, steps} {
			t.Run(fmt.Sprintf("subscribed %v, lost after %d", was, last), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					probeUntil(t, was, false, last)
				})
			})
		}
	}
}

// probeUntil lets nothing reach the new server after a step of a probe (0: everything does), and returns
// how many there were.
func probeUntil(t *testing.T, was, killed bool, last int) (steps int) {
	t.Helper()
	r := newRig(t)
	r.silent = true
	for i := range 2 * 10 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.start(false)
	r.sync()
	first, inbox := r.account.ID, r.pair.new.folders["INBOX"]
	inbox.sub = was
	second := r.second("anna", annasPassword)
	down := false
	r.pair.new.fail(func(step string) error {
		switch step {
		case "-SUBSCRIBE", "-UNSUBSCRIBE":
			steps++
			down = down || steps == last
		}
		if down {
			return lostError("anything")
		}
		return nil
	})
	r.syncAll(second)
	if killed {
		r.stop()
		r.start(false)
	}
	r.pair.new.fail(func(string) error { return nil })
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(passLimit); r.rowOf(second).Alias == 0 && time.Now().Before(end); <-tick.C {
		r.syncAll(second) // at the latest when the server has rested
	}
	r.syncAll(second)
	if a := r.rowOf(second); a.Alias != first || a.Probe != store.NoProbe {
		t.Errorf("subscribed %v, killed %v, after step %d: %+v", was, killed, last, a)
	}
	if p := r.rowOf(first).Probe; p != store.NoProbe {
		t.Errorf("after step %d the first account has %q", last, p)
	}
	if inbox.sub != was {
		t.Errorf("killed %v, after step %d INBOX is subscribed: %v, before: %v", killed, last, inbox.sub, was)
	}
	r.stop()
	return steps
}

// TestProbeLeftByAlias: what a probe has left is put right by the account that the one leads to
// by then, as a person has said.
func TestProbeLeftByAlias(t *testing.T) {
	for _, left := range []store.Probe{store.ProbeSubscribed, store.ProbeUnsubscribed} {
		r := newRig(t)
		second := r.second("anna", annasPassword)
		want := left == store.ProbeSubscribed
		r.pair.new.folders["INBOX"].sub = !want
		if err := r.store.SetProbe(t.Context(), second, left); err != nil {
			t.Fatal(err)
		}
		if err := r.store.SetAlias(t.Context(), second, r.account.ID); err != nil {
			t.Fatal(err)
		}
		r.start(false)
		r.syncAll(second)
		if got := r.pair.new.folders["INBOX"].sub; got != want || r.rowOf(r.account.ID).Probe != store.NoProbe {
			t.Errorf("%s: subscribed %v", left, got)
		}
	}
}

// TestAliasStandsIn: where a server does not take the password of an account any more, or never did, but
// that of an alias, the mailbox is copied all the same.
func TestAliasStandsIn(t *testing.T) {
	for _, side := range []store.Side{store.OldSide, store.NewSide} {
		for _, tt := range []struct {
			name     string
			password string // of the alias
			state    store.State
			proved   bool
			want     bool
		}{
			{"right", "changed", store.Active, true, true},
			{"wrong as well", "wrong", store.Active, true, false},
			{"the same", annasPassword, store.Active, true, false},
			{"right, but stopped", "changed", store.Stopped, true, false},
			{"right, but only somebody's word", "changed", store.Active, false, false},
		} {
			t.Run(fmt.Sprint(side, " ", tt.name), func(t *testing.T) {
				r := newRig(t)
				for i := range 5 {
					r.pair.old.deliver("INBOX", mail(i))
				}
				r.start(false)
				r.sync()
				alias := r.second("anna", tt.password)
				lead := r.store.SetAlias
				if tt.proved {
					lead = r.store.ProveAlias
				}
				if err := lead(t.Context(), alias, r.account.ID); err != nil {
					t.Fatal(err)
				}
				if err := r.store.SetState(t.Context(), alias, tt.state); err != nil {
					t.Fatal(err)
				}
				if err := r.engine.Updated(t.Context(), []store.AccountID{alias}); err != nil {
					t.Fatal(err)
				}
				server := r.pair.old
				if side == store.NewSide {
					server = r.pair.new
				}
				server.mu.Lock()
				server.password, server.log = "changed", nil
				server.mu.Unlock()
				r.stop() // its sessions were opened with the former password
				r.start(false)
				for i := range 3 {
					r.pair.old.deliver("INBOX", mail(10+i))
					res := r.syncAll(r.account.ID)[0]
					if done := res.Problem == nil && res.Pass.Complete && res.Pass.Copied == 1; done != tt.want {
						t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
					}
				}
				refused := 0
				for _, op := range server.log {
					if op == "REFUSED" {
						refused++
					}
				}
				if tt.want && refused > session.PassPairs+1 {
					t.Errorf("the password that is not right was tried %d times", refused)
				}
			})
		}
	}
}

// TestAliasWithTheRightPassword: an account that stands still as its password is not taken goes on once a
// person has logged in by an alias with one that is.
func TestAliasWithTheRightPassword(t *testing.T) {
	r := newRig(t)
	r.pair.old.deliver("INBOX", mail(1))
	alias := r.second("anna", annasPassword)
	if err := r.store.ProveAlias(t.Context(), alias, r.account.ID); err != nil {
		t.Fatal(err)
	}
	r.pair.old.password, r.pair.new.password = "changed", "changed"
	r.start(true)
	until := func(what string, ok func() bool) {
		t.Helper()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(passLimit); !ok(); <-tick.C {
			if time.Now().After(end) {
				t.Fatalf("waited in vain for %s", what)
			}
		}
	}
	until("the refusal", func() bool {
		p := r.rowOf(r.account.ID).Problem
		return p != nil && p.Advice == store.NeedsFix
	})
	right := store.Credentials{Login: "anna", Password: "changed"}
	if _, err := r.store.SetCredentials(t.Context(), alias, store.CredentialChange{Old: right, New: right}); err != nil {
		t.Fatal(err)
	}
	if err := r.engine.Updated(t.Context(), []store.AccountID{alias}); err != nil {
		t.Fatal(err)
	}
	until("the copy", func() bool { return slices.Equal(r.pair.new.bodies("INBOX"), []string{mail(1)}) })
	until("the end of the problem", func() bool { return r.rowOf(r.account.ID).Problem == nil })
}
