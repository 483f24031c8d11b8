package bolt

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/statedir"
)

// stateHas tells whether the database file has octets somewhere, in use or not.
func stateHas(t *testing.T, dir, what string) bool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, statedir.DatabaseFile))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(data, []byte(what))
}

// domainState is a closed state with accounts of example.com.
func domainState(t *testing.T, accounts int) (dir string, ids []store.AccountID) {
	t.Helper()
	dir = rotatedState(t, 0)
	b := open(t, dir)
	for i := range accounts {
		login := "person" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "@example.com"
		stored, _, err := b.PutAccounts(t.Context(), []store.Account{{Domain: "example.com", Login: login, Origin: store.Imported, State: store.Stopped,
			Old: store.Credentials{Login: login, Password: "old"}, New: store.Credentials{Login: login, Password: "new"}}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, stored[0].ID)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, ids
}

// TestFinishLeavesNoPassword: what the passwords were sealed to is in no page any more, in use or not.
func TestFinishLeavesNoPassword(t *testing.T) {
	dir, ids := domainState(t, 30)
	sealed := boxes(t, dir)[1:] // the first is the key's own
	b := open(t, dir)
	if _, _, err := b.Finish(t.Context(), ids, store.Report{Domain: "example.com"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	wantNoBox(t, dir, sealed)
}

// TestFinishInterrupted: a Finish that was interrupted before it has overwritten the
// passwords has them overwritten when the state is opened next.
func TestFinishInterrupted(t *testing.T) {
	dir, ids := domainState(t, 3)
	sealed := boxes(t, dir)[1:]
	b := open(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	b.gate.RLock() // a call under way, which it waits for
	done := make(chan error, 1)
	go func() {
		_, finished, err := b.Finish(ctx, ids, store.Report{Domain: "example.com"})
		if len(finished) != 3 {
			err = errors.Join(err, errors.New("it has not finished them"))
		}
		done <- err
	}()
	wait(t, func() bool {
		reports, err := b.Reports(t.Context(), "example.com")
		return err == nil && len(reports) == 1
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	b.gate.RUnlock()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	left := 0
	for _, box := range sealed {
		if stateHas(t, dir, string(box)) {
			left++
		}
	}
	if left == 0 {
		t.Fatal("this test looks at nothing: the passwords are gone before the state is opened again")
	}
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	wantNoBox(t, dir, sealed)
}

// wait waits for something that happens soon.
func wait(t *testing.T, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for bound := time.After(10 * time.Second); !happened(); {
		select {
		case <-tick.C:
		case <-bound:
			t.Fatal("it does not happen")
		}
	}
}

// TestForgetLeavesNothing: no login of a domain that was forgotten is in any page, and a
// Forget that was interrupted goes on.
func TestForgetLeavesNothing(t *testing.T) {
	dir, ids := domainState(t, forgetAtOnce+5)
	b := open(t, dir)
	if _, err := b.PutFolders(t.Context(), ids[0], []store.Folder{{Old: "Very-Secret-Folder", State: store.FolderPresent}}); err != nil {
		t.Fatal(err)
	}
	left := 0
	if err := b.update(t.Context(), 1, func(tx *bbolt.Tx) (err error) { left, err = b.forgetSome(tx, "example.com"); return err }); err != nil || left != 5 {
		t.Fatalf("%d are left, %v", left, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir)
	if err := b.Forget(t.Context(), "example.com"); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"Very-Secret-Folder", "@example.com"} {
		if stateHas(t, dir, what) {
			t.Errorf("%s is still in the state", what)
		}
	}
}
