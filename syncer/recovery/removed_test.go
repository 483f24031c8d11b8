package recovery

import (
	"maps"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/store"
	"postferry/syncer/message"
)

// TestRemovedSince: what was stored and removed before its arrival was known is told from
// what never arrived, and only where it is certain.
func TestRemovedSince(t *testing.T) {
	one := func(place uint32, batch uint64, together bool) store.Intent {
		return store.Intent{UIDValidity: 9, Batch: batch, Place: place, Together: together}
	}
	batch := func(n int, together bool) (all []store.Intent) {
		for i := range n {
			all = append(all, one(uint32(i), 7, together))
		}
		return all
	}
	twin := func(in store.Intent) store.Intent {
		in.Size = 1
		return in
	}
	from := func(next imap.UID, all []store.Intent) []store.Intent {
		for i := range all {
			all[i].UIDNext = next
		}
		return all
	}
	tests := map[string]struct {
		intents    []store.Intent
		uids       []imap.UID // 0: not found
		want       []int
		others     []imap.UID // of messages that are none of these
		swapped    []imap.UID // what has been found once messages that are alike have their own; nil: as it was
		NextFolder imap.UID   // UIDNEXT; 0: far above
	}{
		"all there":                         {intents: batch(3, true), uids: []imap.UID{5, 6, 7}},
		"none there":                        {intents: batch(3, true), uids: []imap.UID{0, 0, 0}},
		"the middle one":                    {intents: batch(3, false), uids: []imap.UID{5, 0, 7}, want: []int{1}},
		"several":                           {intents: batch(6, false), uids: []imap.UID{5, 0, 0, 8, 0, 10}, want: []int{1, 2, 4}},
		"not stored":                        {intents: batch(3, false), uids: []imap.UID{5, 0, 6}},
		"one of two stored":                 {intents: batch(4, false), uids: []imap.UID{5, 0, 0, 7}},
		"something else came in between":    {intents: batch(3, false), uids: []imap.UID{5, 0, 8}},
		"something else is in its place":    {intents: batch(3, false), uids: []imap.UID{5, 0, 7}, others: []imap.UID{6}},
		"in the place of one of two":        {intents: batch(4, false), uids: []imap.UID{5, 0, 0, 8}, others: []imap.UID{7}}, // the other may be either
		"at the ends":                       {intents: batch(4, false), uids: []imap.UID{0, 6, 7, 0}},
		"together, at the ends":             {intents: batch(4, true), uids: []imap.UID{0, 6, 7, 0}, want: []int{0, 3}},
		"together, but not as UIDNEXT says": {intents: batch(4, true), uids: []imap.UID{0, 6, 7, 0}, NextFolder: 8},
		"together, before the first UID":    {intents: batch(4, true), uids: []imap.UID{0, 0, 1, 2}},
		"together, where others were":       {intents: from(6, batch(4, true)), uids: []imap.UID{0, 6, 7, 0}},
		"together, others at the end":       {intents: batch(4, true), uids: []imap.UID{0, 6, 7, 0}, others: []imap.UID{8}},
		"together, one that is like it":     {intents: batch(3, true), uids: []imap.UID{0, 6, 0}},
		"together, two that are like them":  {intents: batch(4, true), uids: []imap.UID{3, 0, 90, 0}},
		"together, not as they were sent":   {intents: batch(3, true), uids: []imap.UID{7, 0, 5}},
		"of an earlier numbering":           {intents: []store.Intent{{UIDValidity: 8, Batch: 7}, {UIDValidity: 8, Batch: 7, Place: 1}, {UIDValidity: 8, Batch: 7, Place: 2}}, uids: []imap.UID{5, 0, 7}},
		"two that are alike, together": {intents: []store.Intent{twin(one(0, 7, true)), one(1, 7, true), one(2, 7, true), twin(one(3, 7, true))},
			uids: []imap.UID{30, 6, 7, 0}, want: []int{0}, swapped: []imap.UID{0, 6, 7, 30}},
		"two that are alike, both removed": {intents: []store.Intent{one(0, 7, false), twin(one(1, 7, false)), twin(one(2, 7, false)), one(3, 7, false)},
			uids: []imap.UID{5, 0, 0, 8}, want: []int{1, 2}},
		"two that are alike, the first removed": {intents: []store.Intent{one(0, 7, false), twin(one(1, 7, false)), twin(one(2, 7, false)), one(3, 7, false)},
			uids: []imap.UID{5, 7, 0, 8}, want: []int{1}, swapped: []imap.UID{5, 0, 7, 8}},
		"two that are alike, one at the end": {intents: []store.Intent{one(0, 7, false), twin(one(1, 7, false)), one(2, 7, false), twin(one(3, 7, false))},
			uids: []imap.UID{5, 0, 7, 6}, swapped: []imap.UID{5, 6, 7, 0}},
		"two that are alike, the second found": {intents: []store.Intent{one(0, 7, false), twin(one(1, 7, false)), one(2, 7, false), twin(one(3, 7, false))},
			uids: []imap.UID{5, 8, 7, 0}, want: []int{1}, swapped: []imap.UID{5, 0, 7, 8}},
		"two that are alike, and a third that somebody has": {intents: []store.Intent{one(0, 7, false), twin(one(1, 7, false)), one(2, 7, false), twin(one(3, 7, false))},
			uids: []imap.UID{5, 2, 7, 3}},
		"of no batch":                        {intents: []store.Intent{one(0, 0, false), one(1, 0, false), one(2, 0, false)}, uids: []imap.UID{5, 0, 7}},
		"of two batches":                     {intents: []store.Intent{one(0, 7, true), one(1, 7, true), one(0, 8, true), one(1, 8, true)}, uids: []imap.UID{5, 0, 0, 8}, want: []int{1, 2}},
		"of two batches, one not stored":     {intents: []store.Intent{one(0, 7, false), one(1, 7, false), one(0, 8, false)}, uids: []imap.UID{5, 0, 6}},
		"of two batches, another in between": {intents: []store.Intent{one(0, 7, false), one(1, 7, false), one(0, 9, false)}, uids: []imap.UID{5, 0, 7}},
		"of three batches":                   {intents: []store.Intent{one(0, 7, false), one(0, 8, false), one(1, 8, false), one(0, 9, false)}, uids: []imap.UID{5, 0, 0, 8}, want: []int{1, 2}},
		"a part of the batch is known":       {intents: []store.Intent{one(3, 7, false), one(5, 7, false), one(6, 7, false)}, uids: []imap.UID{13, 0, 16}, want: []int{1}},
		"together, neighbours but a hole":    {intents: batch(5, true), uids: []imap.UID{5, 6, 0, 0, 12}},
		"single ones, a pair and a far one":  {intents: batch(5, false), uids: []imap.UID{5, 0, 7, 0, 30}, want: []int{1}},
	}
	for name, tt := range tests {
		copies := make([]message.Candidate, len(tt.uids))
		there := presentUIDs{Validity: 9, Next: 1000, UIDs: map[imap.UID]struct{}{}}
		if tt.NextFolder != 0 {
			there.Next = tt.NextFolder
		}
		for _, uid := range append(tt.others, tt.uids...) {
			there.UIDs[uid] = struct{}{}
		}
		for i, uid := range tt.uids {
			copies[i].UID = uid
			if tt.intents[i].Size == 0 {
				tt.intents[i].Size = uint32(100 + i)
			}
		}
		got := slices.Sorted(maps.Keys(removedSince(tt.intents, copies, there)))
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		want := tt.swapped
		if want == nil {
			want = tt.uids
		}
		for i, c := range copies {
			if c.UID != want[i] {
				t.Errorf("%s: message %d has UID %d, want %d", name, i, c.UID, want[i])
			}
		}
	}
}

