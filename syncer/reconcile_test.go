package syncer

import (
	"reflect"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/upstream"
)

// TestTakeLost: what one copy lacks its user may have taken; what several lack alike the
// server has lost.
func TestTakeLost(t *testing.T) {
	seen, flagged, work := imap.FlagSeen, imap.FlagFlagged, imap.Flag("$Work")
	for _, tt := range []struct {
		name              string
		given, has, wants [][]imap.Flag // by UID, from 1; a nil has is no copy
	}{
		{"all there", [][]imap.Flag{{seen}, {flagged, work}}, [][]imap.Flag{{seen}, {flagged, work, "$More"}}, [][]imap.Flag{{seen}, {flagged, work}}},
		{"one lacks its only flag", [][]imap.Flag{{seen}, {seen}}, [][]imap.Flag{{}, {seen}}, [][]imap.Flag{{seen}, {seen}}},
		{"one lacks all", [][]imap.Flag{{flagged, seen}, {seen}, {}}, [][]imap.Flag{{}, {seen}, {}}, [][]imap.Flag{{flagged, seen}, {seen}, {}}},
		{"two lack all", [][]imap.Flag{{flagged, seen}, {work}, {seen}}, [][]imap.Flag{{"$Mine"}, {}, {seen}}, [][]imap.Flag{nil, nil, {seen}}},
		{"keywords are not kept", [][]imap.Flag{{seen, work}, {seen, work}, {seen}}, [][]imap.Flag{{seen}, {seen}, {seen}}, [][]imap.Flag{{seen}, {seen}, {seen}}},
		{"one keyword is lacking", [][]imap.Flag{{seen, work}, {seen}}, [][]imap.Flag{{seen}, {seen}}, [][]imap.Flag{{seen, work}, {seen}}},
		{"gone", [][]imap.Flag{{seen}, {seen}}, [][]imap.Flag{nil, nil}, [][]imap.Flag{{seen}, {seen}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var proofs []store.Entry
			var found []upstream.Message
			for i := range tt.given {
				proofs = append(proofs, store.Entry{UID: imap.UID(i + 1), Flags: slices.Clone(tt.given[i])})
				if tt.has[i] != nil {
					found = append(found, upstream.Message{UID: imap.UID(i + 1), Flags: tt.has[i]})
				}
			}
			changed := 0
			n := recovery.TakeLost(proofs, found)
			for i, e := range proofs {
				if len(e.Flags)+len(tt.wants[i]) > 0 && !reflect.DeepEqual(e.Flags, tt.wants[i]) {
					t.Errorf("%d: %v, not %v", i, e.Flags, tt.wants[i])
				}
				if len(e.Flags) < len(tt.given[i]) {
					changed++
				}
			}
			if n != changed {
				t.Errorf("told %d, changed %d", n, changed)
			}
		})
	}
}

// TestStoredWithoutFlags: a server that fails inside keeps messages, but not their flags.
func TestStoredWithoutFlags(t *testing.T) {
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
}
