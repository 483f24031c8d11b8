package syncer

import (
	"cmp"
	"slices"
	"time"

	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/foldertree"
)

const (
	// askedFew is how many missing messages a folder may lack to be filled while a client
	// that asks about it waits, askedMost how many such folders are filled at once.
	askedFew  = 200
	askedMost = 20
)

// ask lets folders come next, and returns what those are filled with that lack little.
func (s *visits) ask(mailboxes []string) (filled []<-chan struct{}) {
	if !s.works() || s.mail.Trees.Room != nil {
		return nil
	}
	mailboxes = s.mail.AllSpelled(mailboxes)
	var lacking []*folders.Folder
	for _, f := range s.mail.Folders {
		if f.State == store.FolderPresent && !f.Complete() && (len(mailboxes) == 0 || slices.Contains(mailboxes, f.New)) {
			f.Asked = true
			lacking = append(lacking, f)
		}
	}
	slices.SortStableFunc(lacking, before)
	for _, f := range lacking {
		if len(filled) < askedMost && s.lacksFew(f) {
			filled = append(filled, s.list.fill(f))
		}
	}
	return filled
}

// lacksFew tells whether a folder can be filled in a moment. One that has just been looked at,
// and is not complete for some reason, is not looked at again at once.
func (s *visits) lacksFew(f *folders.Folder) bool {
	if !s.jobs.Front.Traits().Folders || !f.Looked.IsZero() && time.Since(f.Looked) < visitFresh {
		return false
	}
	st, listed := s.mail.Trees.Status[f.Old]
	return listed && st.Messages <= askedFew
}

// fill has a folder pulled ahead of what nobody waits for, and returns what is closed when it is filled.
func (all *visitList) fill(f *folders.Folder) <-chan struct{} {
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

// before is that order: INBOX first, then what a client has asked about, the smallest of
// it first.
func before(a, b *folders.Folder) int {
	switch {
	case foldertree.IsInbox(&a.Folder) != foldertree.IsInbox(&b.Folder):
		return first(foldertree.IsInbox(&a.Folder))
	case a.Asked != b.Asked:
		return first(a.Asked)
	case a.Asked:
		return cmp.Compare(a.Lacks(), b.Lacks())
	}
	return 0
}

func first(is bool) int {
	if is {
		return -1
	}
	return 1
}

// givesWay makes pulls that only somebody's STATUS has asked for give the pair to a client
// that opens another folder.
func (all visitList) givesWay(f *folders.Folder, folders []*folders.Folder) {
	for _, other := range folders {
		if other != f && other.Pulling != nil && other.Pulling.Visit && all.onlyAsked(other) {
			other.Pulling.Yield()
		}
	}
}

// onlyAsked tells whether nobody waits for a folder to open.
func (all visitList) onlyAsked(f *folders.Folder) bool {
	return !slices.ContainsFunc(all, func(v *visit) bool { return v.folder == f && !v.asked })
}
