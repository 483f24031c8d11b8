package syncer

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"postferry/syncer/folders"
	"postferry/syncer/measure"
)

// askRig is an account with folders of different sizes that nobody has opened.
func askRig(t *testing.T, sizes map[string]int) *rig {
	r := newRig(t)
	r.silent = true
	for name, n := range sizes {
		if name != "INBOX" {
			r.pair.old.add(name)
		}
		for i := range n {
			r.pair.old.deliver(name, mail(len(name)*10_000+i))
		}
	}
	r.start(false)
	r.engine.Connected(t.Context(), r.account.ID)
	t.Cleanup(func() { r.engine.Disconnected(r.account.ID) })
	return r
}

// filled are the folders with all of their messages.
func (r *rig) filled(sizes map[string]int) (full []string) {
	for name, n := range sizes {
		if len(r.pair.new.bodies(name)) == n {
			full = append(full, name)
		}
	}
	return sorted(full)
}

// TestFoldersThatAreAskedAbout: those that lack little are filled when the answer is due, and
// the others are left to the pass.
func TestFoldersThatAreAskedAbout(t *testing.T) {
	sizes := map[string]int{"INBOX": 30, "Sent": 3, "Work": askedFew + 1, "Old": 60}
	tests := map[string]struct{ ask, full []string }{
		"one":           {[]string{"Sent"}, []string{"Sent"}},
		"all":           {nil, []string{"INBOX", "Old", "Sent"}},
		"a large one":   {[]string{"Work"}, nil},
		"several":       {[]string{"Old", "INBOX"}, []string{"INBOX", "Old"}},
		"not known":     {[]string{"Nowhere"}, nil},
		"in other case": {[]string{"sent"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := askRig(t, sizes)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			r.engine.Asked(ctx, r.account.ID, tt.ask...)
			if got := r.filled(sizes); !slices.Equal(got, tt.full) || ctx.Err() != nil {
				t.Errorf("%v are filled, want %v; %v", got, tt.full, ctx.Err())
			}
		})
	}
}

// TestAskingDoesNotWaitForASlowServer: the answer is not held up beyond its bound, a folder that a
// client opens meanwhile comes first, and what was asked for goes on.
func TestAskingDoesNotWaitForASlowServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sizes := map[string]int{"INBOX": 20}
		for i := range 30 {
			sizes[fmt.Sprintf("Folder%02d", i)] = 20
		}
		r := askRig(t, sizes)
		r.slowOld(20 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		begun := time.Now()
		r.engine.Asked(ctx, r.account.ID)
		if took := time.Since(begun); took > 5*time.Second { // all of them take twelve
			t.Errorf("the answer was held up for %v", took)
		}
		if shown, took := r.visitOf("Folder29"); len(shown) != 20 || took > 7*time.Second {
			t.Errorf("after %v, %d messages are shown", took, len(shown))
		}
		if n := len(r.filled(sizes)); n > 10 {
			t.Errorf("%d folders are full already", n)
		}
		r.slowOld(0)
		for range 200 {
			if len(r.filled(sizes)) >= askedMost {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if n := len(r.filled(sizes)); n < askedMost {
			t.Errorf("%d folders are full", n)
		}
		r.end()
	})
}

// TestOrderOfAPass: INBOX, then what was asked about from the smallest to the largest, then
// the others as they were listed.
func TestOrderOfAPass(t *testing.T) {
	folder := func(name string, asked bool, total uint64) *folders.Folder {
		f := &folders.Folder{Asked: asked}
		f.New, f.Old, f.Title = name, name, name
		f.Made.Store(&measure.Progress{Total: total})
		return f
	}
	p := &passRun{queue: []*folders.Folder{
		folder("a", false, 1), folder("b", true, 50), folder("c", true, 5), folder("d", false, 0), folder("INBOX", false, 1000), folder("e", true, 5),
	}}
	p.order()
	var names []string
	for _, f := range p.queue {
		names = append(names, f.New)
	}
	if want := []string{"INBOX", "c", "e", "b", "a", "d"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}
