package syncer

import (
	"context"

	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/transfer/job"
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
	var w *job.ClientSearch
	if a.jobs.Do(ctx, func() { w = a.visits.beginSearch(mailbox, criteria) }) != nil || w == nil {
		return false
	}
	select {
	case <-w.Ended:
	case <-a.jobs.Gone:
	case <-ctx.Done():
	}
	return true
}

// beginSearch has the pull of a folder look for something; nil for nothing to wait for.
func (s *visits) beginSearch(mailbox string, criteria wire.Criteria) *job.ClientSearch {
	f := s.mail.Folders.ByNew(mailbox)
	if !s.works() || s.mail.Trees.Room != nil || f == nil || f.State != store.FolderPresent || f.Complete() || !s.jobs.Front.Traits().Search {
		return nil
	}
	w := job.NewClientSearch(criteria)
	if f.Pulling != nil && f.Pulling.Searches != nil {
		f.Pulling.Searches.Add(w)
		return w
	}
	v := newVisit(f)
	v.search = w
	s.list = append(s.list, v)
	s.list.givesWay(f, s.mail.Folders)
	return w
}

// searchesOf are the searches in a folder that wait for its pull.
func (all visitList) searchesOf(f *folders.Folder) (found []*job.ClientSearch) {
	for _, v := range all {
		if v.folder == f && v.search != nil {
			found = append(found, v.search)
		}
	}
	return found
}
