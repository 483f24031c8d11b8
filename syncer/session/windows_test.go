package session

import (
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"
)

// TestWithout compares it with going through all UIDs.
func TestWithout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set imap.UIDSet
		for range rapid.IntRange(0, 4).Draw(t, "ranges") {
			from := rapid.Uint32Range(1, 30).Draw(t, "from")
			set.AddRange(imap.UID(from), imap.UID(from+rapid.Uint32Range(0, 9).Draw(t, "more")))
		}
		uids := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) imap.UID { return imap.UID(rapid.Uint32Range(1, 45).Draw(t, "uid")) }), 0, 20).Draw(t, "uids")
		want := map[imap.UID]bool{}
		all, _ := set.Nums()
		for _, uid := range all {
			want[uid] = !slices.Contains(uids, uid)
		}
		got := Without(set, slices.Clone(uids))
		for uid := imap.UID(1); uid < 50; uid++ {
			if got.Contains(uid) != want[uid] {
				t.Fatalf("%v without %v is %v: %d", set, uids, got, uid)
			}
		}
	})
}

// TestWithoutOfAll: a range that is as wide as can be.
func TestWithoutOfAll(t *testing.T) {
	const last = ^imap.UID(0)
	all := imap.UIDSet{imap.UIDRange{Start: 1, Stop: last}}
	if got := Without(all, []imap.UID{last, 1}).String(); got != "2:4294967294" {
		t.Errorf("%s", got)
	}
}
