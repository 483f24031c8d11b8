package syncer

import (
	"context"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
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
}

// takeProved is takeAll with evidence for each candidate whose size is not exactly the wanted one.
func (c *candidates) takeProved(ctx context.Context, want []wanted, ev copyEvidence) ([]candidate, error) {
	p := &pairing{candidates: c, copyEvidence: ev, want: want, found: c.takeExact(want)}
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

// gather reads what has to be compared.
func (p *pairing) gather(ctx context.Context) (err error) {
	var places []int
	var uids []imap.UID
	asked := map[imap.UID]bool{}
	for _, i := range missing(p.want, p.found) {
		for _, at := range p.alike(i) {
			c := p.sorted[at]
			if p.marked != nil && p.marked(i, c) {
				continue
			}
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
	for _, i := range missing(p.want, p.found) {
		for _, at := range p.alike(i) {
			if p.proved(i, p.sorted[at]) {
				p.found[i] = p.sorted[at]
				p.next[at] = int32(at) + 1
				break
			}
		}
	}
}

func (p *pairing) proved(place int, c candidate) bool {
	if p.marked != nil && p.marked(place, c) {
		return true
	}
	old, haveOld := p.olds[place]
	copied, haveNew := p.news[c.UID]
	if !haveOld || !haveNew {
		return p.unread != nil && p.unread(place, c, haveOld)
	}
	return old == copied
}

// withinSlack tells whether sizes differ by so little that no more can be said.
func withinSlack(w wanted, c candidate) bool {
	return c.Size >= w.Size-sizeSlack && c.Size <= w.Size+sizeSlack
}

// byKeys is the evidence for messages of the old server with keys, about those of the new
// folder, which is open. Nothing else may be under way. An original that is gone can't say
// anything any more: then it is enough if the sizes are nearly the same.
func (p *pull) byKeys(want []wanted, keys []store.Key) copyEvidence {
	return copyEvidence{
		old: func(ctx context.Context, places []int) (map[int]content, error) {
			return p.oldContents(ctx, places, func(i int) (imap.UID, bool) { return p.selected.keys.uid(keys[i]) })
		},
		fresh:  p.newContents,
		unread: func(i int, c candidate, haveOld bool) bool { return !haveOld && withinSlack(want[i], c) },
	}
}

// oldContents reads messages of the old server, which uid names.
func (p *pull) oldContents(ctx context.Context, places []int, uid func(place int) (imap.UID, bool)) (map[int]content, error) {
	found, at := map[int]content{}, map[imap.UID]int{}
	var set imap.UIDSet
	for _, i := range places {
		if u, ok := uid(i); ok {
			at[u] = i
			set.AddNum(u)
		}
	}
	if len(set) == 0 || p.lane.prepared != nil { // another folder is open there
		return found, nil
	}
	err := readContents(ctx, p.old, set, func(uid imap.UID, c content) {
		if i, asked := at[uid]; asked {
			found[i] = c
		}
	})
	return found, err
}

// newContents reads messages of the new folder, which is open.
func (p *pull) newContents(ctx context.Context, uids []imap.UID) (map[imap.UID]content, error) {
	found := map[imap.UID]content{}
	err := readContents(ctx, p.new, imap.UIDSetNum(uids...), func(uid imap.UID, c content) { found[uid] = c })
	return found, err
}

// bodyReader reads messages of an open folder.
type bodyReader interface {
	Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error
}

// readContents reads messages. Those that a server refuses are passed over.
func readContents(ctx context.Context, s bodyReader, set imap.UIDSet, fn func(imap.UID, content)) error {
	err := s.Bodies(ctx, set, func(uid imap.UID, _ int64, r io.Reader) error {
		c, err := contentOf(r)
		if err == nil {
			fn(uid, c)
		}
		return err
	})
	if aboutMessages(err) {
		return nil
	}
	return err
}

// comparing is what the reader wants the writer to read of the new folder.
type comparing struct {
	uids  []imap.UID
	found map[imap.UID]content
	done  chan error
}

// askNew lets the writer read messages of the new folder.
func (r *reader) askNew(ctx context.Context, uids []imap.UID) (map[imap.UID]content, error) {
	c := &comparing{uids: uids, done: make(chan error, 1)}
	if err := r.hand(ctx, &item{compare: c}); err != nil {
		return nil, err
	}
	select {
	case err := <-c.done:
		return c.found, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// compared reads what the reader wants to compare, once nothing is under way.
func (w *writer) compared(ctx context.Context, c *comparing) error {
	err := w.settleAll(ctx)
	if err == nil {
		c.found, err = w.readNew(ctx, c.uids)
	}
	c.done <- err
	return err
}

// readNew opens the new folder and reads messages of it.
func (w *writer) readNew(ctx context.Context, uids []imap.UID) (map[imap.UID]content, error) {
	sel, err := w.new.Examine(ctx, w.folder.New)
	if err != nil {
		return nil, w.gone(err, errNewGone)
	}
	if sel.UIDValidity != w.target.UIDValidity || fleeting(sel) {
		return nil, nil // those would be others
	}
	return w.newContents(ctx, uids)
}
