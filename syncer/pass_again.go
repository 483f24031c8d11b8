package syncer

import (
	"errors"
	"time"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/problem"
	"postferry/syncer/transfer"
	"postferry/syncer/treesync"
)

// errNotKnown: the new server does not know a folder that it said it had made.
var errNotKnown = problem.New(store.FolderNotMade, store.NewSide, "the new server said that it had made the folder, and does not know it")

// looksMost is how often a pass looks at the trees again.
const looksMost = 2

// looksAgain has the trees looked at once more if a folder turned out not to be where it
// was, or to be, and tells whether it does.
func (ps *passes) looksAgain() bool {
	p := ps.pass
	if len(p.unclear) == 0 || p.looks == looksMost || p.yielded || p.stopped {
		return false
	}
	wait := p.untilKnown(ps.quiet, ps.clock())
	if wait > 0 && ps.jobs.Contended() {
		return false // others have better use of the places
	}
	p.looks++
	if wait == 0 {
		ps.lookAgain()
		return true
	}
	p.resting = ps.jobs.After(wait, func() {
		if ps.pass == p {
			p.resting = nil
			ps.lookAgain()
		}
	})
	return true
}

// untilKnown is how long to wait before the trees are looked at again: a folder that was
// made may be known soon.
func (p *passRun) untilKnown(quiet time.Duration, now time.Time) (wait time.Duration) {
	for f := range p.unclear {
		if since := treesync.UnknownFor(&f.Folder); !since.IsZero() {
			wait = max(wait, treesync.MadePatience*quiet-now.Sub(since), quiet/6)
		}
	}
	return wait
}

func (ps *passes) lookAgain() {
	p := ps.pass
	p.tree = false
	for f := range p.unclear {
		delete(p.archived, f)
	}
	clear(p.unclear)
	if !ps.looks.running && ps.jobs.MayUse(ps.jobs.Backs[0]) {
		ps.looks.start(ps.jobs.Backs[0], false)
	}
}

// unclearProblem is what a pass ends with if a folder's place stayed unclear; nil if none did.
func (p *passRun) unclearProblem(folders folders.List, attempts int) *store.Problem {
	for _, f := range folders {
		err := p.unclear[f]
		if err == nil {
			continue
		}
		told := problem.Of(err, f.Title, attempts)
		told.Summary = reason.Of(reason.TroubleVanished)
		if errors.Is(err, transfer.ErrOldOther) {
			told.Summary = reason.Of(reason.TroubleRenumbered)
		}
		if errors.Is(err, errNotKnown) {
			told.Summary = reason.Of(reason.TroubleNotKnown)
		}
		return told
	}
	return nil
}
