package syncer

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// An account that has used up its budget rests, says so, and knows it after a
// restart; with the budget of another day it goes on where it was.
func TestBudgetRest(t *testing.T) {
	for _, side := range []string{"old", "new"} {
		t.Run(side, func(t *testing.T) {
			r := newRig(t)
			var octets uint64
			for i := range 40 {
				r.pair.old.deliver("INBOX", mail(i)+strings.Repeat("x", 1000))
				octets += uint64(len(mail(i)) + 1000)
			}
			limits := &r.cfg.Domains[0].Account
			limit := int64(octets / 2)
			if side == "old" {
				limits.OldBytesPerDay = limit
			} else {
				limits.NewBytesPerDay = limit
			}
			r.start(false)
			res := r.sync()
			p := res.Problem
			if p == nil || p.Advice != store.RetryLater || !strings.Contains(p.Summary.String(), side+"_bytes_per_day") ||
				!p.Retry.After(time.Now()) || p.Folder != "" {
				t.Fatalf("problem %+v", p)
			}
			if res.Pass.Complete || res.Pass.Bytes > uint64(limit) || res.Pass.Bytes < uint64(limit)*9/10 {
				t.Errorf("%d octets copied, the limit is %d", res.Pass.Bytes, limit)
			}
			r.stop()
			r.start(false)
			if res := r.sync(); res.Pass.Copied != 0 || res.Problem == nil {
				t.Errorf("after a restart: %+v, %+v", res.Pass, res.Problem)
			}
			r.stop()
			hours, err := r.store.Usage(t.Context(), r.account.ID)
			if err != nil || len(hours) == 0 {
				t.Fatalf("%+v, %v", hours, err)
			}
			for i := range hours {
				hours[i].Hour = hours[i].Hour.Add(-25 * time.Hour)
			}
			if err := r.store.PutUsage(t.Context(), r.account.ID, hours); err != nil {
				t.Fatal(err)
			}
			r.start(false)
			if res := r.sync(); res.Pass.Copied == 0 {
				t.Errorf("a day later: %+v, %+v", res.Pass, res.Problem)
			}
			if n := len(r.pair.new.bodies("INBOX")); n < 35 || n > 40 {
				t.Errorf("%d messages on the new server", n)
			}
		})
	}
}

// A client is let in at once while its account rests, and at its bound while
// the copying is slow.
func TestVisitOfLimitedAccount(t *testing.T) {
	t.Run("resting", func(t *testing.T) {
		r := newRig(t)
		r.pair.old.deliver("INBOX", strings.Repeat("x", 3000))
		r.cfg.Domains[0].Account.OldBytesPerDay = 1000
		hour := store.Usage{Hour: time.Now().Truncate(time.Hour), Old: 1000}
		if err := r.store.PutUsage(t.Context(), r.account.ID, []store.Usage{hour}); err != nil {
			t.Fatal(err)
		}
		r.start(false)
		r.sync() // to have the folders
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		r.engine.Visit(ctx, r.account.ID, "INBOX", nil)
		if ctx.Err() != nil {
			t.Error("the client waited to its bound")
		}
		if got := r.pair.new.bodies("INBOX"); len(got) > 0 {
			t.Errorf("copied %d messages", len(got))
		}
	})
	t.Run("slow", func(t *testing.T) {
		r := newRig(t)
		r.pair.old.deliver("INBOX", "a")
		r.cfg.Domains[0].Account.MessagesPerSecond = 1
		r.start(false)
		r.sync()
		r.pair.old.add("Work")
		for i := range 100 {
			r.pair.old.deliver("Work", mail(i))
		}
		bound := 300 * time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		r.engine.Connected(ctx, r.account.ID)
		defer r.engine.Disconnected(r.account.ID)
		short, end := context.WithTimeout(ctx, bound)
		defer end()
		r.engine.Visit(short, r.account.ID, "Work", nil)
		if ctx.Err() != nil {
			t.Error("the client waited beyond its bound")
		}
	})
}

// With one connection, a pass gives way to a visit.
func TestSingleConnection(t *testing.T) {
	for connections := 1; connections <= 3; connections++ {
		r := newRig(t)
		for i := range 3000 {
			r.pair.old.deliver("INBOX", mail(i))
		}
		r.pair.old.add("Work")
		r.pair.old.deliver("Work", mail(9999), imap.FlagSeen)
		r.cfg.Domains[0].Account.Connections = connections
		r.start(false)
		ended := make(chan Result, 1)
		go func() { ended <- r.sync() }()
		for len(r.pair.new.bodies("INBOX")) == 0 {
			<-time.After(time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		r.engine.Visit(ctx, r.account.ID, "Work", nil)
		if got := r.pair.new.bodies("Work"); len(got) != 1 || ctx.Err() != nil {
			t.Errorf("%d connections: the visitor saw %d messages", connections, len(got))
		}
		cancel()
		if res := <-ended; !res.Pass.Complete && res.Problem != nil {
			t.Errorf("%d connections: %+v, %+v", connections, res.Pass, res.Problem)
		}
		r.stop()
		for _, s := range []*fakeServer{r.pair.old, r.pair.new} {
			if s.peak > connections {
				t.Errorf("%d connections allowed, %d used", connections, s.peak)
			}
		}
		if n := len(r.pair.new.bodies("INBOX")); n != 3000 {
			t.Errorf("%d connections: %d messages", connections, n)
		}
	}
}
