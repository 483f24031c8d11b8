package syncer

import (
	"errors"
	"time"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/problem"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer"
	"postferry/syncer/transfer/job"
	"postferry/syncer/treesync"
	"postferry/upstream/link"
)

// passes are the passes over an account.
type passes struct {
	*person
	problems *problems
	looks    *looks
	pulls    *pulls
	visits   *visits
	order    *ordering
	back     *wayBack
	pass     *passRun          // under way; nil for none
	asked    []chan passResult // who waits for a pass after it
	messages uint64            // on the old server, as the store knows
}

// listen has the passes hear of what they wait for.
func (ps *passes) listen() {
	ps.looks.passing = func() bool { return ps.pass != nil }
	ps.looks.ended = ps.lookEnded
	ps.pulls.follows = ps.followUp
	ps.pulls.counted = func(s job.Stats) {
		if ps.pass != nil {
			ps.pass.stats.Add(s)
		}
	}
	ps.visits.due = func() bool { return ps.pass != nil && !ps.pass.tree }
}

// begin starts a pass, or joins the one that runs.
func (ps *passes) begin(o passOptions) <-chan passResult {
	reply := make(chan passResult, 1)
	switch {
	case ps.pass == nil:
		ps.open(o, reply)
	case o.fresh, ps.pass.halted:
		// What arrived after the running pass looked at the trees is not in it.
		ps.asked = append(ps.asked, reply)
	default:
		ps.pass.waiting = append(ps.pass.waiting, reply)
	}
	return reply
}

func (ps *passes) open(o passOptions, waiting ...chan passResult) {
	ps.pass = &passRun{options: o, started: time.Now(), waiting: waiting, reserved: map[*session.Pair][]*folders.Folder{},
		doubts: doubts{unclear: map[*folders.Folder]error{}},
		ended:  ended{through: map[*folders.Folder]bool{}, archived: map[*folders.Folder]bool{}, ordered: map[*folders.Folder]bool{}}}
	ps.problems.passBegan = ps.pass.started
	if o.fresh {
		ps.problems.dates = nil
		ps.problems.keepRefusals(ps.row.Problem)
		ps.problems.record(nil) // somebody wants it tried; if it is still wrong, it is recorded again
	}
	ps.lookWhetherMXMoved(ps.jobs.Context)
	if ps.loadErr != nil {
		ps.end(ps.loadErr)
	} else if !ps.works() {
		ps.end(errIdle)
	} else if !o.until.IsZero() {
		ps.pass.late = ps.jobs.After(time.Until(o.until), ps.sliceOver)
	}
}

// sliceOver makes a pass that has had its time stop at the next safe point. What compares all of a folder is through before: it would
// begin anew each time, and never come to its end where a slice is too short for it.
func (ps *passes) sliceOver() {
	if ps.pass == nil || ps.pass.options.until.IsZero() || time.Now().Before(ps.pass.options.until) {
		return
	}
	ps.pass.yielded = true
	ps.mail.Folders.InterruptCopying()
}

// nextSteps goes on with the pass, or with the one asked for that follows
// when it ends: nothing else may happen that would set that one going.
func (ps *passes) nextSteps() {
	for {
		p := ps.pass
		ps.nextStep()
		if ps.pass == nil || ps.pass == p {
			return
		}
	}
}

// nextStep starts the next jobs of the pass on the pairs for passes.
func (ps *passes) nextStep() {
	p := ps.pass
	switch {
	case p == nil:
	case p.halted && !p.tree && !ps.looks.running:
		ps.end(nil)
	case !p.tree:
		if !ps.looks.running && ps.jobs.MayUse(ps.jobs.Backs[0]) && !ps.makesWay() {
			ps.openAhead()
			ps.looks.start(ps.jobs.Backs[0], false)
		}
	case !p.yielded && !p.stopped && p.waits(ps.jobs.Busy):
		ps.nextFolders(p)
	case p.views.counting:
	case p.pulling == 0 && (p.resting != nil || ps.looksAgain()):
	case p.pulling == 0 && ps.nextAlone(p):
	case ps.back.next(p, ps.visits.list):
	case p.pulling == 0:
		ps.end(nil)
	case ps.jobs.Contended():
		ps.jobs.EndIdle(ps.jobs.Backs)
	}
}

// nextAlone goes on with what is done one after the other once the folders have been pulled; false if nothing of it is left.
func (ps *passes) nextAlone(p *passRun) bool {
	first, mail := ps.jobs.Backs[0], ps.mail
	may := ps.jobs.MayUse(first)
	if f := p.nextArchive(mail.Folders, &mail.Trees); f != nil {
		if may {
			ps.pullArchive(f)
		}
		return true
	}
	if f := p.nextUnordered(mail.Folders, ps.visits.list); f != nil && ps.cfg.Proxy.VisitOrder == config.OrderRestored {
		if may {
			p.ordered[f] = true
			p.pulling++ // it counts as one that is pulled
			ps.order.restore(first, f, ps.ordered)
		}
		return true
	}
	if !p.mayCount() {
		return false
	}
	views := mail.Folders.Uncounted(ps.id, &mail.Trees, &ps.shared.views)
	if len(views) > 0 && may {
		ps.countViews(first, views)
	}
	return len(views) > 0
}

