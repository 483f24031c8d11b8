package syncer

import (
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/message"
)

// TestStoredWithoutFlags: a server that fails inside keeps messages, but not their flags.
func TestStoredWithoutFlags(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, late := range []bool{false, true} { // whether the folder has been pulled before
			for _, condstore := range []bool{true, false} {
				r := newRig(t)
				r.pair.old.condstor = condstore
				r.start(false)
				r.pair.old.deliver("INBOX", mail(0), imap.FlagSeen)
				if late {
					r.sync()
				}
				for i := range 20 {
					r.pair.old.deliver("INBOX", mail(i+1), imap.FlagSeen, "$Work")
				}
				failed := false
				r.pair.new.fail(func(step string) error {
					if step != "-APPEND" || failed {
						return nil
					}
					failed = true
					for _, m := range r.pair.new.folders["INBOX"].messages {
						m.flags = nil
					}
					return bugError()
				})
				if res := r.sync(); !res.Pass.Complete {
					t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
				}
				want := message.NormaliseFlags([]imap.Flag{imap.FlagSeen, "$Work"})
				for i := range 20 {
					if got := r.pair.new.flags("INBOX", mail(i+1)); !slices.Equal(got, want) {
						t.Errorf("pulled before %v, CONDSTORE %v: message %d has %v", late, condstore, i+1, got)
					}
				}
				if n := len(r.pair.new.bodies("INBOX")); n != 21 {
					t.Errorf("%d messages", n)
				}
			}
		}
	})
}
