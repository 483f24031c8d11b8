package syncer

import (
	"fmt"
	"slices"
	"testing"

	"postferry/store"
)

// lagsBehind has a server show a folder as it was earlier, until the function that it returns is called. What is appended is stored in the
// folder as it is.
func (f *fakeServer) lagsBehind(name string, earlier *fakeFolder) (caughtUp func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.folders[name]
	f.shownAs = map[*fakeFolder]*fakeFolder{now: earlier}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.shownAs = nil
	}
}

// TestNodeLagsBehind: the new server consists of several nodes, and the one that is asked doesn't know of the newest messages yet, for
// longer than anybody waits for that. Nothing counts as lost for it, what its user has removed doesn't come back, and the account isn't
// complete before the node has caught up.
func TestNodeLagsBehind(t *testing.T) {
	for _, folder := range []string{"INBOX", "Work"} {
		for _, passes := range []int{1, 3} {
			for _, more := range []int{0, 2} {
				t.Run(fmt.Sprintf("%s, %d passes, %d more", folder, passes, more), func(t *testing.T) {
					t.Parallel()
					inBubble(t, func(t *testing.T) {
						r := newRigIn(t, inMemory(t))
						r.silent = true
						r.pair.old.add("Work")
						deliver := func(first, n int) {
							for i := range n {
								r.pair.old.deliver(folder, mail(first+i))
							}
						}
						deliver(0, 5)
						r.start(false)
						r.copies(5)
						earlier := r.pair.new.folder(folder).copied()
						deliver(5, 3)
						r.copies(3)
						r.pair.new.remove(folder, mail(6))
						caughtUp := r.pair.new.lagsBehind(folder, earlier)
						deliver(8, more)
						for range passes {
							if res := r.sync(); res.Pass.Complete || res.Problem == nil || res.Problem.Kind != store.Counts {
								t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
							}
						}
						if n := len(r.pair.new.bodies(folder)); n > 8 {
							t.Errorf("there are %d messages", n)
						}
						caughtUp()
						r.copies(more)
						r.has(folder, slices.Concat(mails(0, 6), mails(7, 8+more))...)
						r.quietPass()
						if l := r.ledger(folder); len(l.Entries) != 8+more || len(l.Lost) > 0 {
							t.Errorf("%d lines, %d lost", len(l.Entries), len(l.Lost))
						}
					})
				})
			}
		}
	}
}

// shownNow is a folder as the server shows it.
func (f *fakeServer) shownNow(b *fakeFolder) *fakeFolder {
	if earlier := f.shownAs[b]; earlier != nil {
		return earlier
	}
	return b
}
