package verify

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/report"
	"postferry/store"
)

// record is what a verification keeps of a message: 48 octets, so that a
// folder of 500,000 messages takes 24 MB a side.
type record struct {
	date  int64             // INTERNALDATE in Unix seconds; noDate if the server did not tell
	mark  store.Fingerprint // of the header, without the size
	sum   [16]byte          // of the body with its line ends made alike, if read
	size  uint32            // RFC822.SIZE, at most the largest value
	uid   imap.UID
	flags uint32 // what the folder's flagTable knows the flags by
	read  bool   // sum is there

	marked   bool // mark is there
	headless bool // mark could not be had: nothing can be said of the message
}

// noDate is the date of a message whose server told none.
var noDate = time.Time{}.Unix()

// noFlags are the flags of a message whose server has none.
const noFlags = math.MaxUint32

// verdict is one thing found about a message of either side or a pair; the
// numbers are places in the lists of records, -1 for none.
type verdict struct {
	kind     report.FindingKind
	old, new int32
}

const nobody = -1

// matcher pairs the messages of two folders. Messages are only compared with
// those of the same mark; within a mark multiplicity counts.
type matcher struct {
	old, new []record
	bodies   bool // what is the same is said by the sums, not by the sizes
	verdicts []verdict
	same     int    // pairs of which nothing differs
	open     []open // of which sizes alone don't say enough
}

// open are messages of one mark on both sides that have no partner of the same size.
type open struct{ old, new []int32 }

// match compares two folders. Without bodies, what has the same mark but
// another size counts as altered only if read, which is called at most once
// with the places of all those messages and fills in their sums, shows that
// the bodies differ by more than their line ends: servers count those
// differently.
func match(old, new []record, bodies bool, read func(old, new []int32) error) (*matcher, error) {
	m := &matcher{old: old, new: new, bodies: bodies}
	slices.SortFunc(old, compareRecords)
	slices.SortFunc(new, compareRecords)
	for o, n := 0, 0; o < len(old) || n < len(new); {
		c := 0
		switch {
		case o == len(old):
			c = 1
		case n == len(new):
			c = -1
		default:
			c = compareMarks(&old[o], &new[n])
		}
		endO, endN := o, n
		if c <= 0 {
			endO = markEnd(old, o)
		}
		if c >= 0 {
			endN = markEnd(new, n)
		}
		m.group(span(o, endO), span(n, endN))
		o, n = endO, endN
	}
	return m, m.settle(read)
}

func compareMarks(a, b *record) int { return slices.Compare(a.mark[:], b.mark[:]) }

func compareRecords(a, b record) int {
	return cmp.Or(compareMarks(&a, &b), cmp.Compare(a.uid, b.uid))
}

// markEnd is the place behind the last record with the mark of the one at i.
func markEnd(list []record, i int) int {
	end := i + 1
	for end < len(list) && list[end].mark == list[i].mark {
		end++
	}
	return end
}

func span(from, to int) []int32 {
	places := make([]int32, 0, to-from)
	for i := from; i < to; i++ {
		places = append(places, int32(i))
	}
	return places
}

// Orders by what makes messages the same, then by what they should have in common.
func bySize(a, b *record) int { return cmp.Compare(a.size, b.size) }

