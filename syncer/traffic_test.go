package syncer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/session"
)

// No 24 hours see more than the limit, whatever is moved when.
func TestBudgetBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := session.Budget{Side: "old", Limit: 1000}
		now := time.Unix(1_700_000_000, 0)
		moved := map[int64]uint64{} // by minute
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "minutes")) * time.Minute)
			n := rapid.Uint64Range(1, 500).Draw(t, "octets")
			if err := b.Take(now, n); err != nil {
				var spent *session.BudgetError
				if !errors.As(err, &spent) || !spent.Until.After(now) || spent.Until.Sub(now) > 25*time.Hour {
					t.Fatalf("%v: goes on at %v, now it is %v", err, spent.Until, now)
				}
				later := spent.Until
				if err := (&b).Take(later, 500); err != nil {
					t.Fatalf("at %v, when it should go on: %v", later, err)
				}
				b.GiveBack(500)
				continue
			}
			b.Add(now, n)
			b.GiveBack(n)
			moved[now.Unix()/60] += n
			sum := uint64(0)
			for minute, octets := range moved {
				if minute > now.Unix()/60-24*60 {
					sum += octets
				}
			}
			if sum > 1000 {
				t.Fatalf("%d octets within 24 hours", sum)
			}
		}
	})
}

func TestBudgetGiant(t *testing.T) {
	b := session.Budget{Limit: 1000}
	now := time.Unix(1_700_000_000, 0)
	if err := b.Take(now, 5000); err != nil {
		t.Fatalf("a message above the limit never has its turn: %v", err)
	}
	b.Add(now, 5000)
	b.GiveBack(5000)
	if err := b.Take(now, 1); err == nil {
		t.Error("more after it")
	}
	if err := b.Take(now.Add(25*time.Hour), 1); err != nil {
		t.Errorf("a day later: %v", err)
	}
	none := session.Budget{}
	none.Add(now, 1<<40)
	if err := none.Take(now, 1<<40); err != nil || none.Total() != 0 {
		t.Errorf("without a limit: %v", err)
	}
}

func TestBudgetSummary(t *testing.T) {
	e := &session.BudgetError{Side: "new", Used: 499_900_000, Until: time.Date(2026, 5, 4, 15, 0, 0, 0, time.Local)}
	want := "500 MB were written to the new server within 24 hours, as much as the configuration allows (new_bytes_per_day). It goes on by itself at 15:00 on 2026-05-04."
	if got := e.Summary(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Octets a second: of the account and of all accounts of the domain.
func TestFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		domain := session.NewThrottle(config.Limits{BytesPerSecond: 100_000})
		var all session.Throttles
		d := &config.Domain{Name: "example.com", Limits: config.Limits{BytesPerSecond: 100_000}}
		first := all.Of(d)
		if again := all.Of(d); again != first || first == all.Of(&config.Domain{Name: "example.org"}) {
			t.Error("accounts of a domain don't share its limits")
		}
		began := time.Now()
		a := session.NewRateLimits(domain, config.AccountLimits{Limits: config.Limits{BytesPerSecond: 50_000}}, nil)
		other := session.NewRateLimits(domain, config.AccountLimits{}, nil)
		move := func(f *session.Flow, octets int) {
			for octets > 0 {
				n := min(f.Piece(), octets)
				octets -= n
				<-time.After(f.Moved(n, 1<<20))
			}
		}
		move(&a.Old, 500_000)
		if took := time.Since(began); took < 9*time.Second || took > 10*time.Second {
			t.Errorf("500,000 octets at 50,000 a second took %v", took)
		}
		began = time.Now()
		done := make(chan bool)
		for range 2 {
			go func() { move(&other.Old, 500_000); done <- true }()
		}
		<-done
		<-done
		if took := time.Since(began); took < 9*time.Second || took > 10*time.Second {
			t.Errorf("1,000,000 octets at 100,000 a second took %v", took)
		}
		if wait := other.New.Moved(1<<30, 0); wait > 0 {
			t.Errorf("what was read counts on the new side: %v", wait)
		}
		if session.NewRateLimits(session.NewThrottle(config.Limits{}), config.AccountLimits{}, nil).Old.Bound() != nil {
			t.Error("bounded without a limit")
		}
	})
}

func TestMessagesPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := session.NewRateLimits(session.NewThrottle(config.Limits{MessagesPerSecond: 20}), config.AccountLimits{Limits: config.Limits{MessagesPerSecond: 10}}, nil)
		began := time.Now()
		for range 101 {
			if err := tr.Message(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 9900*time.Millisecond || took > 10100*time.Millisecond {
			t.Errorf("101 messages at 10 a second took %v", took)
		}
	})
}

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
			if p == nil || p.Advice != store.RetryLater || !strings.Contains(p.Summary, side+"_bytes_per_day") ||
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
