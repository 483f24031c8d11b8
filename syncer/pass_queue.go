package syncer

import (
	"cmp"
	"context"
	"slices"
	"time"

	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
)

// wish is how the pass wants folders pulled on a pair.
func (ps *passes) wish(l *session.Pair) wish {
	return wish{begun: ps.pass.started, next: ps.comingOn(l), worth: ps.visits.allThere, ended: ps.pulled}
}

// followUp is the pull of the folder that a pair has asked for already; nil if there is none, or something else comes first.
func (ps *passes) followUp(l *session.Pair) *pullJob {
	p, i := ps.pass, slices.Index(ps.jobs.Backs, l)
	if p == nil || p.yielded || p.stopped || p.halted || ps.jobs.Working.Err() != nil || i < 0 || !ps.jobs.RoomFor(i) {
		return nil
	}
	f := p.takeReserved(l, ps.visits.list)
	if f == nil {
		return nil
	}
	p.pulling++
	return ps.pulls.newPull(l, f, ps.wish(l))
}

// comingOn lets a pull on a pair ask what comes after it.
func (ps *passes) comingOn(l *session.Pair) job.NextFunc {
	return func(ctx context.Context, limited bool) (n session.NextFolder, ok bool) {
		if err := ps.jobs.Do(ctx, func() { n, ok = ps.reserve(l, limited) }); err != nil {
			return session.NextFolder{}, false
		}
		return n, ok
	}
}

// reserve picks the folder that a pair is to pull next.
func (ps *passes) reserve(l *session.Pair, limited bool) (n session.NextFolder, ok bool) {
	p := ps.pass
	i := slices.Index(ps.jobs.Backs, l)
	if p == nil || p.yielded || p.stopped || len(p.reserved[l]) > len(p.queue)/ps.jobs.ForPasses() || i < 0 || l == ps.jobs.VisitPair() || !ps.jobs.Front.Traits().Pipelining || !ps.jobs.RoomFor(i) {
		return n, false
	}
	at := p.nextInQueue(ps.visits.list)
	if at < 0 {
		return n, false
	}
	f := p.queue[at]
	p.queue = slices.Delete(p.queue, at, at+1)
	p.reserved[l] = append(p.reserved[l], f)
	n = session.NextFolder{Folder: f.Folder, List: recovery.FirstWindow(f.Checkpoint), Early: ps.pulls.askEarly(f, limited)}
	st := ps.mail.Trees.Status[f.Old]
	n.Octets = cmp.Or(st.Size, uint64(st.Messages)*unknownSize)
	return n, true
}

// unknownSize is what a message counts for where its size isn't known. Octets.
const unknownSize = 32 << 10

// nextFolders pulls the first folders of the queue that no visit is pulling. One that has
// been asked for ahead goes to the pair that did, whichever else is idle. Where messages are in several folders, one folder
// is pulled after the other: at the same time each of them would download what they have in common.
func (ps *passes) nextFolders(p *passRun) {
	for i, l := range ps.jobs.Backs {
		if ps.jobs.MayPull(i) && (l.Ahead.Any() || p.reserved[l] != nil) { // its job's, as long as it has one
			if f := p.takeReserved(l, ps.visits.list); f != nil {
				p.pulling++
				ps.pulls.start(l, f, ps.wish(l))
			}
		}
	}
	for i, l := range ps.jobs.Backs {
		if ps.jobs.MayPull(i) && p.widened(i, l) && (i == 0 || ps.mail.Trees.Labels == nil) {
			ps.pullNext(p, l, p.nextInQueue(ps.visits.list))
		}
	}
}

// pullNext pulls the folder at that place in the queue; -1 for none.
func (ps *passes) pullNext(p *passRun, l *session.Pair, at int) {
	if at < 0 {
		return
	}
	f := p.queue[at]
	p.queue = slices.Delete(p.queue, at, at+1)
	p.pulling++
	ps.pulls.start(l, f, ps.wish(l))
}

// makesWay tells whether a pass waits for that, and for the visits, before it looks at the trees: an old server with
// large folders needs several times as long for two at once. A pass that somebody has asked for does not wait.
func (ps *passes) makesWay() bool {
	p, from := ps.pass, ps.pass.started
	if ps.came.After(from) { // the login has taken until now
		from = ps.came
	}
	since := time.Since(from)
	switch {
	case p.options.fresh || from.Sub(ps.came) > wayFor:
		return false
	case since >= ps.cfg.Proxy.VisitWait || time.Since(p.started) >= ps.cfg.Proxy.VisitWait+firstLook:
		return false
	case since >= wayFor && len(ps.visits.list) == 0:
		return false
	}
	if !p.way.Equal(from) {
		p.way = from
		for _, at := range []time.Duration{wayFor, ps.cfg.Proxy.VisitWait} {
			ps.jobs.After(max(at-since, 0), func() {}) // what there is to be done then shows by itself
		}
	}
	return true
}
