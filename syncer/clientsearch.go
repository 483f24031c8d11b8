package syncer

import (
	"context"

	"postferry/store"
	"postferry/syncer/transfer"
	"postferry/wire"
)

// Search copies first, of the messages of a folder that have not come yet, those that a client
// searches for. It returns when the newest of them are there, or ctx ends, and at once for
// a folder that is filled: then it has not looked.
func (e *Engine) Search(ctx context.Context, id store.AccountID, mailbox string, criteria wire.Criteria) (looked bool) {
	a, leave, err := e.registry.acquire(ctx, id)
	if err != nil {
		return false
	}
	defer leave()
	var w *transfer.ClientSearch
	if a.do(ctx, func() { w = a.beginSearch(mailbox, criteria) }) != nil || w == nil {
		return false
	}
	select {
	case <-w.Ended:
	case <-a.gone:
	case <-ctx.Done():
	}
	return true
}

// beginSearch has the pull of a folder look for something; nil for nothing to wait for.
func (a *account) beginSearch(mailbox string, criteria wire.Criteria) *transfer.ClientSearch {
	f := a.folders.byNew(mailbox)
	if !a.works() || a.tree.room != nil || f == nil || f.State != store.FolderPresent || f.complete() || !a.front.Traits().Search {
		return nil
	}
	w := transfer.NewClientSearch(criteria)
	if f.pulling != nil && f.pulling.pull != nil {
		f.pulling.pull.Searches.Add(w)
		return w
	}
	v := newVisit(f)
	v.search = w
	a.visits = append(a.visits, v)
	a.visits.givesWay(f, a.folders)
	return w
}

// searchesOf are the searches in a folder that wait for its pull.
func (all visitList) searchesOf(f *tracked) (found []*transfer.ClientSearch) {
	for _, v := range all {
		if v.folder == f && v.search != nil {
			found = append(found, v.search)
		}
	}
	return found
}
