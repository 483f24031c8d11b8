package session

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"postferry/config"
)

// No 24 hours see more than the limit, whatever is moved when.
func TestBudgetBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Budget{Side: "old", Limit: 1000}
		now := time.Unix(1_700_000_000, 0)
		moved := map[int64]uint64{} // by minute
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "minutes")) * time.Minute)
			n := rapid.Uint64Range(1, 500).Draw(t, "octets")
			if err := b.Take(now, n); err != nil {
				var spent *budgetError
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
	b := Budget{Limit: 1000}
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
	none := Budget{}
	none.Add(now, 1<<40)
	if err := none.Take(now, 1<<40); err != nil || none.Total() != 0 {
		t.Errorf("without a limit: %v", err)
	}
}

func TestBudgetSummary(t *testing.T) {
	e := &budgetError{Side: "new", Used: 499_900_000, Until: time.Date(2026, 5, 4, 15, 0, 0, 0, time.Local)}
	want := "500 MB were written to the new server within 24 hours, as much as the configuration allows (new_bytes_per_day). It goes on by itself at 15:00 on 2026-05-04."
	if got := e.Summary().String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Octets a second: of the account and of all accounts of the domain.
func TestFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		domain := newThrottle(config.Limits{BytesPerSecond: 100_000})
		var all Throttles
		d := &config.Domain{Name: "example.com", Limits: config.Limits{BytesPerSecond: 100_000}}
		first := all.Of(d)
		if again := all.Of(d); again != first || first == all.Of(&config.Domain{Name: "example.org"}) {
			t.Error("accounts of a domain don't share its limits")
		}
		began := time.Now()
		a := NewRateLimits(domain, config.AccountLimits{Limits: config.Limits{BytesPerSecond: 50_000}}, nil)
		other := NewRateLimits(domain, config.AccountLimits{}, nil)
		move := func(f *Flow, octets int) {
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
		if NewRateLimits(newThrottle(config.Limits{}), config.AccountLimits{}, nil).Old.Bound() != nil {
			t.Error("bounded without a limit")
		}
	})
}

func TestMessagesPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := NewRateLimits(newThrottle(config.Limits{MessagesPerSecond: 20}), config.AccountLimits{Limits: config.Limits{MessagesPerSecond: 10}}, nil)
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

// TestChangedLimits: limits that somebody changes count from then on, those of others stay as they are.
func TestChangedLimits(t *testing.T) {
	t.Parallel()
	var all Throttles
	d, other := config.Domain{Name: "a.example", Limits: config.Limits{MessagesPerSecond: 5}}, config.Domain{Name: "b.example"}
	first, beside := all.Of(&d), all.Of(&other)
	if all.Of(&d) != first {
		t.Error("accounts of a domain don't share its limits")
	}
	d.Limits.MessagesPerSecond = 50
	if now := all.Of(&d); now == first || now.messages.Limit() != 50 || all.Of(&d) != now || all.Of(&other) != beside {
		t.Errorf("after a change: %+v", now)
	}
}
