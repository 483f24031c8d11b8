package syncer

import (
	"fmt"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
)

// TestSignedOutAtEachMessage: a server lets us in, and says at each message that it does not know who we are. No message is
// to blame for that.
func TestSignedOutAtEachMessage(t *testing.T) {
	for name, tt := range map[string]struct {
		side     func(*fakePair) *fakeServer
		step, op string
	}{
		"old server": {func(p *fakePair) *fakeServer { return p.old }, "+BODY", "UID FETCH"},
		"new server": {func(p *fakePair) *fakeServer { return p.new }, "+APPEND", "APPEND"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newRigIn(t, inMemory(t))
				r.silent = true
				for n := range 5 {
					r.pair.old.deliver("INBOX", mail(n))
				}
				server := tt.side(r.pair)
				server.fail(func(step string) error {
					if step != tt.step {
						return nil
					}
					answer := &link.Error{Server: "fake", Op: tt.op, Class: link.Fix, Code: imap.ResponseCodeExpired, Text: "Session expired", Err: link.Kind("NO")}
					return &link.Error{Server: "fake", Op: tt.op, Class: link.Lost, Err: fmt.Errorf("%w: %w", link.ErrSignedOut, answer)}
				})
				r.start(false)
				for range 3 {
					if res := r.sync(); res.Problem == nil || res.Pass.Quarantined > 0 {
						t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
					}
				}
				server.fail(noFault)
				r.copies(5)
				r.has("INBOX", mails(0, 5)...)
			})
		})
	}
}
