package syncer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"postferry/upstream"
)

func TestPoolKeepsRoomForVisits(t *testing.T) {
	p := newPool("old.example:993", 4)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var releases []func()
	for i := range 3 {
		release, err := p.acquire(t.Context(), false, nil)
		if err != nil {
			t.Fatalf("pass %d: %v", i, err)
		}
		releases = append(releases, release)
	}
	if _, err := p.acquire(ctx, false, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("a fourth pass got a place: %v", err)
	}
	visit, err := p.acquire(t.Context(), true, nil)
	if err != nil {
		t.Fatalf("visit: %v", err)
	}
	visit()
	visit() // releasing twice must not make room twice
	for _, r := range releases {
		r()
	}
	if p.used != 0 {
		t.Fatalf("%d places are still taken", p.used)
	}
}

func TestPoolServesVisitsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool("old.example:993", 1)
		hold, err := p.acquire(t.Context(), true, nil)
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 2)
		wait := func(name string, urgent bool) {
			release, err := p.acquire(t.Context(), urgent, nil)
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
		p := newPool("old.example:993", 2)
		p.note(&upstream.Error{Op: "login", Class: upstream.Fix, Err: errors.New("wrong password")})
		if release, err := p.acquire(t.Context(), false, nil); err != nil {
			t.Fatalf("a refused password made the server rest: %v", err)
		} else {
			release()
		}
		p.note(&upstream.Error{Op: "connect", Class: upstream.Later, After: time.Minute, Err: errors.New("busy")})
		var resting *restingError
		if _, err := p.acquire(t.Context(), true, nil); !errors.As(err, &resting) || time.Until(resting.until) < time.Minute {
			t.Fatalf("the server's hint was not heeded: %v", err)
		}
		if err := pause(t.Context(), 80*time.Second); err != nil {
			t.Fatal(err)
		}
		release, err := p.acquire(t.Context(), true, nil)
		if err != nil {
			t.Fatalf("still resting: %v", err)
		}
		release()
	})
}

func TestBackoffGrowsToItsBound(t *testing.T) {
	last := time.Duration(0)
	for n := 1; n < 40; n++ {
		d := backoff(n, 0)
		if d < backoffFirst || d > backoffLongest+backoffLongest/4+1 {
			t.Fatalf("after %d failures %v", n, d)
		}
		if n < 7 && d < last {
			t.Fatalf("after %d failures %v, less than %v", n, d, last)
		}
		last = d / 2
	}
}
