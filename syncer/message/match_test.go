package message

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/store"
)

// withID and withoutID make fingerprints of messages with and without a Message-ID.
func withID(n byte) store.Fingerprint    { return store.Fingerprint{messageIDBit, n} }
func withoutID(n byte) store.Fingerprint { return store.Fingerprint{0, n} }

func TestTakeAll(t *testing.T) {
	a, b, anon := withID(1), withID(2), withoutID(1)
	tests := []struct {
		name string
		have []Candidate
		want []Wanted
		uids []imap.UID // 0 for none
	}{
		{"nothing there", nil, []Wanted{{a, 10}}, []imap.UID{0}},
		{"nothing wanted", []Candidate{{a, 10, 1, 0}}, nil, []imap.UID{}},
		{"three identical, one copy", []Candidate{{a, 10, 7, 0}}, []Wanted{{a, 10}, {a, 10}, {a, 10}}, []imap.UID{7, 0, 0}},
		{"one, three identical copies", []Candidate{{a, 10, 9, 0}, {a, 10, 3, 0}, {a, 10, 5, 0}}, []Wanted{{a, 10}}, []imap.UID{3}},
		{"lowest UIDs in order", []Candidate{{a, 10, 9, 0}, {a, 10, 3, 0}, {a, 10, 5, 0}}, []Wanted{{a, 10}, {a, 10}, {a, 10}}, []imap.UID{3, 5, 9}},
		{"another fingerprint", []Candidate{{b, 10, 1, 0}}, []Wanted{{a, 10}}, []imap.UID{0}},
		{"a field was added", []Candidate{{a, 5030, 1, 0}}, []Wanted{{a, 5000}}, []imap.UID{1}},
		{"a field was dropped", []Candidate{{a, 4970, 1, 0}}, []Wanted{{a, 5000}}, []imap.UID{1}},
		{"just within the slack", []Candidate{{a, 6024, 1, 0}}, []Wanted{{a, 5000}}, []imap.UID{1}},
		{"just beyond the slack", []Candidate{{a, 6025, 1, 0}}, []Wanted{{a, 5000}}, []imap.UID{0}},
		{"just within the slack below", []Candidate{{a, 3976, 1, 0}}, []Wanted{{a, 5000}}, []imap.UID{1}},
		{"just beyond the slack below", []Candidate{{a, 3975, 1, 0}}, []Wanted{{a, 5000}}, []imap.UID{0}},
		{"no Message-ID: its size is in the fingerprint, but for marks", []Candidate{{anon, 11, 1, 0}}, []Wanted{{anon, 10}}, []imap.UID{1}},
		{"no Message-ID, exact", []Candidate{{anon, 10, 1, 0}}, []Wanted{{anon, 10}}, []imap.UID{1}},
		{"an exact match is not given to another", []Candidate{{a, 5000, 1, 0}}, []Wanted{{a, 4990}, {a, 5000}}, []imap.UID{0, 1}},
		{"nor when both have one", []Candidate{{a, 5000, 1, 0}, {a, 5030, 2, 0}}, []Wanted{{a, 4990}, {a, 5000}}, []imap.UID{2, 1}},
		{"sent and come back by a list, both marked", []Candidate{{a, 5030, 1, 0}, {a, 5630, 2, 0}}, []Wanted{{a, 5000}, {a, 5600}}, []imap.UID{1, 2}},
		{"the same, wanted the other way round", []Candidate{{a, 5030, 1, 0}, {a, 5630, 2, 0}}, []Wanted{{a, 5600}, {a, 5000}}, []imap.UID{2, 1}},
		{"the same, only the list's is there", []Candidate{{a, 5630, 2, 0}}, []Wanted{{a, 5000}, {a, 5600}}, []imap.UID{0, 2}},
		{"larger before smaller", []Candidate{{a, 5600, 1, 0}, {a, 5700, 2, 0}}, []Wanted{{a, 5650}}, []imap.UID{2}},
		{"unknown size wanted", []Candidate{{a, 0, 1, 0}, {a, -1, 2, 0}}, []Wanted{{a, -1}}, []imap.UID{0}},
		{"unknown size there", []Candidate{{a, -1, 1, 0}}, []Wanted{{a, 0}, {a, 500}}, []imap.UID{0, 0}},
		{"empty messages", []Candidate{{anon, 0, 4, 0}}, []Wanted{{anon, 0}, {anon, 0}}, []imap.UID{4, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := make([]imap.UID, 0)
			for _, c := range NewCandidates(tt.have).TakeAll(tt.want) {
				got = append(got, c.UID)
			}
			if !slices.Equal(got, tt.uids) {
				t.Errorf("got %v, want %v", got, tt.uids)
			}
		})
	}
}

