package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"postferry/store"
)

// blocked returns a store whose committer is busy until release is called.
func blocked(t *testing.T) (b *Store, release func()) {
	t.Helper()
	b = open(t, t.TempDir())
	busy, free, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- b.update(context.Background(), 1, func(*bbolt.Tx) error {
			close(busy)
			<-free
			return nil
		})
	}()
	<-busy
	return b, func() {
		close(free)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestGroup: the changes of a group share one transaction, and one that fails
// takes none of the others with it, nor leaves a trace of its own.
func TestGroup(t *testing.T) {
	b := open(t, t.TempDir())
	errBad := errors.New("bad")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	const n = 10
	wants := []error{2: errBad, 5: context.Canceled, 9: errBad} // 5 is not applied at all
	group := make([]*change, n)
	transactions := make(map[int]int) // which changes ran last in which transaction
	for i := range group {
		group[i] = &change{ctx: t.Context(), done: make(chan error, 1), apply: func(tx *bbolt.Tx) error {
			transactions[i] = tx.ID()
			err := root(tx, bucketMeta).Put(fmt.Append(nil, "test", i), nil)
			if wants[i] == errBad {
				err = errors.Join(err, errBad)
			}
			return err
		}}
	}
	group[5].ctx = ended
	b.commitGroup(slices.Clone(group))
	for i, c := range group {
		if err := <-c.done; !errors.Is(err, wants[i]) {
			t.Errorf("change %d: got %v, want %v", i, err, wants[i])
		}
		if wants[i] == nil && transactions[i] != transactions[0] {
			t.Errorf("change %d was made in transaction %d, the first in %d", i, transactions[i], transactions[0])
		}
	}
	err := b.view(t.Context(), func(tx *bbolt.Tx) error {
		for i := range n {
			if there := root(tx, bucketMeta).Get(fmt.Append(nil, "test", i)) != nil; there != (wants[i] == nil) {
				t.Errorf("change %d is there: %v", i, there)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestCollect: what came while the committer was busy is taken together.
func TestCollect(t *testing.T) {
	b := &database{changes: make(chan *change, 10)}
	for range 6 {
		b.changes <- &change{rows: maxGroup / 4}
	}
	first := <-b.changes
	if got := len(b.collect(first)); got != 4 {
		t.Errorf("the first group has %d changes, want 4 (then it is large enough)", got)
	}
	first = <-b.changes
	close(b.changes)
	if got := len(b.collect(first)); got != 2 {
		t.Errorf("the second group has %d changes, want 2", got)
	}
}

// TestContextWhileWaiting: a call that gives up before its turn has changed nothing.
func TestContextWhileWaiting(t *testing.T) {
	b, release := blocked(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _, err := b.PutAccounts(ctx, []store.Account{{Login: "late", Origin: store.Imported, State: store.Active}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := b.Accounts(t.Context()); err != nil {
		t.Errorf("a read while the committer is busy: %v", err)
	}
	release()
	if _, err := b.Account(t.Context(), "late"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the account is there: %v", err)
	}
}
