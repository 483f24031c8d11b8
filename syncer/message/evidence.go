package message

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// CopyEvidence tells whether messages are copies of those that they may be recognised as,
// although they have another size: a fingerprint alone does not say that.
type CopyEvidence struct {
	// Old reads the wanted messages at some places, fresh the candidates with some UIDs. What
	// can't be had is missing.
	Old   func(ctx context.Context, places []int) (map[int]Content, error)
	Fresh func(ctx context.Context, uids []imap.UID) (map[imap.UID]Content, error)
	// Marked tells whether what other tools have added explains the difference; nil for no.
	Marked func(place int, c Candidate) bool
	// Date tells most wanted messages with different dates from one another; nil for not known.
	Date func(place int) DateMark
	// Unread decides where one of the two can't be read.
	Unread func(place int, c Candidate, haveOld bool) bool
}

// near tells whether sizes may be those of one message: servers count line ends as one octet
// or two, and tools add fields.
func near(a, b int64) bool {
	return a >= 0 && b >= 0 && Wanted{Size: a}.mayHave(b) && Wanted{Size: b}.mayHave(a)
}

// Pairing is one run of takeProved.
type Pairing struct {
	*Candidates
	CopyEvidence
	Want  []Wanted
	Found []Candidate
	Olds  map[int]Content
	News  map[imap.UID]Content

	ambiguous map[int]bool // places of messages that others have the fingerprint of

	undated int // messages without a known date that were read because something resembles them
}

// TakeProved is takeAll with evidence for each candidate whose size is not exactly the wanted one.
func (c *Candidates) TakeProved(ctx context.Context, want []Wanted, ev CopyEvidence) ([]Candidate, error) {
	p := &Pairing{Candidates: c, CopyEvidence: ev, Want: want, ambiguous: ambiguous(want)}
	p.Found = c.TakeExact(p.but(p.ambiguous))
	err := p.Gather(ctx)
	if err == nil {
		p.Assign()
	}
	return p.Found, err
}

// Alike are the places of the free candidates that one of what is wanted may be.
func (p *Pairing) Alike(place int) (at []int) {
	w := p.Want[place]
	if w.Size < 0 {
		return nil
	}
	for i := p.search(w.Fingerprint, 0); i < len(p.Sorted) && p.Sorted[i].Fingerprint == w.Fingerprint; i++ {
		if int(p.next[i]) == i && near(w.Size, p.Sorted[i].Size) {
			at = append(at, i)
		}
	}
	return at
}

// unmarked are those of candidates whose size other tools' marks don't explain.
func (p *Pairing) unmarked(place int, at []int) []int {
	return slices.DeleteFunc(at, func(at int) bool { return p.explained(place, p.Sorted[at]) })
}

// explained tells whether other tools' marks are all that a candidate differs by.
func (p *Pairing) explained(place int, c Candidate) bool {
	return p.Marked != nil && !p.ambiguous[place] && p.Marked(place, c)
}

// Gather reads what has to be compared.
func (p *Pairing) Gather(ctx context.Context) (err error) {
	var places []int
	var uids []imap.UID
	asked := map[imap.UID]bool{}
	for _, i := range Unfound(p.Want, p.Found) {
		for _, at := range slices.Concat(p.unmarked(i, p.Alike(i)), p.worthReading(i)) {
			c := p.Sorted[at]
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
	if p.Olds, err = p.Old(ctx, places); err != nil {
		return err
	}
	p.News, err = p.Fresh(ctx, uids)
	return err
}

// Assign gives each of what is wanted the first candidate that is proved to be it, the
// largest first.
func (p *Pairing) Assign() {
	p.give(p.Alike, p.identical)
	p.give(p.Alike, p.proved)
	p.give(p.resembling, p.identical)
}

func (p *Pairing) give(among func(place int) []int, proved func(place int, c Candidate) bool) {
	for _, i := range Unfound(p.Want, p.Found) {
		for _, at := range among(i) {
			if proved(i, p.Sorted[at]) {
				p.Found[i] = p.Sorted[at]
				p.next[at] = int32(at) + 1
				break
			}
		}
	}
}

func (p *Pairing) proved(place int, c Candidate) bool {
	if p.explained(place, c) {
		return true
	}
	old, haveOld := p.Olds[place]
	copied, haveNew := p.News[c.UID]
	if !haveOld || !haveNew {
		return p.ambiguous[place] && c.Size == p.Want[place].Size || p.Unread != nil && p.Unread(place, c, haveOld)
	}
	if p.ambiguous[place] {
		return old.same(copied)
	}
	return old.Says(copied)
}

// WithinSlack tells whether sizes differ by so little that no more can be said.
func WithinSlack(w Wanted, c Candidate) bool {
	return c.Size >= w.Size-SizeSlack && c.Size <= w.Size+SizeSlack
}
