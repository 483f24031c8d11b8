package syncer

import (
	"maps"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/store"
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
	tests := map[string]struct {
		intents []store.Intent
		uids    []imap.UID // 0: not found
		want    []int
	}{
		"all there":                        {batch(3, true), []imap.UID{5, 6, 7}, nil},
		"none there":                       {batch(3, true), []imap.UID{0, 0, 0}, nil},
		"the middle one":                   {batch(3, false), []imap.UID{5, 0, 7}, []int{1}},
		"several":                          {batch(6, false), []imap.UID{5, 0, 0, 8, 0, 10}, []int{1, 2, 4}},
		"not stored":                       {batch(3, false), []imap.UID{5, 0, 6}, nil},
		"one of two stored":                {batch(4, false), []imap.UID{5, 0, 0, 7}, nil},
		"something else came in between":   {batch(3, false), []imap.UID{5, 0, 8}, nil},
		"at the ends":                      {batch(4, false), []imap.UID{0, 6, 7, 0}, nil},
		"together, at the ends":            {batch(4, true), []imap.UID{0, 6, 7, 0}, []int{0, 3}},
		"together, one that is like it":    {batch(3, true), []imap.UID{0, 6, 0}, nil},
		"together, two that are like them": {batch(4, true), []imap.UID{3, 0, 90, 0}, nil},
		"together, not as they were sent":  {batch(3, true), []imap.UID{7, 0, 5}, nil},
		"of an earlier numbering":          {[]store.Intent{{UIDValidity: 8, Batch: 7}, {UIDValidity: 8, Batch: 7, Place: 1}, {UIDValidity: 8, Batch: 7, Place: 2}}, []imap.UID{5, 0, 7}, nil},
		"two that are alike": {[]store.Intent{{UIDValidity: 9, Batch: 7, Size: 1}, one(1, 7, true), one(2, 7, true), {UIDValidity: 9, Batch: 7, Place: 3, Together: true, Size: 1}},
			[]imap.UID{30, 6, 7, 0}, nil},
		"of no batch":                       {[]store.Intent{one(0, 0, false), one(1, 0, false), one(2, 0, false)}, []imap.UID{5, 0, 7}, nil},
		"of two batches":                    {[]store.Intent{one(0, 7, true), one(1, 7, true), one(0, 8, true), one(1, 8, true)}, []imap.UID{5, 0, 0, 8}, nil},
		"a part of the batch is known":      {[]store.Intent{one(3, 7, false), one(5, 7, false), one(6, 7, false)}, []imap.UID{13, 0, 16}, []int{1}},
		"together, neighbours but a hole":   {batch(5, true), []imap.UID{5, 6, 0, 0, 12}, nil},
		"single ones, a pair and a far one": {batch(5, false), []imap.UID{5, 0, 7, 0, 30}, []int{1}},
	}
	for name, tt := range tests {
		copies := make([]candidate, len(tt.uids))
		for i, uid := range tt.uids {
			copies[i].UID = uid
			if tt.intents[i].Size == 0 {
				tt.intents[i].Size = uint32(100 + i)
			}
		}
		got := slices.Sorted(maps.Keys(removedSince(tt.intents, copies, 9)))
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// TestRemovedSinceAny draws batches that were stored up to some message, and what people
// removed of them: nothing that never arrived counts as removed.
func TestRemovedSinceAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "messages")
		together := rapid.Bool().Draw(t, "together")
		stored := n
		if !together || rapid.Bool().Draw(t, "nothing stored") {
			stored = rapid.IntRange(0, n).Draw(t, "stored")
		}
		if together && stored < n {
			stored = 0
		}
		uid := imap.UID(rapid.IntRange(1, 100).Draw(t, "first"))
		intents, copies := make([]store.Intent, n), make([]candidate, n)
		for i := range n {
			intents[i] = store.Intent{UIDValidity: 9, Batch: 7, Place: uint32(i), Together: together, Size: uint32(100 + i)}
			if i < stored && (together || !rapid.Bool().Draw(t, "refused")) {
				if !rapid.Bool().Draw(t, "removed") {
					copies[i].UID = uid
				}
				uid++
				continue
			}
			intents[i].Taken = true // stands for: never stored
		}
		for i := range removedSince(intents, copies, 9) {
			if intents[i].Taken {
				t.Fatalf("message %d never arrived: %+v", i, copies)
			}
		}
	})
}

// TestMovedWhileInDoubt: messages whose arrival the new server could not tell any more, and
// which their user has moved or deleted before we were back, are neither stored twice nor back.
func TestMovedWhileInDoubt(t *testing.T) {
	for _, single := range []bool{false, true} {
		r := newRig(t)
		const n = 90
		for i := range n {
			r.pair.old.deliver("INBOX", mail(i))
		}
		r.pair.new.single = single
		var moved [][]byte
		r.pair.new.fail(func(step string) error {
			if step != "WAIT" && step != "+WAIT" || moved != nil {
				return nil
			}
			box := r.pair.new.folders["INBOX"]
			for _, at := range []int{40, 41, 60} {
				moved = append(moved, box.messages[at].body)
			}
			box.messages = slices.Delete(box.messages, 60, 61)
			box.messages = slices.Delete(box.messages, 40, 42)
			return lostError("APPEND")
		})
		r.start(false)
		if res := r.sync(); !res.Pass.Complete || len(moved) != 3 {
			t.Fatalf("%+v, problem %+v, %d moved", res.Pass, res.Problem, len(moved))
		}
		got := r.pair.new.bodies("INBOX")
		slices.Sort(got)
		if len(slices.Compact(slices.Clone(got))) != len(got) || len(got) != n-3 {
			t.Errorf("%d messages, %d different ones, want %d", len(got), len(slices.Compact(got)), n-3)
		}
		for _, body := range moved {
			if slices.Contains(got, string(body)) {
				t.Error("one that was moved is back")
			}
		}
	}
}
