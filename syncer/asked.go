package syncer

import (
	"cmp"
	"context"
	"slices"

	"postferry/store"
	"postferry/syncer/foldertree"
)

const (
	// askedFew is how many missing messages a folder may lack to be filled while a client
	// that asks about it waits, askedMost how many such folders are filled at once.
	askedFew  = 200
	askedMost = 20
)

// Asked tells that a client asks what folders have (STATUS), by raw names on the new server;
// none stand for all. They come next, INBOX first and then the smallest. It returns when those
// that lack little are filled, or ctx ends.
func (e *Engine) Asked(ctx context.Context, id store.AccountID, mailboxes ...string) {
	a, leave, err := e.registry.acquire(ctx, id)
	if err != nil {
		return
	}
	defer leave()
	var filled []<-chan struct{}
	if a.do(ctx, func() { filled = a.askedAbout(mailboxes) }) != nil {
		return
	}
	for _, shown := range filled {
		select {
		case <-shown:
		case <-a.gone:
			return
		case <-ctx.Done():
			return
		}
	}
}

// askedAbout lets folders come next, and returns what those are filled with that lack little.
func (a *account) askedAbout(mailboxes []string) (filled []<-chan struct{}) {
	if !a.works() || a.tree.room != nil {
		return nil
	}
	var lacking []*tracked
	for _, f := range a.folders {
		if f.State == store.FolderPresent && !f.complete() && (len(mailboxes) == 0 || slices.Contains(mailboxes, f.New)) {
			f.asked = true
			lacking = append(lacking, f)
		}
	}
	if a.pass != nil {
		a.pass.order()
	}
	slices.SortStableFunc(lacking, before)
	for _, f := range lacking {
		if len(filled) < askedMost && a.lacksFew(f) {
			filled = append(filled, a.visits.fill(f))
		}
	}
	return filled
}

// lacksFew tells whether a folder can be filled in a moment. One that has just been looked at,
// and is not complete for some reason, is not looked at again at once.
func (a *account) lacksFew(f *tracked) bool {
	if !a.front.Traits().Folders || !f.looked.IsZero() && a.clock().Sub(f.looked) < visitFresh {
		return false
	}
	st, listed := a.tree.status[f.Old]
	return listed && st.Messages <= askedFew
}

// fill has a folder pulled ahead of what nobody waits for, and returns what is closed when it is filled.
func (all *visitList) fill(f *tracked) <-chan struct{} {
	for _, v := range *all {
		if v.folder == f {
			return v.shown
		}
	}
	v := newVisit(f)
	v.asked = true
	*all = append(*all, v)
	return v.shown
}

// order puts the folders of a pass into the order in which they are pulled.
func (p *passRun) order() { slices.SortStableFunc(p.queue, before) }

// before is that order: INBOX first, then what a client has asked about, the smallest of
// it first.
func before(a, b *tracked) int {
	switch {
	case foldertree.IsInbox(&a.Folder) != foldertree.IsInbox(&b.Folder):
		return first(foldertree.IsInbox(&a.Folder))
	case a.asked != b.asked:
		return first(a.asked)
	case a.asked:
		return cmp.Compare(a.lacks(), b.lacks())
	}
	return 0
}

func first(is bool) int {
	if is {
		return -1
	}
	return 1
}

// lacks is how many messages of the folder are missing, as far as is known.
func (f *tracked) lacks() uint64 {
	far := f.far()
	return far.Total - min(far.Done, far.Total)
}

// givesWay makes pulls that only somebody's STATUS has asked for give the pair to a client
// that opens another folder.
func (all visitList) givesWay(f *tracked, folders []*tracked) {
	for _, other := range folders {
		if other != f && other.pulling != nil && other.pulling.visit && all.onlyAsked(other) {
			other.pulling.yield()
		}
	}
}

// onlyAsked tells whether nobody waits for a folder to open.
func (all visitList) onlyAsked(f *tracked) bool {
	return !slices.ContainsFunc(all, func(v *visit) bool { return v.folder == f && !v.asked })
}
