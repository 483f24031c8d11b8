package syncer

import (
	"context"
	"errors"
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
	failed   int // folders with intents of a commit that failed
}

func (s *intentsSeen) Commit(ctx context.Context, b store.Batch) error {
	return s.note(s.Store.Commit(ctx, b), b)
}

func (s *intentsSeen) CommitAll(ctx context.Context, batches []store.Batch) error {
	return s.note(s.Store.CommitAll(ctx, batches), batches...)
}

func (s *intentsSeen) note(err error, batches ...store.Batch) error {
	folders, n := 0, 0
	for _, b := range batches {
		if len(b.Intents) > 0 {
			folders, n = folders+1, n+len(b.Intents)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case n == 0:
	case err == nil:
		s.commits, s.intended = s.commits+1, s.intended+n
	default:
		s.failed = max(s.failed, folders)
	}
	return err
}

// TestSmallFoldersShareCommits: while the new server is busy with folders that were sent, small ones that come after them
// share a commit. None of their messages is sent before its intent is durable.
func TestSmallFoldersShareCommits(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) { // so that nothing takes too long to be waited for
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
		if seen.commits > 5 { // no more than 100 messages share one
			t.Errorf("%d commits with intents of 41 folders", seen.commits)
		}
		r.same(withINBOX(names)...)
	})
}

// TestDiskFailsWhileFoldersAreHeldBack: what was held back for a commit that failed, or whose success was not heard of, is
// neither lost nor doubled, at whichever commit of a pass it happens.
func TestDiskFailsWhileFoldersAreHeldBack(t *testing.T) {
	for _, step := range []string{"+COMMIT", "-COMMIT"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			heldBack := 0
			for n, struck := 1, true; struck; n++ {
				inBubble(t, func(t *testing.T) {
					var folders int
					folders, struck = diskFailsAt(t, step, n)
					heldBack = max(heldBack, folders)
				})
			}
			if heldBack < 2 {
				t.Error("no commit that failed was one of several folders")
			}
		})
	}
}

// diskFailsAt has the nth commit fail, and tells of how many folders it had intents, if there was that many.
func diskFailsAt(t *testing.T, step string, n int) (folders int, struck bool) {
	t.Helper()
	names := someFolders(8)
	r := prepareRigIn(t, inMemory(t), names...)
	r.silent = true
	disk := &faultyStore{Store: r.store, unproved: newUnproved()}
	disk.set(func(now string) error {
		if now != step {
			return nil
		}
		disk.mu.Lock()
		defer disk.mu.Unlock()
		if n--; n != 0 {
			return nil
		}
		return errors.New("full")
	})
	seen := &intentsSeen{Store: disk}
	r.store = seen
	r.start(false)
	r.sync()
	if res := r.sync(); !res.Pass.Complete {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	r.same(withINBOX(names)...)
	return seen.failed, n <= 0
}
