package folders

import (
	"time"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/leftout"
	"postferry/syncer/measure"
	"postferry/syncer/problem"
	"postferry/syncer/recovery"
	"postferry/syncer/treesync"
	"postferry/upstream"
)

// Due tells whether a pass has to open a folder: the old server's STATUS says
// that something happened since the checkpoint, or can't say; or the new folder isn't
// numbered as it was.
func (t *Trees) Due(f *Folder, inboxOnly bool) bool {
	if f.State != store.FolderPresent {
		return false
	}
	st, ok := t.Status[f.Old]
	if !ok {
		return false // gone from the old server, or not selectable there
	}
	cp := f.Checkpoint
	wanted := !inboxOnly || foldertree.IsInbox(&f.Folder) // what the others have is told all the same
	if st == (upstream.Status{}) {
		return wanted // nothing is known before it is opened
	}
	since := uint64(st.Messages)
	if st.UIDValidity == cp.UIDValidity && st.UIDNext >= cp.UIDNext {
		since = uint64(st.UIDNext - cp.UIDNext)
	}
	told := f.Far().Announced(cp, uint64(st.Messages), since, st.Size)
	if f.AllMail {
		told = measure.OfRow(f.Folder) // how much of it is to come nobody knows yet
	}
	f.Made.Store(&told)
	same := f.Complete() && f.Again == 0 && f.Lost == 0 && st.UIDValidity == cp.UIDValidity && st.UIDNext == cp.UIDNext && st.UIDNext != 0 &&
		st.HighestModSeq == cp.HighestModSeq && st.HighestModSeq != 0 && !recovery.NewMoved(cp, t.Newer[f.New]) && !t.numberedAnew(f) && !t.suspect[f.ID] &&
		!t.overdue(f)
	return wanted && !same
}

// overdue tells whether all of a folder's messages are to be compared, whatever its numbers say.
func (t *Trees) overdue(f *Folder) bool {
	return recovery.Overdue(t.account, f.ID, f.Checkpoint.Checked, time.Now())
}

// ComparesAll tells whether a pass compares all of a complete folder: once a day, and each time where the old server doesn't count
// changes, or has begun to count them anew.
func (t *Trees) ComparesAll(f *Folder) bool {
	was, is := f.Checkpoint.HighestModSeq, t.Status[f.Old].HighestModSeq
	return f.Complete() && (was == 0 || is < was || t.overdue(f))
}

// numberedAnew tells whether the new folder has another UIDVALIDITY than when it was pulled, unless that means nothing.
func (t *Trees) numberedAnew(f *Folder) bool {
	return !f.Restless() && recovery.Differ(f.Checkpoint.NewUIDValidity, t.Newer[f.New].UIDValidity)
}

// Trees is what an account knows of its folder trees, as the last look at them has found it.
type Trees struct {
	account store.AccountID            // whose they are
	Room    *store.Problem             // the account's mail can't fit on the new server; nil if it can
	At      time.Time                  // of the last successful look
	Changes []Change                   // of clients, while the present look runs
	Delim   byte                       // of the new server; 0 until known
	Status  map[string]upstream.Status // of the old folders, as of the last look
	Newer   map[string]upstream.Status // of the new folders, as far as the look brought it along
	suspect map[store.FolderID]bool    // folders of which the look has found messages to be others than they were
	Empty   map[string]bool            // new folders that were seen empty then
	Labels  map[string]string          // raw names of the old folders by their labels; nil if its messages have none, or nothing comes of them
	views   map[string]bool            // folders left alone that show mail of others, by raw old name
	Left    map[string]error           // raw names on the new server of folders that could not be made for now, and why
	Listed  foldertree.ListingTrouble  // what is wrong with how the old server lists its folders
	omitted int                        // folders of the old server that are more than are made
	Last    treesync.LastLook
}

// Doubted are the folders that seem to be others on the new server than they were.
func (all List) Doubted() map[store.FolderID]bool {
	ids := map[store.FolderID]bool{}
	for _, f := range all {
		if f.Doubted {
			ids[f.ID] = true
		}
	}
	return ids
}

// Settled ends doubts that a look has settled.
func (all List) Settled(ids map[store.FolderID]bool) {
	for _, f := range all {
		f.Doubted = f.Doubted && !ids[f.ID]
	}
}

// OmittedProblem is what a pass ends with that had no other problem, if the old server
// has more folders than are made: nil if it hasn't.
func (t *Trees) OmittedProblem(host string, most int, interval time.Duration) *store.Problem {
	if t.omitted == 0 {
		return nil
	}
	p := problem.Of(foldertree.ErrOmitted, "", 1)
	p.Server, p.Host, p.Retry = store.OldSide, host, time.Now().Add(interval)
	p.Summary = reason.Of(reason.TroubleFolders, p.Host, t.omitted, most)
	return p
}

// leftOld tells whether a folder is known to have gone from the old server before it was all copied.
func (t *Trees) leftOld(f *Folder, p *store.Problem) bool {
	if f.Complete() || f.State != store.FolderPlanned && f.State != store.FolderPresent {
		return false
	}
	if !t.At.IsZero() {
		_, there := t.Status[f.Old]
		return !there
	}
	return p != nil && p.Kind == store.FolderLeftOld && p.Folder == f.Title
}

// Uncounted are the views that have changed since they were counted.
func (all List) Uncounted(id store.AccountID, tree *Trees, views *leftout.ViewCounts) (list []*Folder) {
	for _, f := range all {
		st := tree.Status[f.Old]
		if tree.views[f.Old] && (f.AllMail || f.State == store.FolderSkipped) && st.Messages > 0 && views.Due(leftout.View{Account: id, Folder: f.ID}, st) {
			list = append(list, f)
		}
	}
	return list
}

// Change is a folder command of a client that the new server completed.
type Change struct {
	Verb, Mailbox, NewName string
}

// VerbRename is the one command of a client that could make a folder look as if it were
// gone.
const VerbRename = "RENAME"

// rename is the change of names that it is.
func (c Change) rename(delim byte) foldertree.Rename {
	return foldertree.Rename{From: c.Mailbox, To: c.NewName, Delim: delim}
}
