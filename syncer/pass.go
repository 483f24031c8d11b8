package syncer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/foldertree"
	"postferry/syncer/problem"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer"
	"postferry/syncer/transfer/job"
	"postferry/syncer/treesync"
	"postferry/upstream/link"
)

var (
	errNoDomain    = problem.New(store.NoDomain, "", "the account's domain is not set up")
	errNoEnrolment = errors.New("nobody may enrol in this domain any more")
	errIdle        = errors.New("the account is stopped, finished or waits for a person")
)

// passOptions say what a pass should do.
type passOptions struct {
	inboxOnly bool
	until     time.Time // when to make room for other accounts; zero for never
	fresh     bool      // somebody asked for it: one that runs already won't do
}

// passResult is how a pass ended.
type passResult struct {
	pass    store.Pass
	problem *store.Problem
	yielded bool // made room for others; goes on later
	halted  bool // the account is not active
}

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

// passRun is a pass under way. The account's goroutine owns it.
type passRun struct {
	options passOptions
	started time.Time
	tree    bool // the trees have been looked at
	queue   []*folders.Folder
	// reserved are the folders that pairs are to pull after those they are at.
	reserved map[*session.Pair][]*folders.Folder
	pulling  int  // folders being pulled for it
	stopped  bool // by a problem that the other folders would meet as well
	unwell   int  // folders in a row of which a server says that they don't work at the moment
	stats    job.Stats
	problem  *store.Problem
	way      bool // it has made way for who has just logged in
	doubts
	ended
	timers
	views     viewing
	returning returning
	yielded   bool
	halted    bool // a person stopped the account
	waiting   []chan passResult
}

// viewing is how far the count is of what lies in views only.
type viewing struct{ counted, counting bool }

// timers are what a pass has to stop when it ends.
type timers struct {
	late *time.Timer // until it makes room for other accounts
	// endAhead ends attempts to open sessions ahead of need; nil if there were none.
	endAhead context.CancelFunc
	// ahead runs until they are opened, wider until more pairs than the first are used whatever they need.
	ahead, wider *time.Timer
}

// doubts are what a pass looks at the trees again for before it ends.
type doubts struct {
	// unclear are folders that turned out not to be where they were on the new server, and why.
	unclear map[*folders.Folder]error
	looks   int         // how often the trees were looked at again
	resting *time.Timer // until then; nil if it doesn't wait
}

// ended are the folders that a pass has dealt with.
type ended struct {
	through  map[*folders.Folder]bool // pulled to their end
	archived map[*folders.Folder]bool // with all mail, and pulled
	ordered  map[*folders.Folder]bool // their order was to be restored
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

// sliceOver makes a pass that has had its time stop at the next safe point.
func (ps *passes) sliceOver() {
	if ps.pass == nil || ps.pass.options.until.IsZero() || time.Now().Before(ps.pass.options.until) {
		return
	}
	ps.pass.yielded = true
	ps.mail.Folders.InterruptPulls()
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
	if f := ps.order.next(p, ps.visits.list); f != nil {
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

// noteFolder notes what the trees say against a folder.
func (p *passRun) noteFolder(f *folders.Folder, tree *folders.Trees, attempts int, host string) {
	_, there := tree.Status[f.Old]
	wanted := f.State == store.FolderPlanned || f.State == store.FolderPresent
	switch {
	case there && f.State == store.FolderPlanned && !treesync.UnknownFor(&f.Folder).IsZero():
		p.unclear[f] = errNotKnown
	case there && f.State == store.FolderPlanned:
		p.problem = problem.Of(treesync.ErrNotMade, f.Title, attempts)
		p.problem.Summary = reason.Of(reason.TroubleNotMade)
		if why := tree.Left[f.New]; why != nil {
			p.problem = problem.Of(fmt.Errorf("%w: %w", treesync.ErrNotMade, why), f.Title, attempts)
			p.problem.Kind, p.problem.Server, p.problem.Host = store.FolderNotMade, store.NewSide, host
			p.problem.Summary = reason.Of(reason.TroubleNotMadeNow)
		}
	case !there && wanted && !f.Complete():
		p.problem = problem.Of(transfer.ErrOldLeft, f.Title, attempts)
		p.problem.Summary = reason.Of(reason.TroubleLeftOld)
	}
}

// noteListing notes what is wrong with how the old server lists its folders.
func (p *passRun) noteListing(listed foldertree.ListingTrouble, attempts int, host string) {
	switch {
	case p.options.inboxOnly:
	case listed.Partial:
		p.problem = problem.Of(session.ErrListBreaks, foldertree.DecodeName(listed.Last), attempts)
		p.problem.Summary = reason.Of(reason.TroubleListBreaks)
	case listed.Unread > 0:
		p.problem = problem.Of(session.ErrListUnread, "", attempts)
		p.problem.Summary = reason.Of(reason.TroubleListUnread, listed.Unread)
	}
	if told := p.problem; told != nil && (listed.Partial || listed.Unread > 0) {
		told.Host = host
	}
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
	if !ps.jobs.Busy[j.pair] && !j.pair.Ahead.Any() {
		p.unreserve(j.pair)
	}
	switch {
	case err == nil:
		p.unwell = 0
		if p.through[f] = true; f.AllMail {
			ps.noteMessages() // only now it is known how many of them count
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
