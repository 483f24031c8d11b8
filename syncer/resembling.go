package syncer

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
func (p *pairing) dateOf(place int) dateMark {
	if p.date == nil {
		return 0
	}
	return p.date(place)
}

// resembles tells whether a candidate is worth being compared as a whole.
func (w wanted) resembles(date dateMark, c candidate) bool {
	if date != 0 && c.Date != 0 && date != c.Date {
		return false
	}
	differ := max(c.Size-w.Size, w.Size-c.Size)
	return differ <= resemblingSlack || !hasMessageID(w.Fingerprint) && !hasMessageID(c.Fingerprint) && near(w.Size, c.Size)
}

// resembling are the places of the free candidates that one of what is wanted may be although
// their fingerprints differ.
func (p *pairing) resembling(place int) (at []int) {
	w, date := p.want[place], p.dateOf(place)
	if w.Size < 0 || len(p.sorted) == 0 {
		return nil
	}
	slack := int64(resemblingSlack)
	if !hasMessageID(w.Fingerprint) { // servers count line ends as one octet or two
		slack += w.Size / 16
	}
	sizes := p.sizes()
	from := sort.Search(len(sizes), func(n int) bool { return p.sorted[sizes[n]].Size >= w.Size-slack })
	for _, i := range sizes[from:min(from+resemblingMost, len(sizes))] {
		if p.sorted[i].Size > w.Size+slack {
			break
		}
		if p.next[i] == i && p.sorted[i].Fingerprint != w.Fingerprint && w.resembles(date, p.sorted[i]) {
			at = append(at, int(i))
		}
	}
	return at
}

// worthReading are those of resembling that are read. Where no date is known there may be many.
func (p *pairing) worthReading(place int) []int {
	at := p.resembling(place)
	if len(at) > 0 && p.dateOf(place) == 0 {
		if p.undated++; p.undated > resemblingMost {
			return nil
		}
	}
	return at
}

// identical tells whether all of a candidate is what is wanted.
func (p *pairing) identical(place int, c candidate) bool {
	old, haveOld := p.olds[place]
	copied, haveNew := p.news[c.UID]
	return haveOld && haveNew && old.same(copied)
}

// sizes are the places of the candidates by their sizes.
func (c *candidates) sizes() []int32 {
	if len(c.bySize) != len(c.sorted) {
		c.bySize = make([]int32, len(c.sorted))
		for i := range c.bySize {
			c.bySize[i] = int32(i)
		}
		slices.SortFunc(c.bySize, func(a, b int32) int {
			return cmp.Or(cmp.Compare(c.sorted[a].Size, c.sorted[b].Size), cmp.Compare(a, b))
		})
	}
	return c.bySize
}

// ambiguous are the places of those messages whose fingerprint says too little: without a
// Message-ID several may have one, of the same size, or there is no field in it at all. Which is
// which only their text tells.
func ambiguous(want []wanted) map[int]bool {
	by := map[wanted][]int{}
	for i, w := range want {
		if w.Size >= 0 && !hasMessageID(w.Fingerprint) {
			by[w] = append(by[w], i)
		}
	}
	found := map[int]bool{}
	for w, places := range by {
		if len(places) > ambiguousMost {
			continue
		}
		if len(places) > 1 || w.Fingerprint == fingerprintOf(nil, w.Size) {
			for _, i := range places {
				found[i] = true
			}
		}
	}
	return found
}

// but is what is wanted without some of it, in the same places.
func (p *pairing) but(places map[int]bool) []wanted {
	if len(places) == 0 {
		return p.want
	}
	rest := slices.Clone(p.want)
	for i := range places {
		rest[i].Size = -1
	}
	return rest
}
