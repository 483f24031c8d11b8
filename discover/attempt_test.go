package discover

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// What answers may be anything.
func TestWhateverAnswers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n\r\n":                codeNotMail,
		"220 mx.example.com ESMTP\r\n":                    codeNotMail,
		"* BYE too many connections\r\n":                  codeTurnedAway,
		strings.Repeat("A", 300<<10):                      codeNotMail,
		"* OK " + strings.Repeat("A", 8<<20) + "\r\n":     codeFailed,
		"* OK [CAPABILITY IMAP4rev1] Postferry ready\r\n": codeExcludedOwn,
	} {
		w := newWorld(t, "imap.example.com. 300 IN A 10.0.0.1")
		cert := w.ca.Issue(t, "imap.example.com")
		w.says("10.0.0.1:993", text, &cert)
		w.Bound = 2 * time.Second
		r := w.find("example.com")
		if got := outcome(r, IMAP, "imap.example.com", 993); got != want || r.Found != nil {
			t.Errorf("%.40q came to %s, want %s; found %+v", text, got, want, r.Found)
		}
	}
}

func TestPlainTextWhereTLSIsExpected(t *testing.T) {
	w := newWorld(t, "imap.example.com. 300 IN A 10.0.0.1")
	w.says("10.0.0.1:993", ready, nil)
	if got := outcome(w.find("example.com"), IMAP, "imap.example.com", 993); got != codeTLSFailed {
		t.Errorf("came to %s", got)
	}
}

// Each attempt is told as it ends, one at a time, and all of them are in the
// report in order.
func TestFollow(t *testing.T) {
	w := newWorld(t, "imap.example.com. 300 IN A 10.0.0.1", "mail.example.com. 300 IN AAAA 2001:db8::1")
	cert := w.ca.Issue(t, "imap.example.com")
	w.says("10.0.0.1:993", ready, &cert)
	var told []int
	r, err := w.Follow(t.Context(), "anna@example.com", func(a Attempt) { told = append(told, a.Number) })
	if err != nil || r.Found == nil {
		t.Fatal(r, err)
	}
	slices.Sort(told)
	for i, a := range r.Attempts {
		if a.Number != i+1 || told[i] != i+1 || a.Outcome.Text == "" || a.URL == "" {
			t.Errorf("attempt %d: %+v, told %d", i+1, a, told[i])
		}
	}
	if len(told) != len(r.Attempts) {
		t.Errorf("%d told, %d in the report", len(told), len(r.Attempts))
	}
}

// A host's second address serves if the first is silent, or not ours to try.
func TestSecondAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "imap.example.com. 300 IN A 10.0.0.9", "imap.example.com. 300 IN A 169.254.1.1", "imap.example.com. 300 IN AAAA fd00::1")
	w.serve("10.0.0.9:993", "")
	cert := w.ca.Issue(t, "imap.example.com")
	w.says("[fd00::1]:993", ready, &cert)
	w.Bound = 3 * time.Second
	r := w.find("example.com")
	if r.Found == nil || r.Attempts[r.Found.Attempt-1].Address != "fd00::1" {
		t.Errorf("found %+v", r.Found)
	}
	if slices.Contains(w.asked, "169.254.1.1:993") {
		t.Error("a link-local address was connected to")
	}
}

// A silent host does not keep the one that is found.
func TestSilentHostsAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "imap.example.com. 300 IN A 10.0.0.1", "pop.example.com. 300 IN A 10.0.0.9")
	w.serve("10.0.0.9:995", "")
	cert := w.ca.Issue(t, "imap.example.com")
	w.says("10.0.0.1:993", ready, &cert)
	start := time.Now()
	r := w.find("example.com")
	if took := time.Since(start); r.Found == nil || took > 4500*time.Millisecond {
		t.Errorf("found %+v after %v", r.Found, took)
	}
}

func TestDatagramsGetLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "_imaps._tcp.example.com. 300 IN SRV 0 0 993 mail.example.com.", "mail.example.com. 300 IN A 10.0.0.1")
	w.lose("_imaps._tcp.example.com.", "SRV")
	cert := w.ca.Issue(t, "mail.example.com")
	w.says("10.0.0.1:993", ready, &cert)
	if r := w.find("example.com"); r.Found == nil || codes(r.Why) != "why_imap why_source_srv why_trusted" {
		t.Errorf("found %+v because %s", r.Found, codes(r.Why))
	}
}

// Without DNS nothing is known, and that is not taken for a domain that does
// not exist.
func TestNoDNS(t *testing.T) {
	t.Parallel()
	for name, real := range map[string]string{"silent": "", "refuses": "127.0.0.1:1"} {
		w := newWorld(t)
		w.serve("10.0.0.53:53", real)
		w.Bound = time.Second
		start := time.Now()
		r := w.find("example.com")
		if codes(r.Why) != "nothing_found nothing_hint" || r.MX.State != MXUnknown {
			t.Errorf("%s: because %s, MX %s", name, codes(r.Why), r.MX.State)
		}
		if took := time.Since(start); took > 8*time.Second { // without a bound it would be ten
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func TestFindEndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	w.serve("10.0.0.53:53", "")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.Find(ctx, "example.com"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := w.MX(ctx, "example.com"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestInternationalNames(t *testing.T) {
	w := newWorld(t, "imap.xn--bcher-kva.example. 300 IN A 10.0.0.1")
	cert := w.ca.Issue(t, "imap.xn--bcher-kva.example")
	w.says("10.0.0.1:993", ready, &cert)
	r := w.find("anna@Bücher.example")
	if r.Found == nil || r.Found.URL != "imaps://imap.xn--bcher-kva.example" || r.Unicode != "bücher.example" || r.Domain != "xn--bcher-kva.example" {
		t.Errorf("%+v, found %+v", r, r.Found)
	}
}

func TestReachable(t *testing.T) {
	for text, want := range map[string][2]bool{ // without and with AllowPrivate
		"8.8.8.8": {true, true}, "2606:4700::1": {true, true},
		"10.0.0.1": {false, true}, "127.0.0.1": {false, true}, "::1": {false, true}, "100.64.0.1": {false, true}, "fd00:ec2::254": {false, true},
		"169.254.169.254": {false, false}, "fe80::1": {false, false}, "::ffff:169.254.169.254": {false, false},
		"0.0.0.0": {false, false}, "224.0.0.1": {false, false}, "ff02::1": {false, false},
		"::ffff:10.0.0.1": {false, true}, "255.255.255.255": {false, false},
		// What a translator leads into the network (RFC 6052, RFC 3056).
		"64:ff9b::a00:1": {false, true}, "64:ff9b::a9fe:a9fe": {false, false}, "2002:a00:1::1": {false, true}, "64:ff9b::808:808": {true, true},
	} {
		addr := addressOf(t, text)
		for i, private := range []bool{false, true} {
			if got := (&Finder{AllowPrivate: private}).reachable(addr); got != want[i] {
				t.Errorf("%s, private %v: %v", text, private, got)
			}
		}
	}
}
