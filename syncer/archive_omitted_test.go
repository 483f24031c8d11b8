package syncer

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
)

// TestLeftOutOfAllMailThenKilled: one answer of the old server lacks a message while all mail is looked through for the first time, and everything ends soon
// after, at any commit: what had been listed up to there is not listed again. The message comes all the same.
func TestLeftOutOfAllMailThenKilled(t *testing.T) {
	for name, rigOf := range allMailRigs {
		for commits := 1; commits <= 5; commits++ {
			t.Run(fmt.Sprintf("%s, %d", name, commits), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					nth, killed := 0, 0
					for more := true; more; {
						nth++
						for _, item := range []int{1, 2, 3} {
							var dead bool
							if more, dead = leftOutThenKilled(rigOf(t), nth, item, commits); dead {
								killed++
							}
						}
					}
					atLeast(t, 3, nth-1)
					atLeast(t, 3, killed)
				})
			})
		}
	}
}

// leftOutThenKilled has the nth answer of a first pass that tells of messages lack an item, and the pass killed so many commits later. It tells
// whether there were that many of both.
func leftOutThenKilled(r *allMailRig, nth, item, commits int) (answers, killed bool) {
	r.t.Helper()
	r.silent = true
	r.arrives(1, "INBOX")
	for _, n := range []int{7, 8, 9} {
		r.arrives(n)
	}
	disk := &faultyStore{Store: r.store, unproved: newUnproved()}
	r.store = disk
	var struck, dead atomic.Bool
	left, committed := nth, 0
	fault := func(step string) error {
		switch {
		case dead.Load():
			return lostError(step)
		case slices.Contains(tellsMessages, step) && !struck.Load():
			if left--; left == 0 {
				struck.Store(true)
				return omitError(item)
			}
		}
		return nil
	}
	r.pair.old.fail(fault)
	r.pair.new.fail(func(step string) error {
		if dead.Load() {
			return lostError(step)
		}
		return nil
	})
	disk.set(func(step string) error {
		if dead.Load() || struck.Load() && step == "-COMMIT" {
			if committed++; committed >= commits {
				dead.Store(true)
				return lostError(step)
			}
		}
		return nil
	})
	r.start(false)
	r.sync()
	r.stop()
	r.failAll(disk, noFault)
	r.start(false)
	r.sync()
	r.sync()
	r.stop()
	r.has("INBOX", 1)
	r.has("Archive", 7, 8, 9)
	if r.t.Failed() {
		r.t.Fatalf("answer %d lacked item %d, killed: %v", nth, item, dead.Load())
	}
	return struck.Load(), dead.Load()
}

// TestLeftOutOfALongListing: an answer lacks a message of many that have come to all mail since the last pass.
func TestLeftOutOfALongListing(t *testing.T) {
	for name, rigOf := range allMailRigs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rigOf(t)
			r.silent = true
			r.arrives(0)
			r.start(false)
			r.pass(1)
			for n := range 230 {
				r.arrives(1 + n)
			}
			left := true
			r.pair.old.fail(func(step string) error {
				if step != "+LISTING" || !left {
					return nil
				}
				left = false
				return omitError(100)
			})
			r.sync()
			r.sync()
			if got := sorted(r.pair.new.bodies("Archive")); left || !slices.Equal(got, sorted(mails(0, 231))) {
				t.Errorf("%d messages of 231", len(got))
			}
		})
	}
}
