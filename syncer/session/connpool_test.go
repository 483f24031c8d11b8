package session

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"postferry/internal/pause"
	"postferry/syncer/problem"
	"postferry/upstream/link"
)

func TestPoolKeepsRoomForVisits(t *testing.T) {
	p := NewPool("old.example:993", 4)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var releases []func()
	for i := range 3 {
		release, err := p.Acquire(t.Context(), false, nil)
		if err != nil {
			t.Fatalf("pass %d: %v", i, err)
		}
		releases = append(releases, release)
	}
	if _, err := p.Acquire(ctx, false, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("a fourth pass got a place: %v", err)
	}
	visit, err := p.Acquire(t.Context(), true, nil)
	if err != nil {
		t.Fatalf("visit: %v", err)
	}
	visit()
	visit() // releasing twice must not make room twice
	for _, r := range releases {
		r()
	}
	if p.Used != 0 {
		t.Fatalf("%d places are still taken", p.Used)
	}
}

func TestPoolServesVisitsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool("old.example:993", 1)
		hold, err := p.Acquire(t.Context(), true, nil)
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 2)
		wait := func(name string, urgent bool) {
			release, err := p.Acquire(t.Context(), urgent, nil)
			if err != nil {
				t.Error(err)
				return
			}
			order <- name
			release()
		}
		go wait("pass", false)
		synctest.Wait()
		go wait("visit", true)
		synctest.Wait()
		hold()
		if first, second := <-order, <-order; first != "visit" || second != "pass" {
			t.Fatalf("%s before %s", first, second)
		}
	})
}

func TestPoolRestsAndListensToTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool("old.example:993", 2)
		p.Note(&link.Error{Op: "login", Class: link.Fix, Err: errors.New("wrong password")})
		if release, err := p.Acquire(t.Context(), false, nil); err != nil {
			t.Fatalf("a refused password made the server rest: %v", err)
		} else {
			release()
		}
		p.Note(&link.Error{Op: "connect", Class: link.Later, After: time.Minute, Err: errors.New("busy")})
		var resting *RestingError
		if _, err := p.Acquire(t.Context(), true, nil); !errors.As(err, &resting) || time.Until(resting.Until) < time.Minute {
			t.Fatalf("the server's hint was not heeded: %v", err)
		}
		if err := pause.For(t.Context(), 80*time.Second); err != nil {
			t.Fatal(err)
		}
		release, err := p.Acquire(t.Context(), true, nil)
		if err != nil {
			t.Fatalf("still resting: %v", err)
		}
		release()
	})
}

// TestPoolCountsWhatFailsTogetherOnce: connections that were being opened at the same
// time say the same of the server, to people too.
func TestPoolCountsWhatFailsTogetherOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool("old.example:993", 20)
		if !p.News() {
			t.Error("a problem of one account is no news")
		}
		refused := &link.Error{Op: "connect", Class: link.Lost, Err: errors.New("connection refused")}
		for range 20 {
			p.Note(refused)
		}
		var resting *RestingError
		if _, err := p.Acquire(t.Context(), false, nil); !errors.As(err, &resting) || time.Until(resting.Until) > 2*problem.Backoff(1, 0) {
			t.Fatalf("it rests too long: %v", err)
		}
		if !p.News() || p.News() || p.News() {
			t.Error("the rest is not told once")
		}
		p.Note(&link.Error{Op: "connect", Class: link.Later, After: time.Minute, Err: errors.New("busy")})
		if _, err := p.Acquire(t.Context(), false, nil); !errors.As(err, &resting) || time.Until(resting.Until) < time.Minute {
			t.Fatalf("the server's hint was not heeded: %v", err)
		}
		if err := pause.For(t.Context(), 2*time.Minute); err != nil {
			t.Fatal(err)
		}
		p.Note(refused)
		if !p.News() {
			t.Error("the next rest is no news")
		}
	})
}

// TestPoolIsNotStormedAfterARest: when a server has rested, one connection
// finds out how it is, and who waits meanwhile hears what it found.
func TestPoolIsNotStormedAfterARest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool("old.example:993", 8)
		unwell := &link.Error{Op: "connect", Class: link.Later, Err: errors.New("down")}
		results := make(chan error, 5)
		rest := func() {
			if err := pause.For(t.Context(), 10*time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		p.Note(unwell)
		rest()
		probe, err := p.Acquire(t.Context(), false, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			go func() {
				release, err := p.Acquire(t.Context(), i%2 == 0, nil)
				if err == nil {
					defer release()
				}
				results <- err
			}()
		}
		synctest.Wait()
		if len(results) > 0 || p.Used != 1 {
			t.Fatalf("%d places were given out beside the first", p.Used-1)
		}
		p.Note(unwell)
		probe()
		for range 5 {
			var resting *RestingError
			if err := <-results; !errors.As(err, &resting) {
				t.Fatalf("got %v", err)
			}
		}
		rest()
		unused, err := p.Acquire(t.Context(), false, nil)
		if err != nil {
			t.Fatal(err)
		}
		unused() // without having tried
		if probe, err = p.Acquire(t.Context(), false, nil); err != nil {
			t.Fatal(err)
		}
		go func() {
			release, err := p.Acquire(t.Context(), false, nil)
			release()
			results <- err
		}()
		synctest.Wait()
		p.Note(nil)
		if err := <-results; err != nil {
			t.Fatal(err)
		}
		probe()
		if p.Used != 0 || p.Prober != nil {
			t.Fatalf("%d places are still taken", p.Used)
		}
	})
}

// TestPoolLearnsCaps: how many connections a server allows is remembered, and
// tried anew after a while.
func TestPoolLearnsCaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool("old.example:993", 8)
		refusal := &link.Error{Op: "login", Class: link.Later, Text: "Too many simultaneous connections", Err: errors.New("NO")}
		var crowded *CrowdedError
		if err := p.Crowded(2, refusal); !errors.As(err, &crowded) || !errors.Is(err, ErrYield) || p.PerAccount() != 2 {
			t.Fatalf("%v, %d", err, p.PerAccount())
		}
		if err := p.Crowded(0, refusal); err != refusal {
			t.Fatalf("nobody else is connected, and yet %v", err)
		}
		var releases []func()
		for range 5 {
			release, err := p.Acquire(t.Context(), true, nil)
			if err != nil {
				t.Fatal(err)
			}
			releases = append(releases, release)
		}
		p.Note(refusal)
		if err := p.Crowded(0, refusal); err != nil || p.Most() != 4 {
			t.Fatalf("%v, %d", err, p.Most())
		}
		for _, r := range releases {
			r()
		}
		if err := pause.For(t.Context(), capMemory); err != nil {
			t.Fatal(err)
		}
		if p.Most() != 5 || p.PerAccount() != 3 {
			t.Errorf("after a while %d in all, %d each", p.Most(), p.PerAccount())
		}
	})
}
