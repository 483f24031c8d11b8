package syncer

import (
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"postferry/store"
	"postferry/syncer/message"
)

// quarantinedRig is a rig with two messages that the new server refuses for as long as refuses is set.
func quarantinedRig(t *testing.T) (r *rig, refuses *atomic.Bool) {
	r = newRig(t)
	for i := range 50 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	refuses = new(atomic.Bool)
	refuses.Store(true)
	r.pair.new.refuse = func(body []byte) error {
		if refuses.Load() && (strings.Contains(string(body), "Subject: 7\r") || strings.Contains(string(body), "Subject: 20\r")) {
			return refusedError("APPEND", "")
		}
		return nil
	}
	r.start(false)
	if res := r.sync(); res.Pass.Quarantined != 2 || !res.Pass.Complete {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	return r, refuses
}

func TestRetryQuarantined(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, refuses := quarantinedRig(t)
		inbox := store.FolderID(1)
		keys := func() (keys []store.Key) {
			for _, q := range r.ledger("INBOX").Quarantine {
				keys = append(keys, q.Key)
			}
			return keys
		}
		second := keys()[1:]
		if err := r.engine.Retry(t.Context(), r.account.ID, inbox, second); err != nil {
			t.Fatal(err)
		}
		if got := keys(); len(got) != 1 {
			t.Errorf("in quarantine after the release: %q", got)
		}
		r.pair.old.deliver("INBOX", mail(100)) // which it takes, so that it isn't the server
		if res := r.sync(); res.Pass.Quarantined != 1 || res.Pass.Copied != 1 || len(keys()) != 2 {
			t.Fatalf("refused again: %+v, %q", res.Pass, keys())
		}
		refuses.Store(false)
		if res := r.sync(); res.Pass.Copied != 0 || len(keys()) != 2 {
			t.Fatalf("tried without being asked: %+v", res.Pass)
		}
		if err := r.engine.Retry(t.Context(), r.account.ID, inbox, second); err != nil {
			t.Fatal(err)
		}
		if res := r.sync(); res.Pass.Copied != 1 || !res.Pass.Complete || len(keys()) != 1 {
			t.Fatalf("taken now: %+v, %q", res.Pass, keys())
		}
		if n := len(r.pair.new.bodies("INBOX")); n != 50 {
			t.Errorf("%d messages on the new server", n)
		}
		if err := r.engine.Retry(t.Context(), r.account.ID, 99, second); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown folder: %v", err)
		}
	})
}

// TestRetryWhilePulling wants the release to wait for a pull that is under way,
// and that pull's checkpoint not to hide what was released.
func TestRetryWhilePulling(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, refuses := quarantinedRig(t)
		for i := range 300 {
			r.pair.old.deliver("INBOX", mail(1000+i))
		}
		refuses.Store(false)
		entered, goOn := make(chan struct{}), make(chan struct{})
		var once atomic.Bool
		r.pair.old.fail(func(step string) error {
			if step == "+BODIES" && once.CompareAndSwap(false, true) {
				close(entered)
				<-goOn
			}
			return nil
		})
		var keys []store.Key
		for _, q := range r.ledger("INBOX").Quarantine {
			keys = append(keys, q.Key)
		}
		if err := r.engine.PassSoon(t.Context(), r.account.ID); err != nil {
			t.Fatal(err)
		}
		<-entered
		retried := make(chan error, 1)
		go func() { retried <- r.engine.Retry(t.Context(), r.account.ID, 1, keys) }()
		close(goOn)
		if err := <-retried; err != nil {
			t.Fatal(err)
		}
		res := r.sync()
		if l := r.ledger("INBOX"); !res.Pass.Complete || len(l.Quarantine)+len(l.Intents) > 0 || len(l.Entries) != 350 {
			t.Fatalf("%+v: %d entries, quarantine %v", res.Pass, len(l.Entries), l.Quarantine)
		}
		got := r.pair.new.bodies("INBOX")
		slices.Sort(got)
		if n := len(slices.Compact(got)); n != 350 || len(got) != 350 {
			t.Errorf("%d messages, %d different ones", len(got), n)
		}
	})
}

func TestFetchFromOldServer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, _ := quarantinedRig(t)
		var keys []store.Key
		for _, q := range r.ledger("INBOX").Quarantine {
			keys = append(keys, q.Key)
		}
		var got []string
		fetch := func(keys []store.Key) error {
			return r.engine.Fetch(t.Context(), r.account.ID, 1, keys, func(k store.Key, size int64, body io.Reader) error {
				b, err := io.ReadAll(body)
				if k != keys[len(got)] || int(size) != len(b) {
					t.Errorf("key %q, size %d", k, size)
				}
				got = append(got, string(b))
				return err
			})
		}
		if err := fetch(keys); err != nil || !slices.Equal(got, []string{mail(7), mail(20)}) {
			t.Errorf("%q, %v", got, err)
		}
		if err := fetch([]store.Key{message.IMAPKey(1, 1)}); !errors.Is(err, ErrOtherKeys) {
			t.Errorf("a key of another UIDVALIDITY: %v", err)
		}
	})
}
