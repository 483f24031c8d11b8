package syncer

import (
	"context"
	"errors"
	"time"

	"postferry/report"
	"postferry/store"
	"postferry/syncer/problem"
	"postferry/syncer/session"
	"postferry/syncer/transfer"
)

// attempts is how many passes in a row have ended with a problem, the present
// one included. One that got something done is the first again: a server that
// hangs up now and then is no reason to be ever more cautious.
func (a *account) attempts() int {
	if a.pass != nil && a.pass.stats.Copied+a.pass.stats.Adopted > 0 {
		return 1
	}
	return a.failures + 1
}

// endPass ends a pass: with nil when it is through or made room for others.
func (a *account) endPass(err error) {
	if a.pass == nil {
		return
	}
	var told *store.Problem
	switch {
	case err == nil:
	case errors.Is(err, report.ErrStopping):
		a.pass.yielded = true
	case session.Interrupted(a.work, err):
		a.pass.yielded = true
	case errors.Is(err, errIdle):
		told = a.row.Problem
		a.pass.halted = a.row.State != store.Active
		record := store.Pass{Started: a.pass.started, Ended: time.Now()}
		if told != nil {
			a.tellEnded(record, told) // nothing more will come of it
		}
		a.replyPass(record, told)
		return
	default:
		told = problem.Of(err, "", a.attempts())
	}
	a.endPassWith(told)
}

func (a *account) endPassWith(problem *store.Problem) {
	p := a.pass
	if problem == nil {
		problem = p.problem
	}
	if problem == nil && !p.yielded {
		problem = p.unclearProblem(a.folders, a.attempts())
	}
	record := store.Pass{
		Started: p.started, Ended: time.Now(),
		Copied: p.stats.Copied, Adopted: p.stats.Adopted, FlagChanges: p.stats.FlagChanges,
		Bytes: p.stats.Bytes, Quarantined: p.stats.Quarantined,
		Complete: problem == nil && !p.yielded && !p.options.inboxOnly,
	}
	if problem != nil {
		a.failures = a.attempts()
	} else if record.Complete {
		a.failures = 0
		problem = a.folders.missingProblem(a.domain.New.Host, a.cfg.Sync.Interval)
		record.Complete = problem == nil
	}
	if problem != nil {
		record.Error, record.Kind = problem.Summary, problem.Kind
		record.Server, record.Host, record.Folder = problem.Server, problem.Host, problem.Folder
	}
	a.keepSince(problem)
	if problem == nil && !p.yielded {
		problem = a.datesProblem(a.row.Problem, a.cfg.Sync.Interval)
	}
	if a.loadErr == nil {
		a.record(record, problem, p.yielded)
		a.tellEnded(record, problem)
	}
	a.replyPass(record, problem)
}

// record writes a pass into the history. What a visit or another account
// interrupted is not a result worth keeping unless it did something.
func (a *account) record(pass store.Pass, problem *store.Problem, yielded bool) {
	if problem != nil || !yielded {
		a.problem(problem)
	}
	worked := pass.Copied+pass.Adopted+pass.FlagChanges+pass.Quarantined > 0
	if yielded && !worked {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), storeWait)
	defer cancel()
	if err := a.store.AddPass(ctx, a.id, pass); err != nil {
		a.log.Error().Err(err).Msg("the pass could not be recorded")
	}
	event := a.log.Info()
	if !pass.Complete && !worked {
		event = a.log.Debug()
	}
	event.Uint64("copied", pass.Copied).Uint64("adopted", pass.Adopted).Uint64("flags", pass.FlagChanges).
		Uint64("bytes", pass.Bytes).Uint64("quarantined", pass.Quarantined).Bool("complete", pass.Complete).
		Dur("took", pass.Ended.Sub(pass.Started)).Msg("pass ended")
}

func (a *account) replyPass(record store.Pass, problem *store.Problem) {
	p := a.pass
	a.pass = nil
	for _, t := range []*time.Timer{p.late, p.resting, p.ahead, p.wider} {
		if t != nil {
			t.Stop()
		}
	}
	if p.endAhead != nil {
		p.endAhead()
	}
	for _, w := range p.waiting {
		w <- passResult{pass: record, problem: problem, yielded: p.yielded, halted: p.halted}
	}
	if asked := a.asked; len(asked) > 0 {
		a.asked = nil
		a.openPass(passOptions{fresh: true}, asked...)
		return
	}
	a.endIdle(a.backs)
}

// endIdle ends the sessions of those pairs that have nothing to do: others need the places.
func (r *runner) endIdle(pairs []*session.Pair) {
	if r.ctx.Err() != nil {
		return // no job begins any more; all sessions are about to be ended
	}
	for _, l := range pairs {
		if !r.busy[l] && !l.Empty() {
			r.start(l, nil, func(ctx context.Context) { l.End(ctx) }, func() {})
		}
	}
}

// count adds a pull's outcome to the account's figures.
func (a *account) count(p *transfer.Pull, err error) {
	if a.pass != nil {
		a.pass.stats.Add(p.Done.Stats())
	}
	if err != nil && !errors.Is(err, session.ErrYield) && !session.Interrupted(a.work, err) {
		event := p.Log.Warn()
		if errors.Is(err, transfer.ErrUnanswered) { // that is what happens when a connection breaks, or an original is needed again
			event = p.Log.Debug()
		}
		event.Err(err).Bool("visit", p.Visit).Msg("pull ended early")
	}
}
