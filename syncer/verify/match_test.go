package verify

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"postferry/report"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"
)

// rec makes a record; a sum of 0 was not read.
func rec(mark byte, uid imap.UID, size uint32, date int64, flags uint32, sum byte) record {
	r := record{uid: uid, size: size, date: date, flags: flags, read: sum != 0}
	r.mark[0], r.sum[0] = mark, sum
	return r
}

func TestRecordIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(record{}); size > 48 {
		t.Errorf("a record has %d octets", size)
	}
}

// TestMatch names messages by their UIDs: altered 1-2 are UID 1 of the old server and 2 of the new.
func TestMatch(t *testing.T) {
	for name, tt := range map[string]struct {
		old, new []record
		bodies   bool
		sums     map[imap.UID]byte // of the bodies to be read; new ones from 100
		want     string
	}{
		"same":              {old: []record{rec(1, 1, 9, 5, 0, 0)}, new: []record{rec(1, 101, 9, 5, 0, 0)}, want: "same 1"},
		"missing and extra": {old: []record{rec(1, 1, 9, 5, 0, 0)}, new: []record{rec(2, 101, 9, 5, 0, 0)}, want: "same 0; extra 0-101; missing 1-0"},
		"doubled":           {old: []record{rec(1, 1, 9, 5, 0, 0)}, new: []record{rec(1, 101, 9, 5, 0, 0), rec(1, 102, 9, 6, 0, 0)}, want: "same 1; doubled 0-102"},
		"two of three": {
			old:  []record{rec(1, 1, 9, 5, 0, 0), rec(1, 2, 9, 5, 0, 0), rec(1, 3, 9, 5, 0, 0)},
			new:  []record{rec(1, 101, 9, 5, 0, 0), rec(1, 102, 9, 5, 0, 0)},
			want: "same 2; missing 3-0",
		},
		"date":         {old: []record{rec(1, 1, 9, 5, 0, 0)}, new: []record{rec(1, 101, 9, 6, 0, 0)}, want: "same 0; date 1-101"},
		"no date":      {old: []record{rec(1, 1, 9, noDate, 0, 0)}, new: []record{rec(1, 101, 9, 6, 0, 0)}, want: "same 1"},
		"flags":        {old: []record{rec(1, 1, 9, 5, 0, 0)}, new: []record{rec(1, 101, 9, 5, 1, 0)}, want: "same 0; flags 1-101"},
		"size, ends":   {old: []record{rec(1, 1, 9, 5, 0, 0)}, new: []record{rec(1, 101, 8, 5, 0, 0)}, sums: map[imap.UID]byte{1: 7, 101: 7}, want: "same 1"},
		"size, body":   {old: []record{rec(1, 1, 9, 5, 0, 0)}, new: []record{rec(1, 101, 8, 5, 0, 0)}, sums: map[imap.UID]byte{1: 7, 101: 8}, want: "same 0; altered 1-101"},
		"size, unread": {old: []record{rec(1, 1, 9, 5, 0, 0)}, new: []record{rec(1, 101, 8, 5, 0, 0)}, want: "same 0; unreadable 1-101"},
		"best partner first": {
			old:  []record{rec(1, 1, 9, 5, 0, 0), rec(1, 2, 9, 6, 1, 0)},
			new:  []record{rec(1, 101, 9, 6, 1, 0), rec(1, 102, 9, 5, 0, 0)},
			want: "same 2",
		},
		"bodies same, sizes not": {bodies: true, old: []record{rec(1, 1, 9, 5, 0, 7)}, new: []record{rec(1, 101, 8, 5, 0, 7)}, want: "same 1"},
		"bodies altered":         {bodies: true, old: []record{rec(1, 1, 9, 5, 0, 7)}, new: []record{rec(1, 101, 9, 5, 0, 8)}, want: "same 0; altered 1-101"},
		"bodies doubled":         {bodies: true, old: []record{rec(1, 1, 9, 5, 0, 7)}, new: []record{rec(1, 101, 9, 5, 0, 7), rec(1, 102, 9, 5, 0, 7)}, want: "same 1; doubled 0-102"},
		"bodies unread":          {bodies: true, old: []record{rec(1, 1, 9, 5, 0, 0)}, new: []record{rec(1, 101, 9, 5, 0, 7)}, want: "same 0; unreadable 1-101"},
		"neither body":           {bodies: true, old: []record{rec(1, 1, 9, 5, 0, 0)}, new: []record{rec(1, 101, 9, 5, 0, 0)}, want: "same 0; unreadable 1-101"},
	} {
		t.Run(name, func(t *testing.T) {
			read := func(old, new []int32) error {
				for _, o := range old {
					r := &tt.old[o]
					r.sum[0], r.read = tt.sums[r.uid], tt.sums[r.uid] != 0
				}
				for _, n := range new {
					r := &tt.new[n]
					r.sum[0], r.read = tt.sums[r.uid], tt.sums[r.uid] != 0
				}
				return nil
			}
			m, err := match(tt.old, tt.new, tt.bodies, read)
			if err != nil {
				t.Fatal(err)
			}
			if got := spell(m); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func spell(m *matcher) string {
	var lines []string
	for _, v := range m.verdicts {
		var o, n imap.UID
		if v.old != nobody {
			o = m.old[v.old].uid
		}
		if v.new != nobody {
			n = m.new[v.new].uid
		}
		lines = append(lines, fmt.Sprintf("%s %d-%d", v.kind, o, n))
	}
	slices.Sort(lines)
	return strings.Join(append([]string{fmt.Sprintf("same %d", m.same)}, lines...), "; ")
}

// TestMatchCounts: whatever the folders, each message has exactly one place in
// the result, and how many of a kind there are is a matter of counting.
func TestMatchCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) []record {
			n := rapid.IntRange(0, 30).Draw(t, name)
			list := make([]record, n)
			for i := range list {
				list[i] = rec(byte(rapid.IntRange(0, 3).Draw(t, "mark")), imap.UID(i+1), 9,
					int64(rapid.IntRange(0, 2).Draw(t, "date")), uint32(rapid.IntRange(0, 1).Draw(t, "flags")),
					byte(rapid.IntRange(1, 3).Draw(t, "sum")))
			}
			return list
		}
		old, new := draw("old"), draw("new")
		m, err := match(old, new, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		content := func(list []record) map[[2]byte]int {
			count := map[[2]byte]int{}
			for _, r := range list {
				count[[2]byte{r.mark[0], r.sum[0]}]++
			}
			return count
		}
		pairs, countOld, countNew := 0, content(old), content(new)
		for key, n := range countOld {
			pairs += min(n, countNew[key])
		}
		var seenOld, seenNew, same int
		single, paired := map[report.FindingKind]int{}, map[[2]int32]bool{}
		for _, v := range m.verdicts {
			switch v.kind {
			case report.Missing, report.Extra, report.Doubled, report.Altered:
				single[v.kind]++
			default:
				paired[[2]int32{v.old, v.new}] = true
			}
		}
		same = m.same + len(paired)
		if same != pairs {
			t.Fatalf("%d pairs, want %d", same, pairs)
		}
		seenOld = same + single[report.Altered] + single[report.Missing]
		seenNew = same + single[report.Altered] + single[report.Extra] + single[report.Doubled]
		if seenOld != len(old) || seenNew != len(new) {
			t.Fatalf("%d of %d and %d of %d messages in the result", seenOld, len(old), seenNew, len(new))
		}
	})
}

// TestMatchLarge: half a million messages, one damaged, in the time and memory
// of a sort; and as many without any header.
func TestMatchLarge(t *testing.T) {
	const n = 500_000
	for _, marks := range []int{n, 1} {
		rng := rand.New(rand.NewPCG(1, uint64(marks)))
		old := make([]record, n)
		for i := range old {
			old[i] = record{uid: imap.UID(i + 1), size: uint32(i), date: rng.Int64N(1000)}
			binary.BigEndian.PutUint64(old[i].mark[:], uint64(i%marks))
		}
		new := slices.Clone(old)
		rng.Shuffle(n, func(i, j int) { new[i], new[j] = new[j], new[i] })
		gone := new[0].uid
		m, err := match(old, new[1:], false, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := spell(m), fmt.Sprintf("same %d; missing %d-0", n-1, gone); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
