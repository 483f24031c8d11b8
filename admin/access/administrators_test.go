package access

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postferry/store"
)

func TestHasher(t *testing.T) {
	h := newHasher(Hashing{64, 1})
	hash, err := h.hash(t.Context(), "pässword ☃")
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.hash(t.Context(), "pässword ☃")
	if err != nil || again == hash {
		t.Errorf("the same password has the same hash twice, %v", err)
	}
	if !strings.HasPrefix(hash.Reveal(), "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("the hash begins %.40s", hash.Reveal())
	}
	for password, want := range map[store.Secret]bool{"pässword ☃": true, "pässword": false, "": false} {
		// Other costs than those of new hashes must still open old ones.
		if ok, err := newHasher(Hashing{128, 2}).matches(t.Context(), hash, password); err != nil || ok != want {
			t.Errorf("%q: %v, %v", password.Reveal(), ok, err)
		}
	}
	if ok, err := h.matches(t.Context(), "", "anything"); err != nil || ok {
		t.Errorf("nobody's password: %v, %v", ok, err)
	}
	for _, bad := range []string{"x", "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAA", "$argon2id$v=18$m=64,t=1,p=1$AAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=99999999,t=1,p=1$AAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=64,t=1,p=1$!$AAAAAAAAAAAAAAAAAAAAAAAA"} {
		if _, err := h.matches(t.Context(), store.Secret(bad), "x"); !errors.Is(err, errHash) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	h.places.Acquire(t.Context(), 2) // all places are taken
	if _, err := h.hash(ended, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for a place: %v", err)
	}
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(3, 10*time.Second)
		for i := range 3 {
			if _, ok := l.Take("a"); !ok {
				t.Fatalf("attempt %d is refused", i)
			}
		}
		if wait, ok := l.Take("a"); ok || wait != 10*time.Second {
			t.Errorf("the fourth: wait %v, %v", wait, ok)
		}
		if _, ok := l.Take("b"); !ok {
			t.Error("another key is refused")
		}
		l.giveBack("a")
		if _, ok := l.Take("a"); !ok {
			t.Error("what was given back is gone")
		}
		time.Sleep(25 * time.Second)
		for i := range 3 {
			if _, ok := l.Take("a"); ok != (i < 2) {
				t.Errorf("after a while, attempt %d: %v", i, ok)
			}
		}
		for i := range maxLimited + 100 {
			l.Take(string(rune(i)))
		}
		if l.buckets.Len() > maxLimited {
			t.Errorf("%d keys are remembered", l.buckets.Len())
		}
	})
}

func TestOneTimeLink(t *testing.T) {
	var o oneTime
	now := time.Now()
	fine := func(bool) error { return nil }
	if err := o.use("", now, fine); !errors.Is(err, errLink) {
		t.Errorf("before there is one: %v", err)
	}
	code := o.renew(now, true)
	if err := o.use(code, now.Add(linkLife+time.Second), fine); !errors.Is(err, errLink) {
		t.Errorf("too late: %v", err)
	}
	failed := errors.New("failed")
	if err := o.use(code, now, func(first bool) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("a failure: %v", err)
	}
	if err := o.use(code, now, fine); err != nil {
		t.Errorf("after a failure: %v", err)
	}
	if err := o.use(code, now, fine); !errors.Is(err, errLink) {
		t.Errorf("again: %v", err)
	}
	code = o.renew(now, false)
	o.renew(now, false)
	if err := o.use(code, now, fine); !errors.Is(err, errLink) {
		t.Errorf("one that was replaced: %v", err)
	}
}

// The link that a start makes does not make void one that was asked for just before.
func TestFirstLinkComesSecond(t *testing.T) {
	var o oneTime
	now := time.Now()
	asked := o.renew(now, false)
	if first := o.renew(now, true); first != "" {
		t.Error("a start made another link")
	}
	if err := o.use(asked, now, func(bool) error { return nil }); err != nil {
		t.Error(err)
	}
}

// Whoever has a network of addresses has no more tries than others.
func TestLimiterKnowsNetworks(t *testing.T) {
	if clientKey("2001:db8::1") != clientKey("2001:db8::2") || clientKey("192.0.2.1") == clientKey("192.0.2.2") {
		t.Error(clientKey("2001:db8::1"), clientKey("192.0.2.1"))
	}
}
