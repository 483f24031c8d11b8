package folders

import (
	"slices"
	"sync/atomic"
	"time"

	"postferry/report"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/measure"
	"postferry/syncer/transfer/job"
)

// Folder is a row of the store and what goes on with it.
type Folder struct {
	store.Folder
	Pulling *Pulling // the job that runs on it, nil if none
	Settled []func() // to be run when it has ended
	holds   int      // clients' commands that no pull may begin before
	Alone   bool     // no answer about it is left for the next folder's pull to hear
	Told    job.Told
	Doubted bool // it seems to be another one on the new server than it was
	// renumbered counts how often it had another UIDVALIDITY there in this run.
	renumbered int
	// RenumberedOld and RenumberedNew count how often a server had numbered it anew since the look before.
	RenumberedOld, RenumberedNew int
	Asked                        bool      // a client has asked what it has
	Thin                         bool      // the ledger has lines whose messages are gone from the old server
	Looked                       time.Time // when the old server was last asked about it in this run
	Resets                       uint64    // of all mail: how many of them the checkpoint is as of
	Made                         atomic.Pointer[measure.Progress]
}

// Far is how far the folder is.
func (f *Folder) Far() measure.Progress {
	if p := f.Made.Load(); p != nil {
		return *p
	}
	return measure.OfRow(f.Folder)
}

// Watch is far for other goroutines: what it returns does not touch the row.
func (f *Folder) Watch() (far func() measure.Progress) {
	row := measure.OfRow(f.Folder)
	return func() measure.Progress {
		if p := f.Made.Load(); p != nil {
			return *p
		}
		return row
	}
}

// Pulling is a pull under way.
type Pulling struct {
	Visit bool
	Shown bool      // the newest messages are there that a visitor is to see
	Begun time.Time // when the folder was about to be opened
	Early bool      // its messages were asked for along with that, the oldest first
	Whole bool      // it compares all of a complete folder, of which nothing is kept if it stops before the end
	// A pass's pull that serves those who open the folder: it brings the newest messages first, or all of them in time.
	Newest, Awaited bool
	// What it has done, and clients' searches that it serves; nil while its order is restored.
	Counts   *job.Counters
	Searches *job.SearchQueue
	Yield    func() // asks it to stop at the next safe point; may be called again
	Cut      func() // keeps it from waiting for the old server, if Yield was not enough; may be called again; nil for what isn't a pull
}

// Restless tells whether the new server numbers the folder anew again and again.
func (f *Folder) Restless() bool { return f.renumbered > renumberedMost }

// Complete tells whether the folder has been pulled to its end once.
func (f *Folder) Complete() bool { return !f.Checkpoint.Checked.IsZero() }

// List are the account's folders.
type List []*Folder

// Known are their rows as the account knows them.
func (all List) Known() []store.Folder {
	rows := make([]store.Folder, len(all))
	for i, f := range all {
		rows[i] = f.Folder
	}
	return rows
}

// Take takes over rows of the store, keeping what goes on with known ones.
func (all *List) Take(rows []store.Folder) {
	known := make(map[store.FolderID]*Folder, len(*all))
	for _, f := range *all {
		known[f.ID] = f
	}
	for _, row := range rows {
		if f := known[row.ID]; f != nil {
			if f.NewUIDValidity != 0 && row.NewUIDValidity != f.NewUIDValidity && row.New == f.New {
				f.renumbered++
			}
			row.Checkpoint = f.Checkpoint // ours is as new, and a pull may be ahead of the row
			f.Folder = row
			continue
		}
		f := &Folder{Folder: row}
		known[row.ID] = f
		*all = append(*all, f)
	}
}

func (all List) ByID(id store.FolderID) *Folder {
	for _, f := range all {
		if f.ID == id {
			return f
		}
	}
	return nil
}

// ByNew finds a folder that is there by its name on the new server. Mail for the archive alone waits
// until the others are through.
func (all List) ByNew(name string) *Folder {
	for _, f := range all {
		if f.New == name && !f.AllMail && (f.State == store.FolderPresent || f.State == store.FolderPlanned) {
			return f
		}
	}
	return nil
}

// InterruptPulls makes the pass's pulls stop at their next safe point.
func (all List) InterruptPulls() {
	for _, f := range all {
		if f.Pulling != nil && !f.Pulling.Visit {
			f.Pulling.Yield()
		}
	}
}

// InterruptCopying is InterruptPulls for those only that go on later from where they stopped.
func (all List) InterruptCopying() {
	for _, f := range all {
		if f.Pulling != nil && !f.Pulling.Visit && !f.Pulling.Whole {
			f.Pulling.Yield()
		}
	}
}

// Hold keeps pulls from folders; of those under way it returns what is closed when they rest.
func (all List) Hold(mailboxes []string, delim byte) (held []*Folder, resting []<-chan struct{}) {
	for _, f := range all {
		if !slices.ContainsFunc(mailboxes, func(name string) bool { return f.New == name || foldertree.IsBelow(f.New, name, delim) }) {
			continue
		}
		f.holds++
		held = append(held, f)
		if f.Pulling != nil {
			rests := make(chan struct{})
			f.Settled = append(f.Settled, func() { close(rests) })
			f.Pulling.Yield()
			resting = append(resting, rests)
		}
	}
	return held, resting
}

// Cut keeps those pulls of held folders that still run from waiting for the old server.
func Cut(held []*Folder) {
	for _, f := range held {
		if f.Pulling != nil && f.Pulling.Cut != nil {
			f.Pulling.Cut()
		}
	}
}

// LetGo lets pulls begin again.
func LetGo(held []*Folder) {
	for _, f := range held {
		f.holds--
	}
}

// MayPull tells whether a pull of the folder may begin.
func (f *Folder) MayPull() bool { return f.Pulling == nil && f.holds == 0 }

func (all List) Live() map[store.FolderID]report.FolderProgress {
	live := make(map[store.FolderID]report.FolderProgress, len(all))
	for _, f := range all {
		p := f.Far()
		live[f.ID] = report.FolderProgress{
			Running: f.Pulling != nil, Done: p.Done, Total: p.Total, OctetsDone: p.Octets, OctetsTotal: p.OctetsTotal, OctetsExact: p.Exact,
		}
	}
	return live
}

// AllMailAnew has all mail looked through from its beginning, as the store knows.
func (all List) AllMailAnew() {
	for _, f := range all {
		if f.AllMail {
			f.Checkpoint.UIDNext = min(f.Checkpoint.UIDNext, 1)
		}
	}
}

// NoteResets has all mail be looked through from its beginning if the checkpoint is as of before that was to be done.
func (f *Folder) NoteResets(times uint64) {
	if f.AllMail && f.Resets != times {
		f.Checkpoint.UIDNext, f.Resets = min(f.Checkpoint.UIDNext, 1), times
	}
}

// AllMail is a folder with all mail, which would show what was copied back as well; nil if there is none.
func (all List) AllMail() *Folder {
	if at := slices.IndexFunc(all, func(f *Folder) bool { return f.AllMail }); at >= 0 {
		return all[at]
	}
	return nil
}

// Lacks is how many messages of the folder are missing, as far as is known.
func (f *Folder) Lacks() uint64 {
	far := f.Far()
	return far.Total - min(far.Done, far.Total)
}