// ordered hears that the order of a folder has been restored, or hasn't.
func (ps *passes) ordered() {
	if ps.pass != nil {
		ps.pass.pulling--
	}
}

// lookEnded hears of the end of a look at the trees.
func (ps *passes) lookEnded(r treesync.Result) {
	switch p := ps.pass; {
	case p != nil && !p.tree && ps.looks.began.Before(p.started):
		// What came between the two is not in it: the pass looks again.
	case p != nil && !p.tree:
		ps.treeLooked(r.Err)
	case r.Err != nil && ps.jobs.Working.Err() == nil:
		ps.problems.record(problem.Of(r.Err, "", 1))
	case r.Err == nil && r.Room != nil:
		ps.problems.record(r.Room)
	}
}

// treeLooked goes on with a pass once the trees have been looked at.
func (ps *passes) treeLooked(err error) {
	p := ps.pass
	if err != nil {
		ps.end(err)
		return
	}
	if p.tree = true; p.problem == nil { // else it is the second look of the pass
		p.problem = ps.mail.Trees.OmittedProblem(ps.domain.Old.Host, ps.cfg.Sync.MaxFolders, ps.cfg.Sync.Interval)
	}
	if ps.mail.Trees.Room != nil {
		ps.endWith(ps.mail.Trees.Room)
		return
	}
	p.noteListing(ps.mail.Trees.Listed, ps.attempts(), ps.domain.Old.Host)
	for _, f := range ps.mail.Folders {
		if !p.options.inboxOnly {
			p.noteFolder(f, &ps.mail.Trees, ps.attempts(), ps.domain.New.Host)
		}
		if ps.mail.Trees.Due(f, p.options.inboxOnly) && !p.through[f] && !f.AllMail {
			p.queue = append(p.queue, f)
		}
	}
	ps.noteMessages()
	p.order()
	ps.widenLater(p)
}

// noteMessages tells the store how many messages the old server has.
func (ps *passes) noteMessages() {
	n := uint64(0)
	for _, f := range ps.mail.Folders {
		st, there := ps.mail.Trees.Status[f.Old]
		if !there || f.State == store.FolderSkipped || f.State == store.FolderDeleted {
			continue
		}
		if f.AllMail {
			st.Messages = 0 // the others have them
		}
		n += max(uint64(st.Messages), f.Far().Total)
	}
	if n == ps.messages {
		return
	}
	if err := ps.store.SetMessages(ps.jobs.Context, ps.id, n); err != nil && ps.jobs.Context.Err() == nil {
		ps.log.Error().Err(err).Msg("the number of messages could not be recorded")
		return
	}
	ps.messages = n
}

// pulled hears how a folder of the pass went.
func (ps *passes) pulled(j *pullJob) {
	p, f, err := ps.pass, j.folder, j.err
	if p == nil {
		return // the account is winding up
	}
	p.pulling--
	p.pullAgain(ps.mail.Folders, j.result.Again)
	if !ps.jobs.Busy[j.pair] && !j.pair.Ahead.Any() {
		p.unreserve(j.pair)
	}
	switch {
	case err == nil:
		p.unwell = 0
		if p.through[f] = true; f.AllMail || !session.TraitsOf(ps.domain.Old).Folders {
			ps.noteMessages() // only now it is known how many of them count, or there are
		}
	case session.Interrupted(ps.jobs.Working, err):
		p.yielded = true
	case errors.Is(err, session.ErrYield):
		p.putBack(f)
	case errors.Is(err, transfer.ErrUnanswered):
		p.putBack(f)
	case errors.Is(err, recovery.ErrNewGone), errors.Is(err, transfer.ErrNewOther), errors.Is(err, transfer.ErrOldOther):
		ps.newGone(j)
	case session.StopsAccount(err, p.unwell):
		p.problem, p.stopped = problem.Of(err, f.Title, ps.attempts()), true
		ps.mail.Folders.InterruptPulls()
	case !p.stopped:
		p.problem = problem.Of(err, f.Title, ps.attempts())
		if session.AboutOne(err) || session.BreaksConnection(err) && link.ClassOf(err) == link.Later {
			p.unwell++
		}
	}
}

// newGone: the folder was deleted or renamed on the new server while the pass ran, or another
// one has its name. If a client of ours renamed it, its row says so by now, and it goes
// on; otherwise another look at the trees will tell.
func (ps *passes) newGone(j *pullJob) {
	p, f := ps.pass, j.folder
	switch {
	case f.State != store.FolderPresent:
	case f.New != j.name:
		p.queue = append(p.queue, f)
	default:
		f.Doubted = f.Doubted || !errors.Is(j.err, transfer.ErrOldOther)
		p.unclear[f] = j.err
	}
}

// followed goes on with a pair whose sessions have been opened ahead.
func (ps *passes) followed(l *session.Pair) {
	if ps.pass == nil { // it ended meanwhile
		ps.jobs.EndIdle([]*session.Pair{l})
	}
}
