package recovery

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/upstream"
)

// TestTakenGoFirst: of messages that are alike, one that the new server has taken
// is what is found there, whichever comes first on the old server.
func TestTakenGoFirst(t *testing.T) {
	f := &Folder{}
	f.Target.UIDValidity = 9
	print := store.Fingerprint{1}
	intents := []store.Intent{
		{Key: "a", Fingerprint: print, Size: 10},
		{Key: "b", Fingerprint: print, Size: 10, Taken: true},
		{Key: "c", Fingerprint: print, Size: 10, Taken: true},
		{Key: "d", Fingerprint: print, Size: 15},
	}
	found := []message.Candidate{{Fingerprint: print, Size: 10, UID: 5}, {Fingerprint: print, Size: 15, UID: 6}}
	got, err := New(f).Copies.Judge(t.Context(), intents, found)
	if err != nil {
		t.Fatal(err)
	}
	if want := []store.Key{"a"}; !slices.Equal(got.Drop, want) {
		t.Errorf("dropped %q, want %q", got.Drop, want)
	}
	uids := map[store.Key]imap.UID{}
	for _, e := range got.Proofs {
		uids[e.Key] = e.UID
	}
	if want := map[store.Key]imap.UID{"b": 5, "c": 0, "d": 6}; !maps.Equal(uids, want) {
		t.Errorf("entered %v, want %v", uids, want)
	}
}

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
			n := takeLost(proofs, found)
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
