package syncer

import (
	"cmp"
	"context"
	"slices"

	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer"
)

// comingOn lets a pull on a pair ask what comes after it.
func (a *account) comingOn(l *session.Pair) transfer.NextFunc {
	return func(ctx context.Context, limited bool) (n session.NextFolder, ok bool) {
		if err := a.do(ctx, func() { n, ok = a.reserve(l, limited) }); err != nil {
			return session.NextFolder{}, false
		}
		return n, ok
	}
}

// reserve picks the folder that a pair is to pull next.
func (a *account) reserve(l *session.Pair, limited bool) (n session.NextFolder, ok bool) {
	p := a.pass
	i := slices.Index(a.backs, l)
	if p == nil || p.yielded || p.stopped || len(p.reserved[l]) > len(p.queue)/a.lanesOfPasses() || i < 0 || l == a.visitPair() || !a.front.Traits().Pipelining || !a.roomFor(i) {
		return n, false
	}
	at := p.nextInQueue(a.visits)
	if at < 0 {
		return n, false
	}
	f := p.queue[at]
	p.queue = slices.Delete(p.queue, at, at+1)
	p.reserved[l] = append(p.reserved[l], f)
	n = session.NextFolder{Folder: f.Folder, List: recovery.FirstWindow(f.Checkpoint), Early: a.askEarly(f, limited)}
	st := a.tree.status[f.Old]
	n.Octets = cmp.Or(st.Size, uint64(st.Messages)*unknownSize)
	return n, true
}

// lanesOfPasses is how many pairs share a pass's folders. One sets the fewer aside, the fewer are left for the others.
func (s *pairSet) lanesOfPasses() int { return max(1, min(len(s.backs), s.lanesAllowed()-1)) }

// unknownSize is what a message counts for where its size isn't known. Octets.
const unknownSize = 32 << 10

// unreserve puts the folders that a pair was to pull next back to where they are picked
// from.
func (p *passRun) unreserve(l *session.Pair) {
	p.putBack(p.reserved[l]...)
	delete(p.reserved, l)
}

// nextInQueue is where the first folder is that may be pulled; -1 for none.
func (p *passRun) nextInQueue(visits visitList) int {
	return slices.IndexFunc(p.queue, func(f *tracked) bool { return f.mayPull() && !visits.has(f) })
}

// takeReserved is the folder that a pair is to pull next, as it has been asked for; nil if it may not be pulled
// now. Those that were set aside before it are put back.
func (p *passRun) takeReserved(l *session.Pair, visits visitList) *tracked {
	mine, at := p.reserved[l], -1
	if first := l.Ahead.First(); first != nil {
		at = slices.IndexFunc(mine, func(f *tracked) bool { return f.ID == first.Folder.ID })
	}
	if at < 0 || !mine[at].mayPull() || visits.has(mine[at]) {
		l.GiveUpPrefetched()
		p.unreserve(l)
		return nil
	}
	p.putBack(mine[:at]...)
	if p.reserved[l] = mine[at+1:]; len(p.reserved[l]) == 0 {
		delete(p.reserved, l)
	}
	return mine[at]
}

// waits tells whether folders wait for their turn: in the queue, or for a pair that has nothing to do.
func (p *passRun) waits(busy map[*session.Pair]bool) bool {
	for l := range p.reserved {
		if !busy[l] {
			return true
		}
	}
	return len(p.queue) > 0
}

// putBack makes folders those that come next.
func (p *passRun) putBack(folders ...*tracked) {
	p.queue = slices.Concat(folders, p.queue)
}

// nextFolders pulls the first folders of the queue that no visit is pulling. One that has
// been asked for ahead goes to the pair that did, whichever else is idle.
func (a *account) nextFolders(p *passRun) {
	for i, l := range a.backs {
		if a.mayPull(i) && (l.Ahead.Any() || p.reserved[l] != nil) { // its job's, as long as it has one
			if f := p.takeReserved(l, a.visits); f != nil {
				p.pulling++
				a.startPull(l, f, false, a.passPulled)
			}
		}
	}
	for i, l := range a.backs {
		if a.mayPull(i) && p.widened(i, l) {
			a.pullNext(p, l, p.nextInQueue(a.visits))
		}
	}
}

// pullNext pulls the folder at that place in the queue; -1 for none.
func (a *account) pullNext(p *passRun, l *session.Pair, at int) {
	if at < 0 {
		return
	}
	f := p.queue[at]
	p.queue = slices.Delete(p.queue, at, at+1)
	p.pulling++
	a.startPull(l, f, false, a.passPulled)
}

// mayPull tells whether a pull may begin on one of the pairs for passes: those behind
// the first are for servers with room to spare, and one connection is kept for visits.
func (s *pairSet) mayPull(i int) bool {
	return s.mayUse(s.backs[i]) && s.roomFor(i)
}

func (s *pairSet) roomFor(i int) bool { return i == 0 || s.roomy() && i <= s.lanesAllowed()-2 }

func (s *pairSet) roomy() bool {
	return s.front.Old.End.Pool.Roomy() && s.front.New.End.Pool.Roomy()
}
