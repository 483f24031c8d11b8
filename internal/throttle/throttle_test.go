package throttle

import (
	"net/netip"
	"testing"
	"time"
)

func TestBuckets(t *testing.T) {
	now := time.Unix(0, 0)
	b := New[string](2, 10*time.Second, 100)
	if b.Known("a", now) != nil {
		t.Error("a stranger has a bucket")
	}
	x := b.Of("a", now)
	x.Tokens -= 2
	if wait := b.Wait(x); wait != 10*time.Second {
		t.Errorf("an empty bucket has a token in %s", wait)
	}
	now = now.Add(15 * time.Second)
	if x := b.Known("a", now); x == nil || x.Tokens != 1.5 || b.Wait(x) != 0 {
		t.Errorf("after one and a half intervals: %+v", x)
	}
	now = now.Add(time.Hour)
	if x := b.Of("a", now); x.Tokens != b.Burst() {
		t.Errorf("after an hour: %+v", x)
	}
}

// However many keys come, few are kept, those that guess before the others.
func TestBucketsAreBounded(t *testing.T) {
	now := time.Unix(0, 0)
	b := New[int](2, time.Hour, 100)
	for i := range 50 {
		b.Of(i, now).Tokens = 0
	}
	for i := 50; i < 101; i++ {
		b.Of(i, now)
	}
	for i := range 50 {
		if b.Known(i, now) == nil {
			t.Fatalf("%d was forgotten", i)
		}
	}
	for i := range 1000 {
		if b.Of(i, now).Tokens = 0; b.Len() > 100 {
			t.Fatalf("%d buckets", b.Len())
		}
	}
}

func TestClient(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7":        "192.0.2.7/32",
		"::ffff:192.0.2.7": "192.0.2.7/32",
		"2001:db8::1:2":    "2001:db8::/64",
		"fe80::1%eth0":     "fe80::/64",
	} {
		if got := Client(netip.MustParseAddr(addr)); got.String() != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	if got := Client(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("no address: %s", got)
	}
}
