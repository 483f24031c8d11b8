package board

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"postferry/report"
	"postferry/store"
)

// bigBoard has n accounts.
func bigBoard(n int) *Board {
	b := &Board{live: map[store.AccountID]*report.Live{}}
	for i := range n {
		o := store.Overview{Account: store.Account{ID: store.AccountID(i + 1), Domain: "a.example", Login: fmt.Sprintf("user%06d@a.example", (i*7919)%n), State: store.Active}}
		o.New.Login = o.Login
		o.Summary.Complete = i%3 == 0
		b.Rows = append(b.Rows, o)
	}
	return b
}

// BenchmarkAccountPage reads a page of 100,000 accounts.
func BenchmarkAccountPage(b *testing.B) {
	x := bigBoard(100_000)
	for name, q := range map[string]AccountQuery{"all": {}, "search": {Search: "0123"}, "state": {State: report.StateComplete, Sort: "copied"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if p := x.Page(q); p.Total == 0 {
					b.Fatal("no accounts")
				}
			}
		})
	}
}

// TestBoardsAreShared: many who look at once cost one reading, and who asks
// after a change sees it.
func TestBoardsAreShared(t *testing.T) {
	var mu sync.Mutex
	reads := 0
	release := make(chan struct{})
	b := newBoards(func(context.Context, string) (*Board, error) {
		<-release
		mu.Lock()
		defer mu.Unlock()
		reads++
		return &Board{Totals: Totals{Accounts: reads}}, nil
	})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := b.Of(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		})
	}
	close(release)
	all.Wait()
	mu.Lock()
	first := reads
	mu.Unlock()
	if first > 5 { // one, unless the machine is so slow that boards get too old meanwhile
		t.Errorf("50 looks took %d readings", first)
	}
	b.Changed("a")
	if x, err := b.Of(t.Context(), "a"); err != nil || x.Totals.Accounts != first+1 {
		t.Errorf("after a change: %+v, %v", x, err)
	}
}

func TestBoardsFail(t *testing.T) {
	failed := errors.New("failed")
	b := newBoards(func(context.Context, string) (*Board, error) { return nil, failed })
	for range 2 {
		if _, err := b.Of(t.Context(), "a"); !errors.Is(err, failed) {
			t.Errorf("got %v", err)
		}
	}
	b.mu.Lock()
	s := b.slot("b")
	b.mu.Unlock()
	s.place <- struct{}{} // somebody reads, for ever
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := b.Of(ctx, "b"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a reader: %v", err)
	}
}

// TestBoardsAreKept: while somebody looks, boards are read without anybody
// waiting, and no longer.
func TestBoardsAreKept(t *testing.T) {
	var mu sync.Mutex
	reads := 0
	b := newBoards(func(context.Context, string) (*Board, error) {
		mu.Lock()
		defer mu.Unlock()
		reads++
		return &Board{Totals: Totals{Accounts: reads}}, nil
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.Run(ctx)
	}()
	soon(t, "a newer board without a reading of one's own", func() bool {
		x, err := b.Of(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		return x.Totals.Accounts > 1
	})
	stop()
	<-ended
	if due := b.due(time.Now().Add(boardWatched + time.Second)); len(due) > 0 {
		t.Error("a board is kept up to date that nobody looks at")
	}
}

// soon waits for what should come.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
		<-tick.C
	}
}

// TestTotalsCountInboxes: an account counts from when all of its INBOX was at the new server, those of earlier
// versions from when they were complete.
func TestTotalsCountInboxes(t *testing.T) {
	t.Parallel()
	var totals Totals
	for _, s := range []store.Summary{{Inbox: true}, {Completed: time.Now()}, {Copied: 5}} {
		totals.add(&store.Overview{Account: store.Account{State: store.Active}, Summary: s}, nil)
	}
	if totals.Inboxes != 2 || totals.Accounts != 3 {
		t.Errorf("%d inboxes of %d", totals.Inboxes, totals.Accounts)
	}
}
