package syncer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"postferry/store"
)

// intentsSeen is a store that counts what is intended.
type intentsSeen struct {
	store.Store
	mu       sync.Mutex
	commits  int // with intents
	intended int // messages, durably
}

func (s *intentsSeen) Commit(ctx context.Context, b store.Batch) error {
	return s.note(s.Store.Commit(ctx, b), b)
}

func (s *intentsSeen) CommitAll(ctx context.Context, batches []store.Batch) error {
	return s.note(s.Store.CommitAll(ctx, batches), batches...)
}

func (s *intentsSeen) note(err error, batches ...store.Batch) error {
	n := 0
	for _, b := range batches {
		n += len(b.Intents)
	}
	if err == nil && n > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.commits, s.intended = s.commits+1, s.intended+n
	}
	return err
}

// TestSmallFoldersShareCommits: while the new server is busy with folders that were sent, small ones that come after them share a commit. None of
// their messages is sent before its intent is durable.
func TestSmallFoldersShareCommits(t *testing.T) {
	names := someFolders(40)
	r := prepareRig(t, names...)
	seen := &intentsSeen{Store: r.store}
	r.store = seen
	sent := 0
	r.pair.new.fail(func(step string) error {
		if step == "+APPEND" {
			seen.mu.Lock()
			defer seen.mu.Unlock()
			if sent += 3; sent > seen.intended {
				t.Errorf("%d messages are sent, of %d the intents are durable", sent, seen.intended)
			}
		}
		return nil
	})
	r.start(false)
	if res := r.sync(); !res.Pass.Complete || res.Pass.Copied != 3*41 {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	if sent != 3*41 {
		t.Errorf("%d messages were sent", sent)
	}
	if seen.commits >= 41 {
		t.Errorf("%d commits with intents of 41 folders", seen.commits)
	}
	r.same(withINBOX(names)...)
}

// TestDiskFailsWhileFoldersAreHeldBack: what was held back for a commit that failed, or whose success was not heard of, is neither lost nor doubled.
func TestDiskFailsWhileFoldersAreHeldBack(t *testing.T) {
	names := someFolders(8)
	for _, step := range []string{"+COMMIT", "-COMMIT"} {
		for n := 1; n <= 12; n++ {
			t.Run(fmt.Sprint(step, n), func(t *testing.T) {
				t.Parallel()
				r := prepareRigIn(t, inMemory(t), names...)
				r.silent = true
				at := 0
				disk := &faultyStore{Store: r.store, unproved: newUnproved()}
				disk.set(func(now string) error {
					disk.mu.Lock()
					defer disk.mu.Unlock()
					if now == step {
						at++
					}
					if now == step && at == n {
						return errors.New("full")
					}
					return nil
				})
				r.store = disk
				r.start(false)
				r.sync()
				if res := r.sync(); !res.Pass.Complete {
					t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
				}
				r.same(withINBOX(names)...)
			})
		}
	}
}