// TestRemovedSinceAny draws batches that were stored up to some message, beside what others
// put there, and what people removed of both: nothing that never arrived counts as removed. What
// others put there stays, unless nothing was refused.
func TestRemovedSinceAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		together := rapid.Bool().Draw(t, "together")
		mayRefuse := rapid.Bool().Draw(t, "some may be refused")
		there := presentUIDs{Validity: 9, Next: imap.UID(rapid.IntRange(1, 100).Draw(t, "first")), UIDs: map[imap.UID]struct{}{}}
		var intents []store.Intent
		var real []imap.UID // where each has arrived; 0: nowhere
		var gone []bool
		ended := false
		arrive := func() imap.UID {
			there.Next++
			return there.Next - 1
		}
		for batch := range rapid.IntRange(1, 3).Draw(t, "batches") {
			n := rapid.IntRange(1, 8).Draw(t, "messages")
			refused := together && mayRefuse && rapid.Bool().Draw(t, "refused together")
			ended = ended || together && rapid.Bool().Draw(t, "ended before")
			for i := range n {
				if rapid.IntRange(0, 5).Draw(t, "another") == 0 && !together {
					if uid := arrive(); mayRefuse || rapid.Bool().Draw(t, "another stays") {
						there.UIDs[uid] = struct{}{}
					}
				}
				in := store.Intent{UIDValidity: 9, Batch: uint64(7 + batch), Place: uint32(i), Together: together, Size: uint32(rapid.IntRange(1, 30).Draw(t, "size"))}
				uid := imap.UID(0)
				ended = ended || !together && rapid.IntRange(0, 8).Draw(t, "ended") == 0
				if !ended && !refused && (together || !mayRefuse || rapid.IntRange(0, 3).Draw(t, "one refused") > 0) {
					uid = arrive()
				}
				intents, real = append(intents, in), append(real, uid)
				gone = append(gone, uid != 0 && rapid.IntRange(0, 2).Draw(t, "removed") == 0)
			}
		}
		copies := make([]message.Candidate, len(intents))
		for i, uid := range real { // of those that are alike the first get the lowest UIDs
			if uid == 0 || gone[i] {
				continue
			}
			there.UIDs[uid] = struct{}{}
			for k := range copies {
				if copies[k].UID == 0 && intents[k].Size == intents[i].Size {
					copies[k].UID = uid
					break
				}
			}
		}
		removed := removedSince(intents, copies, there)
		arrived, counted := map[uint32]int{}, map[uint32]int{}
		for i, in := range intents {
			if real[i] != 0 {
				arrived[in.Size]++
			}
			if copies[i].UID != 0 || removed[i] {
				counted[in.Size]++
			}
			if copies[i].UID != 0 && removed[i] {
				t.Fatalf("message %d is there and removed", i)
			}
		}
		for size, n := range counted {
			if n > arrived[size] {
				t.Fatalf("of size %d %d have arrived, %d count as such: %+v, %v of %v", size, arrived[size], n, copies, removed, real)
			}
		}
	})
}

