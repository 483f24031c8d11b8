package syncer

import (
	"sync/atomic"
	"time"

	"postferry/store"
	"postferry/syncer/measure"
	"postferry/syncer/transfer"
)

// tracked is a row of the store and what goes on with it.
type tracked struct {
	store.Folder
	pulling *pulling // the job that runs on it, nil if none
	settled []func() // to be run when it has ended
	holds   int      // clients' commands that no pull may begin before
	alone   bool     // no answer about it is left for the next folder's pull to hear
	told    transfer.Told
	doubted bool // it seems to be another one on the new server than it was
	// renumbered counts how often it had another UIDVALIDITY there in this run.
	renumbered int
	// renumberedOld and renumberedNew count how often a server had numbered it anew since the look before.
	renumberedOld, renumberedNew int
	asked                        bool      // a client has asked what it has
	thin                         bool      // the ledger has lines whose messages are gone from the old server
	looked                       time.Time // when the old server was last asked about it in this run
	made                         atomic.Pointer[measure.Progress]
}

// far is how far the folder is.
func (f *tracked) far() measure.Progress {
	if p := f.made.Load(); p != nil {
		return *p
	}
	return measure.OfRow(f.Folder)
}

// watch is far for other goroutines: what it returns does not touch the row.
func (f *tracked) watch() (far func() measure.Progress) {
	row := measure.OfRow(f.Folder)
	return func() measure.Progress {
		if p := f.made.Load(); p != nil {
			return *p
		}
		return row
	}
}

// pulling is a pull under way.
type pulling struct {
	visit bool
	shown bool           // a visit's folder is worth showing
	pull  *transfer.Pull // nil while its order is restored
	yield func()         // asks it to stop at the next safe point; may be called again
}

// complete tells whether the folder has been pulled to its end once.
func (f *tracked) complete() bool { return !f.Checkpoint.Checked.IsZero() }

// folderList are the account's folders.
type folderList []*tracked

// known are their rows as the account knows them.
func (all folderList) known() []store.Folder {
	rows := make([]store.Folder, len(all))
	for i, f := range all {
		rows[i] = f.Folder
	}
	return rows
}

// setFolders takes over rows of the store, keeping what goes on with known ones.
func (all *folderList) take(rows []store.Folder) {
	known := make(map[store.FolderID]*tracked, len(*all))
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
		f := &tracked{Folder: row}
		known[row.ID] = f
		*all = append(*all, f)
	}
}

func (all folderList) byID(id store.FolderID) *tracked {
	for _, f := range all {
		if f.ID == id {
			return f
		}
	}
	return nil
}

// byNew finds a folder that is there by its name on the new server. Mail for the archive alone waits
// until the others are through.
func (all folderList) byNew(name string) *tracked {
	for _, f := range all {
		if f.New == name && !f.AllMail && (f.State == store.FolderPresent || f.State == store.FolderPlanned) {
			return f
		}
	}
	return nil
}
