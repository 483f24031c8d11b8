package proxy

import (
	"net/netip"
	"postferry/internal/throttle"
	"testing"
	"time"
)

// attempts makes attempts one after the other, waiting as told, and returns
// how long they took and how many were refused.
func attempts(l *limiter, addr string, n int, failed bool, now *time.Time) (took time.Duration, refused int) {
	start := *now
	for range n {
		t, wait, ok := l.begin(netip.MustParseAddr(addr), *now)
		if !ok {
			refused++
			*now = now.Add(time.Second)
			continue
		}
		*now = now.Add(wait)
		l.end(t, failed, *now)
	}
	return now.Sub(start), refused
}

func TestLimiterForgivesAHandfulOfMistakes(t *testing.T) {
	l := newLimiter(10, 6*time.Second, 15*time.Second)
	now := time.Now()
	if took, refused := attempts(l, "192.0.2.1", 10, true, &now); took > 0 || refused > 0 {
		t.Errorf("ten mistakes: %v, %d refused", took, refused)
	}
	if took, _ := attempts(l, "192.0.2.1", 1, false, &now); took == 0 || took > 6*time.Second {
		t.Errorf("the right password after them took %v", took)
	}
	now = now.Add(time.Minute)
	if took, refused := attempts(l, "192.0.2.1", 1000, false, &now); took > 0 || refused > 0 {
		t.Errorf("successes: %v, %d refused", took, refused)
	}
}

func TestLimiterSlowsGuessingDown(t *testing.T) {
	l := newLimiter(10, 6*time.Second, 15*time.Second)
	now := time.Now()
	if took, _ := attempts(l, "192.0.2.1", 110, true, &now); took < 590*time.Second {
		t.Errorf("110 guesses took only %v", took)
	}
	if took, _ := attempts(l, "192.0.2.2", 1, true, &now); took > 0 {
		t.Errorf("another address had to wait %v", took)
	}
}

func TestLimiterBoundsWaitingAttempts(t *testing.T) {
	l := newLimiter(10, 6*time.Second, 15*time.Second)
	now := time.Now()
	attempts(l, "192.0.2.1", 10, true, &now)
	var waiting int
	for range 100 {
		if _, _, ok := l.begin(netip.MustParseAddr("192.0.2.1"), now); ok {
			waiting++
		}
	}
	if waiting != 2 {
		t.Errorf("%d attempts wait at the same time", waiting)
	}
}

func TestLimiterForgetsAParallelBurst(t *testing.T) {
	l := newLimiter(10, 6*time.Second, 15*time.Second)
	now := time.Now()
	for range 1000 {
		l.end(turn{key: throttle.Client(netip.MustParseAddr("192.0.2.1"))}, true, now)
	}
	now = now.Add(2 * time.Minute)
	if _, refused := attempts(l, "192.0.2.1", 1, false, &now); refused > 0 {
		t.Error("refused two minutes later")
	}
}

func TestLimiterIsBounded(t *testing.T) {
	l := newLimiter(10, 6*time.Second, 15*time.Second)
	now := time.Now()
	for i := range 3 * maxAddresses {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String()
		attempts(l, addr, 1, true, &now)
	}
	if l.buckets.Len() > maxAddresses {
		t.Errorf("%d addresses", l.buckets.Len())
	}
}
