package admission

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"postferry/internal/throttle"
)

// attemptsOf makes attempts one after the other, waiting as told, and returns
// how long they took and how many were refused.
func attemptsOf(l *limiter[netip.Prefix], addr string, n int, failed bool) (took time.Duration, refused int) {
	start := time.Now()
	for range n {
		t, wait, ok := l.begin(context.Background(), throttle.Client(netip.MustParseAddr(addr)))
		if !ok {
			refused++
			time.Sleep(time.Second)
			continue
		}
		time.Sleep(wait)
		l.end(t, failed)
	}
	return time.Since(start), refused
}

// byAddress is a limiter as the relay has it for addresses.
func byAddress() *limiter[netip.Prefix] {
	return newLimiter[netip.Prefix](Bounds{10, 6 * time.Second, 15 * time.Second}, maxAddresses, 100)
}

func TestLimiterForgivesAHandfulOfMistakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := byAddress()
		if took, refused := attemptsOf(l, "192.0.2.1", 10, true); took > 0 || refused > 0 {
			t.Errorf("ten mistakes: %v, %d refused", took, refused)
		}
		if took, _ := attemptsOf(l, "192.0.2.1", 1, false); took == 0 || took > 6*time.Second {
			t.Errorf("the right password after them took %v", took)
		}
		time.Sleep(time.Minute)
		if took, refused := attemptsOf(l, "192.0.2.1", 1000, false); took > 0 || refused > 0 {
			t.Errorf("successes: %v, %d refused", took, refused)
		}
	})
}

func TestLimiterSlowsGuessingDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := byAddress()
		if took, _ := attemptsOf(l, "192.0.2.1", 110, true); took < 590*time.Second {
			t.Errorf("110 guesses took only %v", took)
		}
		if took, _ := attemptsOf(l, "192.0.2.2", 1, true); took > 0 {
			t.Errorf("another address had to wait %v", took)
		}
	})
}

func TestLimiterBoundsWaitingAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := byAddress()
		attemptsOf(l, "192.0.2.1", 10, true)
		var waiting int
		for range 100 {
			if _, _, ok := l.begin(t.Context(), throttle.Client(netip.MustParseAddr("192.0.2.1"))); ok {
				waiting++
			}
		}
		if waiting != 2 {
			t.Errorf("%d attempts wait at the same time", waiting)
		}
	})
}

func TestLimiterForgetsAParallelBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := byAddress()
		for range 1000 {
			l.end(turn[netip.Prefix]{key: throttle.Client(netip.MustParseAddr("192.0.2.1"))}, true)
		}
		time.Sleep(2 * time.Minute)
		if _, refused := attemptsOf(l, "192.0.2.1", 1, false); refused > 0 {
			t.Error("refused two minutes later")
		}
	})
}

func TestLimiterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := byAddress()
		for i := range 3 * maxAddresses {
			addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String()
			attemptsOf(l, addr, 1, true)
		}
		if l.buckets.Len() > maxAddresses {
			t.Errorf("%d addresses", l.buckets.Len())
		}
	})
}

// TestLimiterCountsWhatIsUnderWay: no more than twice as many attempts are tried at the same time
// as may fail yet; the others come when those have ended, and are refused if they all failed.
func TestLimiterCountsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter[string](Bounds{10, time.Hour, time.Minute}, 10, 50)
		var tried []turn[string]
		for {
			t1, _, ok, others := l.try("a")
			if others != nil {
				l.waited("a")
				break
			}
			if !ok {
				t.Fatal("refused")
			}
			tried = append(tried, t1)
		}
		if len(tried) != 20 {
			t.Errorf("%d are tried at once", len(tried))
		}
		answers := make(chan bool, 60)
		for range 60 {
			go func() {
				_, _, ok := l.begin(t.Context(), "a")
				answers <- ok
			}()
		}
		for range 10 { // beyond the crowd
			if ok := <-answers; ok {
				t.Error("more than a crowd may wait")
			}
		}
		if t2, _, ok, others := l.try("b"); !ok || others != nil {
			t.Error("another one has to wait")
		} else {
			l.end(t2, false)
		}
		for _, t1 := range tried[:9] {
			l.end(t1, true)
		}
		synctest.Wait()
		if len(answers) > 0 {
			t.Errorf("one of those that wait is answered (%v), and 11 are under way while 1 may fail", <-answers)
		}
		for _, t1 := range tried[9:] {
			l.end(t1, true)
		}
		for range 50 {
			if ok := <-answers; ok {
				t.Error("one is tried after 20 failures")
			}
		}
		if len(l.underway) != 0 {
			t.Errorf("%d keys are kept", len(l.underway))
		}
	})
}

// TestSuccessesMakeRoom: those that wait behind right ones get their turns.
func TestSuccessesMakeRoom(t *testing.T) {
	t.Parallel()
	l := newLimiter[string](Bounds{10, time.Hour, time.Minute}, 10, 500)
	ended := make(chan bool, 300)
	for range 300 {
		go func() {
			t1, _, ok := l.begin(t.Context(), "a")
			l.end(t1, false)
			ended <- ok
		}()
	}
	for range 300 {
		if !<-ended {
			t.Fatal("a right one is refused")
		}
	}
}
