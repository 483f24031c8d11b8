package recovery

import (
	"maps"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
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
	got, err := f.Judge(t.Context(), intents, found)
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
