package syncer

import (
	"context"
	"testing"
	"time"

	"postferry/store"
)

func TestRefusedPasswordIsNotTriedAgain(t *testing.T) {
	r := newRig(t)
	r.pair.old.password = "other"
	r.start(false)
	res := r.sync()
	if res.Problem == nil || res.Problem.Advice != store.NeedsFix {
		t.Fatalf("problem: %+v", res.Problem)
	}
	r.awaitEnd() // a further connection may have been asked for before the first was refused
	attempts := func() int { return r.pair.old.attempts() }
	before := attempts()
	r.engine.Connected(t.Context(), r.account.ID)
	r.engine.Visit(t.Context(), r.account.ID, "INBOX", nil)
	r.engine.Disconnected(r.account.ID)
	r.stop() // what had been begun by then counts
	if n := attempts() - before; n != 0 {
		t.Fatalf("tried %d times again by itself", n)
	}
	r.start(false)
	if res = r.sync(); res.Problem == nil || res.Problem.Advice != store.NeedsFix {
		t.Fatalf("an asked-for pass: %+v, problem %+v", res.Pass, res.Problem)
	}
	r.pair.old.mu.Lock()
	r.pair.old.password = annasPassword
	r.pair.old.mu.Unlock()
	if err := r.engine.Updated(t.Context(), []store.AccountID{r.account.ID}); err != nil {
		t.Fatal(err)
	}
	if res = r.sync(); res.Problem != nil || !res.Pass.Complete {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
}

// TestCorrectedPasswordIsTriedAtOnce wants the background to go on with an
// account whose password was corrected.
func TestCorrectedPasswordIsTriedAtOnce(t *testing.T) {
	r := newRig(t)
	r.pair.old.password = "other"
	r.start(true)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	until := func(what string, ok func([]store.Pass) bool) {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			passes, err := r.store.Passes(ctx, r.account.ID)
			if err != nil {
				t.Fatalf("waiting for %s: %v", what, err)
			}
			if ok(passes) {
				return
			}
			<-tick.C
		}
	}
	until("a refusal", func(p []store.Pass) bool { return len(p) > 0 })
	r.pair.old.mu.Lock()
	r.pair.old.password = annasPassword
	r.pair.old.mu.Unlock()
	if err := r.engine.Updated(ctx, []store.AccountID{r.account.ID}); err != nil {
		t.Fatal(err)
	}
	until("a complete pass", func(p []store.Pass) bool { return p[len(p)-1].Complete })
}
