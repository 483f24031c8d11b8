package syncer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream/link"
)

// TestRefusedOnce: a refusal that nothing explains may pass. Before a message is repaired
// or given up it is sent once more as it is, unless the server says what is wrong with it.
func TestRefusedOnce(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		code       imap.ResponseCode
		text       string
		sent       int // as it is, standing alone
		copied     bool
	}{
		{"nothing to repair", "Message-ID: <nul@example.com>\r\n\r\nText\r\n", "", "System I/O error", 2, true},
		{"to be repaired", nulMail, "", "System I/O error", 2, true},
		{"streamed", nulMail + strings.Repeat("text\n", 400_000), "", "System I/O error", 2, true},
		{"explained", "Message-ID: <nul@example.com>\r\n\r\nText\r\n", "", "Message contains invalid header", 1, false},
		{"by a code", "Message-ID: <nul@example.com>\r\n\r\nText\r\n", imap.ResponseCodeCannot, "no", 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				r.cfg.Sync.Memory = 64 << 20
				r.pair.old.deliver("INBOX", tt.body)
				sent := 0
				r.pair.new.refuse = func(body []byte) error {
					if string(body) != tt.body {
						return nil
					}
					if sent++; sent > 1 {
						return nil
					}
					return &link.Error{Server: "fake", Op: "APPEND", Class: link.Refused, Code: tt.code, Text: tt.text, Err: fmt.Errorf("NO")}
				}
				r.start(false)
				res := r.sync()
				if sent != tt.sent || res.Pass.Copied == 1 != tt.copied || res.Pass.Quarantined == 1 == tt.copied || !res.Pass.Complete {
					t.Errorf("sent %d times; %+v, problem %+v", sent, res.Pass, res.Problem)
				}
				if got := slices.Contains(r.pair.new.bodies("INBOX"), tt.body); got != tt.copied {
					t.Errorf("as it is on the new server: %v", got)
				}
				if l := r.ledger("INBOX"); len(l.Repaired)+len(l.Intents) > 0 {
					t.Errorf("%+v", l)
				}
			})
		})
	}
}

// bugError is what a server says in which something went wrong.
func bugError() error {
	return &link.Error{Server: "fake", Op: "APPEND", Class: link.Later, Code: imap.ResponseCodeServerBug, Text: "Internal error occurred", Err: fmt.Errorf("NO")}
}

// TestRefusedButStored: a server that fails inside may have stored what it refuses.
func TestRefusedButStored(t *testing.T) {
	for _, uidplus := range []bool{true, false} {
		for _, step := range []string{"+APPEND", "-APPEND"} {
			t.Run(fmt.Sprintf("%v/%s", uidplus, step), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					r := newRig(t)
					for i := range 250 {
						r.pair.old.deliver("INBOX", mail(i))
					}
					r.pair.old.deliver("INBOX", mail(0)) // twice
					r.pair.new.uidplus = uidplus
					bugs := 0
					r.pair.new.fail(func(s string) error {
						if s != step || bugs == 2 {
							return nil
						}
						bugs++
						return bugError()
					})
					r.start(false)
					if res := r.sync(); res.Pass.Quarantined > 0 || !res.Pass.Complete {
						t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
					}
					if got, want := slices.Sorted(slices.Values(r.pair.new.bodies("INBOX"))), slices.Sorted(slices.Values(r.pair.old.bodies("INBOX"))); !slices.Equal(got, want) {
						t.Errorf("%d messages, not %d", len(got), len(want))
					}
					if l := r.ledger("INBOX"); len(l.Intents) > 0 || len(l.Entries) != 251 {
						t.Errorf("%d entries, intents %+v", len(l.Entries), l.Intents)
					}
				})
			})
		}
	}
}

// TestServerFailsAtMessage: one message at which the new server fails each time holds up
// nothing else, and is tried again by later passes.
func TestServerFailsAtMessage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		for i := range 50 {
			r.pair.old.deliver("INBOX", mail(i))
		}
		broken := true
		r.pair.new.refuse = func(body []byte) error {
			if broken && string(body) == mail(20) {
				return bugError()
			}
			return nil
		}
		r.start(false)
		if res := r.sync(); res.Pass.Copied != 49 || res.Pass.Quarantined != 1 || !res.Pass.Complete {
			t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
		}
		l := r.ledger("INBOX")
		if len(l.Intents) > 0 || len(l.Quarantine) != 1 || !l.Quarantine[0].Again || !strings.Contains(l.Quarantine[0].Cause, "Internal error") {
			t.Fatalf("%+v, intents %+v", l.Quarantine, l.Intents)
		}
		broken = false
		if res := r.sync(); res.Pass.Copied != 1 || !res.Pass.Complete {
			t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
		}
		if l := r.ledger("INBOX"); len(l.Quarantine) > 0 {
			t.Errorf("%+v", l.Quarantine)
		}
	})
}

// TestServerFailsAlways: a server that fails at everything is left alone before long.
func TestServerFailsAlways(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.limit = 10 * time.Minute
		for i := range 50 {
			r.pair.old.deliver("INBOX", mail(i))
		}
		r.pair.new.refuse = func([]byte) error { return bugError() }
		r.start(false)
		res := r.sync()
		if res.Problem == nil || res.Problem.Advice != store.RetryLater || res.Pass.Quarantined > 6 || !strings.Contains(res.Problem.Cause, "Internal error") {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
	})
}
