package message

import (
	"cmp"
	"slices"
	"sort"
)

// A copy may have another fingerprint than its original although nothing that matters was
// changed. Of a message without a Message-ID the size is a part of it, and Courier
// ends a last line; Cyrus writes X for octets above 127 in a header; Courier does not find a
// field with a blank before its colon. So what is left over on both sides is compared as a whole,
// if size and date allow it.

const (
	// resemblingSlack is by how many octets the sizes may differ: a line end at the end.
	resemblingSlack = 2
	// ambiguousMost is how many messages with one fingerprint are read to tell them apart; of more
	// the order must do.
	ambiguousMost = 100
	// resemblingMost bounds how many candidates are looked through for one message, and how
	// many messages are read of which no date is known that would tell them from others.
	resemblingMost = 1000
)

// dateOf is what is known of a wanted message's date; 0 for nothing.
func (p *Pairing) dateOf(place int) DateMark {
	if p.Date == nil {
		return 0
	}
	return p.Date(place)
}

// resembles tells whether a candidate is worth being compared as a whole.
func (w Wanted) resembles(date DateMark, c Candidate) bool {
	if date != 0 && c.Date != 0 && date != c.Date {
		return false
	}
	differ := max(c.Size-w.Size, w.Size-c.Size)
	return differ <= resemblingSlack || !HasMessageID(w.Fingerprint) && !HasMessageID(c.Fingerprint) && near(w.Size, c.Size)
}

// resembling are the places of the free candidates that one of what is wanted may be although
// their fingerprints differ.
func (p *Pairing) resembling(place int) (at []int) {
	w, date := p.Want[place], p.dateOf(place)
	if w.Size < 0 || len(p.Sorted) == 0 {
		return nil
	}
	slack := int64(resemblingSlack)
	if !HasMessageID(w.Fingerprint) { // servers count line ends as one octet or two
		slack += w.Size / 16
	}
	sizes := p.sizes()
	from := sort.Search(len(sizes), func(n int) bool { return p.Sorted[sizes[n]].Size >= w.Size-slack })
	for _, i := range sizes[from:min(from+resemblingMost, len(sizes))] {
		if p.Sorted[i].Size > w.Size+slack {
			break
		}
		if p.next[i] == i && p.Sorted[i].Fingerprint != w.Fingerprint && w.resembles(date, p.Sorted[i]) {
			at = append(at, int(i))
		}
	}
	return at
}

// worthReading are those of resembling that are read. Where no date is known there may be many.
func (p *Pairing) worthReading(place int) []int {
	at := p.resembling(place)
	if len(at) > 0 && p.dateOf(place) == 0 {
		if p.undated++; p.undated > resemblingMost {
			return nil
		}
	}
	return at
}

// identical tells whether all of a candidate is what is wanted.
func (p *Pairing) identical(place int, c Candidate) bool {
	old, haveOld := p.Olds[place]
	copied, haveNew := p.News[c.UID]
	return haveOld && haveNew && old.same(copied)
}

// sizes are the places of the candidates by their sizes.
func (c *Candidates) sizes() []int32 {
	if len(c.bySize) != len(c.Sorted) {
		c.bySize = make([]int32, len(c.Sorted))
		for i := range c.bySize {
			c.bySize[i] = int32(i)
		}
		slices.SortFunc(c.bySize, func(a, b int32) int {
			return cmp.Or(cmp.Compare(c.Sorted[a].Size, c.Sorted[b].Size), cmp.Compare(a, b))
		})
	}
	return c.bySize
}

// ambiguous are the places of those messages whose fingerprint says too little: without a
// Message-ID several may have one, of the same size, or there is no field in it at all. Which is
// which only their text tells.
func ambiguous(want []Wanted) map[int]bool {
	by := map[Wanted][]int{}
	for i, w := range want {
		if w.Size >= 0 && !HasMessageID(w.Fingerprint) {
			by[w] = append(by[w], i)
		}
	}
	found := map[int]bool{}
	for w, places := range by {
		if len(places) > ambiguousMost {
			continue
		}
		if len(places) > 1 || w.Fingerprint == Fingerprint(nil, w.Size) {
			for _, i := range places {
				found[i] = true
			}
		}
	}
	return found
}

// but is what is wanted without some of it, in the same places.
func (p *Pairing) but(places map[int]bool) []Wanted {
	if len(places) == 0 {
		return p.Want
	}
	rest := slices.Clone(p.Want)
	for i := range places {
		rest[i].Size = -1
	}
	return rest
}