// TestStrangersTo: what a folder's ledger stands for, or may stand for, has not been moved there.
func TestStrangersTo(t *testing.T) {
	one := func(n byte) message.Candidate {
		return message.Candidate{Fingerprint: store.Fingerprint{n}, Size: int64(n), UID: imap.UID(n)}
	}
	print := func(n byte) store.Fingerprint { return store.Fingerprint{n} }
	ledger := store.Ledger{
		Entries: []store.Entry{
			{Key: "a", UIDValidity: 9, UID: 1, Fingerprint: print(1), Size: 1},
			{Key: "b", Fingerprint: print(2), Size: 2},                          // removed, or nobody knows where
			{Key: "c", UIDValidity: 8, UID: 70, Fingerprint: print(3), Size: 3}, // of an earlier numbering
			{Key: "d", UIDValidity: 9, UID: 71, Fingerprint: print(7), Size: 7}, // another copy of it
		},
		Intents: []store.Intent{{Key: "e", Fingerprint: print(4), Size: 4}},
		Lost:    []store.Intent{{Key: "f", Fingerprint: print(5), Size: 5}},
	}
	var got []imap.UID
	for _, c := range strangersTo(ledger, 9, []message.Candidate{one(1), one(2), one(3), one(4), one(5), one(6), one(7)}) {
		got = append(got, c.UID)
	}
	if want := []imap.UID{6, 7}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
