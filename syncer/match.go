package syncer

import (
	"bytes"
	"cmp"
	"slices"
	"sort"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// sizeSlack is by how many octets a copy may differ in size from its original
// if both have the same fingerprint: other tools mark their copies with a header
// field (X-TUID and the like), servers add or drop one. Octets.
const sizeSlack = 1024

// candidate is a message on the new server that may turn out to be the copy of
// one on the old server.
type candidate struct {
	Fingerprint store.Fingerprint
	Size        int64 // octets; negative if unknown, which matches nothing
	UID         imap.UID
	Date        dateMark
}

// candidateOf makes one of what the new server tells of a message.
func candidateOf(m upstream.Message, header []byte) candidate {
	return candidate{Fingerprint: fingerprintOf(header, m.Size), Size: m.Size, UID: m.UID, Date: dateMarkOf(header)}
}

// wanted is a message of the old server whose copy is looked for.
type wanted struct {
	Fingerprint store.Fingerprint
	Size        int64 // octets; negative if unknown, which matches nothing
}

// candidates hands out each candidate at most once, so that three identical
// messages on the old server need three copies on the new one. It takes four
// octets beside each candidate, and a look-up is a binary search.
type candidates struct {
	sorted []candidate // by fingerprint, size, UID
	next   []int32     // next[i] is i while i is free, else somewhere nearer to the next free one
	bySize []int32     // places of sorted by size; nil until they are needed
}

// newCandidates takes over list (and reorders it).
func newCandidates(list []candidate) *candidates {
	slices.SortFunc(list, compareCandidates)
	c := &candidates{sorted: list, next: make([]int32, len(list)+1)}
	for i := range c.next {
		c.next[i] = int32(i)
	}
	return c
}

// takeAll finds the copies of many messages; the result goes with want, index
// by index, and a candidate with UID 0 stands for none. Exact matches come
// first, for all of want, the lowest UID before the others. Then
// copies that are larger by no more than sizeSlack (a
// tool added a field), the largest message choosing first, so that of two
// messages with the same Message-ID (sent, and come back through a list) each
// gets its own copy. Then smaller ones.
func (c *candidates) takeAll(want []wanted) []candidate {
	found := make([]candidate, len(want))
	c.round(want, found, inOrder(want), 0, 0)
	rest := missing(want, found)
	c.round(want, found, rest, 0, sizeSlack)
	c.round(want, found, rest, -sizeSlack, 0)
	return found
}

// takeExact is takeAll without slack.
func (c *candidates) takeExact(want []wanted) []candidate {
	found := make([]candidate, len(want))
	c.round(want, found, inOrder(want), 0, 0)
	return found
}

// round gives each message of order that has no copy yet the first free
// candidate whose size differs by low to high octets.
func (c *candidates) round(want []wanted, found []candidate, order []int, low, high int64) {
	for _, i := range order {
		w := want[i]
		if found[i].UID != 0 || w.Size < 0 {
			continue
		}
		at := c.free(c.search(w.Fingerprint, max(w.Size+low, 0)))
		if at == len(c.sorted) {
			continue
		}
		if m := c.sorted[at]; m.Fingerprint == w.Fingerprint && m.Size <= w.Size+high {
			found[i] = m
			c.next[at] = int32(at) + 1
		}
	}
}

func inOrder(want []wanted) []int {
	order := make([]int, len(want))
	for i := range order {
		order[i] = i
	}
	return order
}

// missing returns the indices of what was not found, the largest first.
func missing(want []wanted, found []candidate) []int {
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
func (c *candidates) search(fp store.Fingerprint, size int64) int {
	least := candidate{Fingerprint: fp, Size: size}
	return sort.Search(len(c.sorted), func(i int) bool { return compareCandidates(c.sorted[i], least) >= 0 })
}

// free returns the first candidate at or after i that was not taken, and
// shortens the way for the next call.
func (c *candidates) free(i int) int {
	for int(c.next[i]) != i {
		c.next[i] = c.next[c.next[i]]
		i = int(c.next[i])
	}
	return i
}

func compareCandidates(a, b candidate) int {
	if c := bytes.Compare(a.Fingerprint[:], b.Fingerprint[:]); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Size, b.Size); c != 0 {
		return c
	}
	return cmp.Compare(a.UID, b.UID)
}