// Used in two calls, a candidate is still given only once.
func TestTakeAllRemembers(t *testing.T) {
	c := NewCandidates([]Candidate{{withID(1), 10, 1, 0}, {withID(1), 10, 2, 0}})
	var got []imap.UID
	for range 3 {
		got = append(got, c.TakeAll([]Wanted{{withID(1), 10}})[0].UID)
	}
	if want := []imap.UID{1, 2, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTakeAllProperties(t *testing.T) {
	print := rapid.SampledFrom([]store.Fingerprint{withID(1), withID(2), withoutID(1), withoutID(2)})
	size := rapid.OneOf(rapid.Int64Range(-1, 3), rapid.Int64Range(1000, 1003), rapid.Int64Range(0, 5000))
	rapid.Check(t, func(t *rapid.T) {
		have := make([]Candidate, rapid.IntRange(0, 40).Draw(t, "have"))
		for i := range have {
			have[i] = Candidate{print.Draw(t, "print"), size.Draw(t, "size"), imap.UID(i + 1), 0}
		}
		want := make([]Wanted, rapid.IntRange(0, 40).Draw(t, "want"))
		for i := range want {
			want[i] = Wanted{print.Draw(t, "print"), size.Draw(t, "size")}
		}
		found := NewCandidates(slices.Clone(have)).TakeAll(want)
		checkMatches(t, have, want, found)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(have), func(i, j int) { have[i], have[j] = have[j], have[i] })
		if again := NewCandidates(have).TakeAll(want); !slices.Equal(again, found) {
			t.Fatalf("the order of the candidates matters: %v, then %v", found, again)
		}
	})
}

// checkMatches: each candidate once, every pair similar enough, as many exact
// pairs as there can be, and nothing left over that would fit together.
func checkMatches(t *rapid.T, have []Candidate, want []Wanted, found []Candidate) {
	used := map[imap.UID]bool{}
	exact, possible := map[Wanted]int{}, map[Wanted]int{}
	for i, c := range found {
		if c.UID == 0 {
			continue
		}
		if used[c.UID] {
			t.Fatalf("%v was given twice", c)
		}
		used[c.UID] = true
		if !similar(c, want[i]) {
			t.Fatalf("%v was given for %v", c, want[i])
		}
		if c.Size == want[i].Size {
			exact[want[i]]++
		}
	}
	there, asked := map[Wanted]int{}, map[Wanted]int{}
	for _, c := range have {
		there[Wanted{c.Fingerprint, c.Size}]++
	}
	for _, w := range want {
		asked[w]++
	}
	for w := range asked {
		if w.Size >= 0 {
			possible[w] = min(asked[w], there[w])
		}
		if exact[w] != possible[w] {
			t.Fatalf("%v: %d exact matches, want %d", w, exact[w], possible[w])
		}
	}
	for i, w := range want {
		for _, c := range have {
			if found[i].UID == 0 && !used[c.UID] && similar(c, w) {
				t.Fatalf("%v was left over and %v without a match", c, w)
			}
		}
	}
}

func similar(c Candidate, w Wanted) bool {
	if c.Fingerprint != w.Fingerprint || c.Size < 0 || w.Size < 0 {
		return false
	}
	d := c.Size - w.Size
	return d >= -SizeSlack && d <= SizeSlack
}

// TestLeaveFor: a message is left alone for each copy, one of its size first, and none that is exactly what somebody else wants.
func TestLeaveFor(t *testing.T) {
	have := []Candidate{{withID(1), 100, 1, 0}, {withID(1), 100, 2, 0}, {withID(1), 130, 3, 0}, {withID(2), 100, 4, 0}}
	for name, tt := range map[string]struct {
		copies, others []Wanted
		left           []imap.UID
	}{
		"one of its size":          {[]Wanted{{withID(1), 100}}, nil, []imap.UID{2, 3, 4}},
		"two, of near sizes":       {[]Wanted{{withID(1), 110}, {withID(1), 110}}, []Wanted{{withID(1), 100}}, []imap.UID{1, 2, 4}},
		"near, if nobody wants it": {[]Wanted{{withID(1), 110}}, nil, []imap.UID{2, 3, 4}},
		"too far":                  {[]Wanted{{withID(1), 100_000}, {withID(3), 100}, {withID(2), -1}}, nil, []imap.UID{1, 2, 3, 4}},
		"more than there are":      {[]Wanted{{withID(2), 100}, {withID(2), 100}}, nil, []imap.UID{1, 2, 3}},
	} {
		c := NewCandidates(slices.Clone(have))
		if c.LeaveFor(tt.copies, tt.others); len(c.Prints([]Wanted{{withID(9), 1}, {withID(1), -1}})) > 0 {
			t.Errorf("%s: prints of what nobody has", name)
		}
		var left []imap.UID
		for at := c.free(0); at < len(c.Sorted); at = c.free(at + 1) {
			left = append(left, c.Sorted[at].UID)
		}
		if slices.Sort(left); !slices.Equal(left, tt.left) {
			t.Errorf("%s: %v are left, want %v", name, left, tt.left)
		}
	}
}

// Many messages, all different or all the same.
var manyKinds = map[string]func(i int) store.Fingerprint{
	"different": func(i int) (fp store.Fingerprint) {
		binary.BigEndian.PutUint32(fp[4:], uint32(i))
		return fp
	},
	"same": func(int) store.Fingerprint { return withID(1) },
}

func many(n int, print func(int) store.Fingerprint) (have []Candidate, want []Wanted) {
	have, want = make([]Candidate, n), make([]Wanted, n)
	for i := range n {
		have[i] = Candidate{print(i), 5000, imap.UID(i + 1), 0}
		want[i] = Wanted{print(i), 5000 - int64(i%2)}
	}
	return have, want
}

// Work that grows with the square of a folder would take minutes here.
func TestTakeAllIsNotQuadratic(t *testing.T) {
	for name, print := range manyKinds {
		t.Run(name, func(t *testing.T) {
			have, want := many(50_000, print)
			start := time.Now()
			found := NewCandidates(have).TakeAll(want)
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			if found[0].UID == 0 || found[len(found)-2].UID == 0 {
				t.Error("exact matches are missing")
			}
		})
	}
}

func BenchmarkTakeAll(b *testing.B) {
	for name, print := range manyKinds {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				have, want := many(500_000, print)
				NewCandidates(have).TakeAll(want)
			}
		})
	}
}
