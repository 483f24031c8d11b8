package syncer

import "time"

// looksAgain has the trees looked at once more if a folder turned out not to be where it
// was, or to be, and tells whether it does.
func (ps *passes) looksAgain() bool {
	p := ps.pass
	if len(p.unclear) == 0 || p.looks == looksMost || p.yielded || p.stopped {
		return false
	}
	wait := p.untilKnown(time.Now())
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
