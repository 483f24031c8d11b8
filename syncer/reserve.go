package syncer

import (
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
	if p == nil || p.yielded || p.stopped || p.reserved[l] != nil || i < 0 || l == a.visitPair() || !a.front.Traits().Pipelining || !a.roomFor(i) {
		return n, false
	}
	at := p.nextInQueue(a.visits)
	if at < 0 {
		return n, false
	}
	f := p.queue[at]
	p.queue = slices.Delete(p.queue, at, at+1)
	p.reserved[l] = f
	return session.NextFolder{Folder: f.Folder, List: recovery.FirstWindow(f.Checkpoint), Early: a.askEarly(f, limited)}, true
}

// unreserve puts the folder that a pair was to pull next back to where it is picked
// from.
func (p *passRun) unreserve(l *session.Pair) {
	if f := p.reserved[l]; f != nil {
		delete(p.reserved, l)
		p.queue = append([]*tracked{f}, p.queue...)
	}
}

// nextInQueue is where the first folder is that may be pulled; -1 for none.
func (p *passRun) nextInQueue(visits visitList) int {
	return slices.IndexFunc(p.queue, func(f *tracked) bool { return f.mayPull() && !visits.has(f) })
}

// preparedInQueue is nextInQueue for the folder that the pair has prepared.
func (p *passRun) preparedInQueue(l *session.Pair, visits visitList) int {
	return slices.IndexFunc(p.queue, func(f *tracked) bool {
		return f.ID == l.Prefetched.Folder.ID && f.mayPull() && !visits.has(f)
	})
}
