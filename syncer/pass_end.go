package syncer

import (
	"context"
	"errors"
	"time"

	"postferry/report"
	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/problem"
	"postferry/syncer/session"
)

// attempts is how many passes in a row have ended with a problem, the present
// one included. One that got something done is the first again: a server that
// hangs up now and then is no reason to be ever more cautious.
func (ps *passes) attempts() int {
	if ps.pass != nil && ps.pass.stats.Copied+ps.pass.stats.Adopted > 0 {
		return 1
	}
	return ps.problems.failures + 1
}

// end ends a pass: with nil when it is through or made room for others.
func (ps *passes) end(err error) {
	if ps.pass == nil {
		return
	}
	var told *store.Problem
	switch {
	case err == nil:
	case errors.Is(err, report.ErrStopping):
		ps.pass.yielded = true
	case session.Interrupted(ps.jobs.Working, err):
		ps.pass.yielded = true
	case errors.Is(err, errIdle):
		told = ps.row.Problem
		ps.pass.halted = ps.row.State != store.Active
		record := store.Pass{Started: ps.pass.started, Ended: time.Now()}
		if told != nil {
			ps.tellEnded(record, told) // nothing more will come of it
		}
		ps.reply(record, told)
		return
	default:
		told = problem.Of(err, "", ps.attempts())
	}
	ps.endWith(told)
}

func (ps *passes) endWith(problem *store.Problem) {
	p := ps.pass
	if problem == nil {
		problem = p.problem
	}
	if problem == nil && !p.yielded {
		problem = p.unclearProblem(ps.mail.Folders, ps.attempts())
	}
	record := store.Pass{
		Started: p.started, Ended: time.Now(),
		Copied: p.stats.Copied, Adopted: p.stats.Adopted, FlagChanges: p.stats.FlagChanges,
		Bytes: p.stats.Bytes, Quarantined: p.stats.Quarantined,
		Complete: problem == nil && !p.yielded && !p.options.inboxOnly,
	}
	if problem != nil {
		ps.problems.failures = ps.attempts()
	} else if record.Complete {
		ps.problems.failures = 0
		problem = ps.mail.Folders.MissingProblem(ps.domain.New.Host, ps.cfg.Sync.Interval)
		record.Complete = problem == nil
	}
	if problem != nil {
		record.Error, record.Kind = problem.Summary, problem.Kind
		record.Server, record.Host, record.Folder = problem.Server, problem.Host, problem.Folder
	}
	ps.problems.keepSince(problem)
	if problem == nil && !p.yielded {
		problem = ps.problems.datesProblem(ps.row.Problem, ps.cfg.Sync.Interval)
	}
	if ps.loadErr == nil {
		ps.record(record, problem, p.yielded)
		ps.tellEnded(record, problem)
	}
	ps.reply(record, problem)
}

// record writes a pass into the history. What a visit or another account
// interrupted is not a result worth keeping unless it did something.
func (ps *passes) record(pass store.Pass, problem *store.Problem, yielded bool) {
	if problem != nil || !yielded {
		ps.problems.record(problem)
	}
	worked := pass.Copied+pass.Adopted+pass.FlagChanges+pass.Quarantined > 0
	if yielded && !worked {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ps.jobs.Context), folders.StoreWait)
	defer cancel()
	if err := ps.store.AddPass(ctx, ps.id, pass); err != nil {
		ps.log.Error().Err(err).Msg("the pass could not be recorded")
	}
	event := ps.log.Info()
	if !pass.Complete && !worked {
		event = ps.log.Debug()
	}
	event.Uint64("copied", pass.Copied).Uint64("adopted", pass.Adopted).Uint64("flags", pass.FlagChanges).
		Uint64("bytes", pass.Bytes).Uint64("quarantined", pass.Quarantined).Bool("complete", pass.Complete).
		Dur("took", pass.Ended.Sub(pass.Started)).Msg("pass ended")
}

func (ps *passes) reply(record store.Pass, problem *store.Problem) {
	p := ps.pass
	ps.pass, ps.problems.passBegan = nil, time.Time{}
	for _, t := range []*time.Timer{p.late, p.resting, p.ahead, p.wider} {
		if t != nil {
			t.Stop()
		}
	}
	if p.endAhead != nil {
		p.endAhead()
	}
	if !p.yielded || p.halted {
		ps.labelled.Clear() // what comes later is little, or a while off; what is worth it is looked at again then
	}
	for _, w := range p.waiting {
		w <- passResult{pass: record, problem: problem, yielded: p.yielded, halted: p.halted}
	}
	if asked := ps.asked; len(asked) > 0 {
		ps.asked = nil
		ps.open(passOptions{fresh: true}, asked...)
		return
	}
	ps.jobs.EndIdle(ps.jobs.Backs)
}

// tellEnded tells the end of a pass over the account, which was one over its aliases as well.
func (ps *passes) tellEnded(pass store.Pass, problem *store.Problem) {
	ps.shared.ended.tell(report.PassEnded{Account: ps.id, Pass: pass, Problem: problem})
	for _, id := range ps.claims.AliasesOf(context.WithoutCancel(ps.jobs.Context), ps.store, ps.id) {
		ps.shared.ended.tell(report.PassEnded{Account: id, Pass: pass, Problem: problem})
	}
}
