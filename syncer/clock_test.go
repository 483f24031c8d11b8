package syncer

import (
	"testing"
	"testing/synctest"
	"time"

	"postferry/store"
	"postferry/store/bolt"
)

// TestClockGoesBack: what is noted was noted by a clock that was years ahead, as when the machine's battery is empty. Accounts
// get their turns all the same, what was interrupted is finished, and a folder that was missing is found.
func TestClockGoesBack(t *testing.T) {
	t.Parallel()
	dir := inMemory(t)
	r := newRigIn(t, dir)
	r.silent = true
	old, nu := r.pair.old, r.pair.new
	for _, name := range []string{"Work", "Kept"} {
		old.add(name)
		old.deliver(name, mail(20+int(name[0])))
	}
	old.deliver("INBOX", mail(1))
	r.start(false)
	r.copies(3)
	nu.mu.Lock()
	hidden := nu.folders["Kept"]
	delete(nu.folders, "Kept")
	nu.mu.Unlock()
	old.deliver("Kept", mail(10))
	if res := r.sync(); res.Problem == nil || res.Problem.Kind != store.MissingFolder {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	nu.fail(func(step string) error { // stored, and nobody hears of it
		if step == "-APPEND" {
			return lostError(step)
		}
		return nil
	})
	old.deliver("INBOX", mail(11))
	r.sync()
	r.stop()
	r.stop = func() {}
	nu.fail(noFault)
	nu.mu.Lock()
	nu.folders["Renamed"] = hidden
	nu.mu.Unlock()
	old.deliver("Work", mail(12))
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // there it is the year 2000
		st, err := bolt.Open(dir, bolt.Options{Command: "test"})
		if err != nil {
			t.Fatal(err)
		}
		r.store = st
		r.start(true)
		time.Sleep(2 * r.cfg.Sync.Interval)
		r.stop()
		r.stop = func() {}
		st.Close()
	})
	r.has("INBOX", mail(1), mail(11))
	r.has("Work", mail(20+'W'), mail(12))
	r.has("Renamed", mail(20+'K'), mail(10))
}
