package message

import (
	"bytes"
	"cmp"
	"slices"
	"sort"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// SizeSlack is by how many octets a copy may differ in size from its original
// if both have the same fingerprint: other tools mark their copies with a header
// field (X-TUID and the like), servers add or drop one. Octets.
const SizeSlack = 1024

// Candidate is a message on the new server that may turn out to be the copy of
// one on the old server.
type Candidate struct {
	Fingerprint store.Fingerprint
	Size        int64 // octets; negative if unknown, which matches nothing
	UID         imap.UID
	Date        DateMark
}

// CandidateOf makes one of what the new server tells of a message.
func CandidateOf(m upstream.Message, header []byte) Candidate {
	return Candidate{Fingerprint: Fingerprint(header, m.Size), Size: m.Size, UID: m.UID, Date: DateMarkOf(header)}
}

// Wanted is a message of the old server whose copy is looked for.
type Wanted struct {
	Fingerprint store.Fingerprint
	Size        int64 // octets; negative if unknown, which matches nothing
}

// Candidates hands out each candidate at most once, so that three identical
// messages on the old server need three copies on the new one. It takes four
// octets beside each candidate, and a look-up is a binary search.
type Candidates struct {
	Sorted []Candidate // by fingerprint, size, UID
	next   []int32     // next[i] is i while i is free, else somewhere nearer to the next free one
	bySize []int32     // places of sorted by size; nil until they are needed
}

// NewCandidates takes over list (and reorders it).
func NewCandidates(list []Candidate) *Candidates {
	slices.SortFunc(list, compareCandidates)
	c := &Candidates{Sorted: list, next: make([]int32, len(list)+1)}
	for i := range c.next {
		c.next[i] = int32(i)
	}
	return c
}

// TakeAll finds the copies of many messages; the result goes with want, index
// by index, and a candidate with UID 0 stands for none. Exact matches come
// first, for all of want, the lowest UID before the others. Then
// copies that are larger by no more than sizeSlack (a
// tool added a field), the largest message choosing first, so that of two
// messages with the same Message-ID (sent, and come back through a list) each
// gets its own copy. Then smaller ones.
func (c *Candidates) TakeAll(want []Wanted) []Candidate {
	found := make([]Candidate, len(want))
	c.round(want, found, inOrder(want), 0, 0)
	rest := Unfound(want, found)
	c.round(want, found, rest, 0, SizeSlack)
	c.round(want, found, rest, -SizeSlack, 0)
	return found
}

// TakeExact is takeAll without slack.
func (c *Candidates) TakeExact(want []Wanted) []Candidate {
	found := make([]Candidate, len(want))
	c.round(want, found, inOrder(want), 0, 0)
	return found
}

// Prints are the fingerprints of wanted messages that free candidates have.
func (c *Candidates) Prints(want []Wanted) map[store.Fingerprint]bool {
	prints := map[store.Fingerprint]bool{}
	for _, w := range want {
		if at := c.free(c.search(w.Fingerprint, 0)); w.Size >= 0 && at < len(c.Sorted) && c.Sorted[at].Fingerprint == w.Fingerprint {
			prints[w.Fingerprint] = true
		}
	}
	return prints
}

// LeaveFor takes a candidate away for each of these copies: one of its size, or else one of nearly its size that is not
// exactly one of others.
func (c *Candidates) LeaveFor(copies, others []Wanted) {
	exactly := map[Wanted]bool{}
	for _, w := range others {
		exactly[w] = true
	}
	for i, m := range c.TakeExact(copies) {
		if m.UID == 0 && copies[i].Size >= 0 {
			c.leaveNear(copies[i], exactly)
		}
	}
}

// leaveNear takes away the first free candidate that may be a copy and is not exactly another's, of the first few with the
// fingerprint.
func (c *Candidates) leaveNear(copied Wanted, exactly map[Wanted]bool) {
	at := c.free(c.search(copied.Fingerprint, 0))
	for n := 0; n < ambiguousMost && at < len(c.Sorted) && c.Sorted[at].Fingerprint == copied.Fingerprint; n++ {
		if m := c.Sorted[at]; near(copied.Size, m.Size) && !exactly[Wanted{m.Fingerprint, m.Size}] {
			c.next[at] = int32(at) + 1
			return
		}
		at = c.free(at + 1)
	}
}

// round gives each message of order that has no copy yet the first free
// candidate whose size differs by low to high octets.
func (c *Candidates) round(want []Wanted, found []Candidate, order []int, low, high int64) {
	for _, i := range order {
		w := want[i]
		if found[i].UID != 0 || w.Size < 0 {
			continue
		}
		at := c.free(c.search(w.Fingerprint, max(w.Size+low, 0)))
		if at == len(c.Sorted) {
			continue
		}
		if m := c.Sorted[at]; m.Fingerprint == w.Fingerprint && m.Size <= w.Size+high {
			found[i] = m
			c.next[at] = int32(at) + 1
		}
	}
}

func inOrder(want []Wanted) []int {
	order := make([]int, len(want))
	for i := range order {
		order[i] = i
	}
	return order
}

// Unfound returns the indices of what was not found, the largest first.
func Unfound(want []Wanted, found []Candidate) []int {
	var rest []int
	for i := range want {
		if found[i].UID == 0 {
			rest = append(rest, i)
		}
	}
	slices.SortStableFunc(rest, func(a, b int) int { return cmp.Compare(want[b].Size, want[a].Size) })
	return rest
}

// search returns the first candidate with this fingerprint and at least this size.
func (c *Candidates) search(fp store.Fingerprint, size int64) int {
	least := Candidate{Fingerprint: fp, Size: size}
	return sort.Search(len(c.Sorted), func(i int) bool { return compareCandidates(c.Sorted[i], least) >= 0 })
}

// free returns the first candidate at or after i that was not taken, and
// shortens the way for the next call.
func (c *Candidates) free(i int) int {
	for int(c.next[i]) != i {
		c.next[i] = c.next[c.next[i]]
		i = int(c.next[i])
	}
	return i
}

func compareCandidates(a, b Candidate) int {
	if c := bytes.Compare(a.Fingerprint[:], b.Fingerprint[:]); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Size, b.Size); c != 0 {
		return c
	}
	return cmp.Compare(a.UID, b.UID)
}
