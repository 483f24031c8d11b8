package syncer

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// copyEvidence tells whether messages are copies of those that they may be recognised as,
// although they have another size: a fingerprint alone does not say that.
type copyEvidence struct {
	// old reads the wanted messages at some places, fresh the candidates with some UIDs. What
	// can't be had is missing.
	old   func(ctx context.Context, places []int) (map[int]content, error)
	fresh func(ctx context.Context, uids []imap.UID) (map[imap.UID]content, error)
	// marked tells whether what other tools have added explains the difference; nil for no.
	marked func(place int, c candidate) bool
	// date tells most wanted messages with different dates from one another; nil for not known.
	date func(place int) dateMark
	// unread decides where one of the two can't be read.
	unread func(place int, c candidate, haveOld bool) bool
}

// near tells whether sizes may be those of one message: servers count line ends as one octet
// or two, and tools add fields.
func near(a, b int64) bool {
	return a >= 0 && b >= 0 && wanted{Size: a}.mayHave(b) && wanted{Size: b}.mayHave(a)
}

// pairing is one run of takeProved.
type pairing struct {
	*candidates
	copyEvidence
	want  []wanted
	found []candidate
	olds  map[int]content
	news  map[imap.UID]content

	ambiguous map[int]bool // places of messages that others have the fingerprint of

	undated int // messages without a known date that were read because something resembles them
}

// takeProved is takeAll with evidence for each candidate whose size is not exactly the wanted one.
func (c *candidates) takeProved(ctx context.Context, want []wanted, ev copyEvidence) ([]candidate, error) {
	p := &pairing{candidates: c, copyEvidence: ev, want: want, ambiguous: ambiguous(want)}
	p.found = c.takeExact(p.but(p.ambiguous))
	err := p.gather(ctx)
	if err == nil {
		p.assign()
	}
	return p.found, err
}

// alike are the places of the free candidates that one of what is wanted may be.
func (p *pairing) alike(place int) (at []int) {
	w := p.want[place]
	if w.Size < 0 {
		return nil
	}
	for i := p.search(w.Fingerprint, 0); i < len(p.sorted) && p.sorted[i].Fingerprint == w.Fingerprint; i++ {
		if int(p.next[i]) == i && near(w.Size, p.sorted[i].Size) {
			at = append(at, i)
		}
	}
	return at
}

// unmarked are those of candidates whose size other tools' marks don't explain.
func (p *pairing) unmarked(place int, at []int) []int {
	return slices.DeleteFunc(at, func(at int) bool { return p.explained(place, p.sorted[at]) })
}

// explained tells whether other tools' marks are all that a candidate differs by.
func (p *pairing) explained(place int, c candidate) bool {
	return p.marked != nil && !p.ambiguous[place] && p.marked(place, c)
}

// gather reads what has to be compared.
func (p *pairing) gather(ctx context.Context) (err error) {
	var places []int
	var uids []imap.UID
	asked := map[imap.UID]bool{}
	for _, i := range missing(p.want, p.found) {
		for _, at := range slices.Concat(p.unmarked(i, p.alike(i)), p.worthReading(i)) {
			c := p.sorted[at]
			if len(places) == 0 || places[len(places)-1] != i {
				places = append(places, i)
			}
			if !asked[c.UID] {
				asked[c.UID] = true
				uids = append(uids, c.UID)
			}
		}
	}
	if len(places) == 0 {
		return nil
	}
	if p.olds, err = p.old(ctx, places); err != nil {
		return err
	}
	p.news, err = p.fresh(ctx, uids)
	return err
}

// assign gives each of what is wanted the first candidate that is proved to be it, the
// largest first.
func (p *pairing) assign() {
	p.give(p.alike, p.identical)
	p.give(p.alike, p.proved)
	p.give(p.resembling, p.identical)
}

func (p *pairing) give(among func(place int) []int, proved func(place int, c candidate) bool) {
	for _, i := range missing(p.want, p.found) {
		for _, at := range among(i) {
			if proved(i, p.sorted[at]) {
				p.found[i] = p.sorted[at]
				p.next[at] = int32(at) + 1
				break
			}
		}
	}
}

func (p *pairing) proved(place int, c candidate) bool {
	if p.explained(place, c) {
		return true
	}
	old, haveOld := p.olds[place]
	copied, haveNew := p.news[c.UID]
	if !haveOld || !haveNew {
		return p.ambiguous[place] && c.Size == p.want[place].Size || p.unread != nil && p.unread(place, c, haveOld)
	}
	if p.ambiguous[place] {
		return old.same(copied)
	}
	return old.says(copied)
}

// withinSlack tells whether sizes differ by so little that no more can be said.
func withinSlack(w wanted, c candidate) bool {
	return c.Size >= w.Size-sizeSlack && c.Size <= w.Size+sizeSlack
}