func bySum(a, b *record) int {
	return cmp.Or(compareBool(a.read, b.read), slices.Compare(a.sum[:], b.sum[:]))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func byDate(a, b *record) int  { return cmp.Compare(a.date, b.date) }
func byFlags(a, b *record) int { return cmp.Compare(a.flags, b.flags) }

// order compares by several things in turn.
func order(by ...func(a, b *record) int) func(a, b *record) int {
	return func(a, b *record) int {
		for _, f := range by {
			if c := f(a, b); c != 0 {
				return c
			}
		}
		return 0
	}
}

// group deals with the messages of one mark.
func (m *matcher) group(old, new []int32) {
	old, new = m.readable(old, new)
	content := bySize
	if m.bodies {
		content = bySum
	}
	if len(old) == 1 && len(new) == 1 && content(&m.old[old[0]], &m.new[new[0]]) == 0 {
		m.pair(old[0], new[0])
		return
	}
	all := slices.Clone(old)
	old, new = m.pairBest(old, new, content)
	if len(old) > 0 && len(new) > 0 {
		if !m.bodies {
			m.open = append(m.open, open{old, new})
			return
		}
		old, new = m.zip(old, new)
	}
	for _, o := range old {
		m.verdicts = append(m.verdicts, verdict{report.Missing, o, nobody})
	}
	m.surplus(new, all, content)
}

// readable takes out what nothing can be said of.
func (m *matcher) readable(old, new []int32) (restOld, restNew []int32) {
	for _, o := range old {
		if m.old[o].headless {
			m.verdicts = append(m.verdicts, verdict{report.Unreadable, o, nobody})
		} else {
			restOld = append(restOld, o)
		}
	}
	for _, n := range new {
		if m.new[n].headless {
			m.verdicts = append(m.verdicts, verdict{report.Unreadable, nobody, n})
		} else {
			restNew = append(restNew, n)
		}
	}
	return restOld, restNew
}

// surplus is for messages of the new server without a partner: all messages of
// the old server that are the same have theirs.
func (m *matcher) surplus(new, old []int32, content func(a, b *record) int) {
	if len(new) == 0 {
		return
	}
	slices.SortFunc(old, func(a, b int32) int { return content(&m.old[a], &m.old[b]) })
	for _, n := range new {
		kind := report.Extra
		if _, found := slices.BinarySearchFunc(old, n, func(o, n int32) int { return content(&m.old[o], &m.new[n]) }); found {
			kind = report.Doubled
		}
		m.verdicts = append(m.verdicts, verdict{kind, nobody, n})
	}
}

// pairBest pairs what has the same content, those first that have date and
// flags in common as well. It returns what has no partner.
func (m *matcher) pairBest(old, new []int32, content func(a, b *record) int) (restOld, restNew []int32) {
	for _, by := range []func(a, b *record) int{
		order(content, byDate, byFlags), order(content, byDate), order(content, byFlags), content,
	} {
		if len(old) == 0 || len(new) == 0 {
			break
		}
		old, new = m.pairOff(old, new, by)
	}
	return old, new
}

// pairOff pairs what by calls equal and returns, in the same memory, what is left.
func (m *matcher) pairOff(old, new []int32, by func(a, b *record) int) (restOld, restNew []int32) {
	slices.SortStableFunc(old, func(a, b int32) int { return by(&m.old[a], &m.old[b]) })
	slices.SortStableFunc(new, func(a, b int32) int { return by(&m.new[a], &m.new[b]) })
	restOld, restNew = old[:0], new[:0]
	o, n := 0, 0
	for o < len(old) && n < len(new) {
		switch c := by(&m.old[old[o]], &m.new[new[n]]); {
		case c < 0:
			restOld = append(restOld, old[o])
			o++
		case c > 0:
			restNew = append(restNew, new[n])
			n++
		default:
			m.pair(old[o], new[n])
			o, n = o+1, n+1
		}
	}
	return append(restOld, old[o:]...), append(restNew, new[n:]...)
}

// pair is for two messages with the same content; if their bodies were to be
// read and neither could be, that is all that can be said.
func (m *matcher) pair(o, n int32) {
	a, b := &m.old[o], &m.new[n]
	before := len(m.verdicts)
	if m.bodies && !a.read {
		m.verdicts = append(m.verdicts, verdict{report.Unreadable, o, n})
	}
	if a.date != b.date && a.date != noDate && b.date != noDate {
		m.verdicts = append(m.verdicts, verdict{report.Dated, o, n})
	}
	if a.flags != b.flags && a.flags != noFlags {
		m.verdicts = append(m.verdicts, verdict{report.Flagged, o, n})
	}
	if len(m.verdicts) == before {
		m.same++
	}
}

// zip takes what has the same mark but another body for altered, and returns
// what has no counterpart at all.
func (m *matcher) zip(old, new []int32) (restOld, restNew []int32) {
	pairs := min(len(old), len(new))
	for i := range pairs {
		kind := report.Altered
		if !m.old[old[i]].read || !m.new[new[i]].read {
			kind = report.Unreadable
		}
		m.verdicts = append(m.verdicts, verdict{kind, old[i], new[i]})
	}
	return old[pairs:], new[pairs:]
}

// settle decides about messages of the same mark and different sizes.
func (m *matcher) settle(read func(old, new []int32) error) error {
	if len(m.open) == 0 {
		return nil
	}
	var old, new []int32
	for _, g := range m.open {
		old, new = append(old, g.old...), append(new, g.new...)
	}
	if err := read(old, new); err != nil {
		return err
	}
	m.bodies = true
	for _, g := range m.open {
		restOld, restNew := m.zip(m.pairBest(g.old, g.new, bySum))
		for _, o := range restOld {
			m.verdicts = append(m.verdicts, verdict{report.Missing, o, nobody})
		}
		for _, n := range restNew {
			m.verdicts = append(m.verdicts, verdict{report.Extra, nobody, n})
		}
	}
	m.open = nil
	return nil
}
