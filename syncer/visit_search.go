package syncer

import (
	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/transfer/job"
	"postferry/wire"
)

// beginSearch has the pull of a folder look for something; nil for nothing to wait for.
func (s *visits) beginSearch(mailbox string, criteria wire.Criteria) *job.ClientSearch {
	f := s.mail.Folders.ByNew(s.mail.Spelled(mailbox))
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
