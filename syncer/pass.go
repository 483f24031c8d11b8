package syncer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/measure"
	"postferry/syncer/problem"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer"
	"postferry/syncer/treesync"
	"postferry/upstream"
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

// passRun is a pass under way. The account's goroutine owns it.
type passRun struct {
	options passOptions
	started time.Time
	tree    bool // the trees have been looked at
	queue   []*tracked
	// reserved are the folders that pairs are to pull after those they are at.
	reserved map[*session.Pair][]*tracked
	pulling  int  // folders being pulled for it
	counted  bool // what lies in views only has been looked for
	counting bool // it is being looked for
	stopped  bool // by a problem that the other folders would meet as well
	unwell   int  // folders in a row of which a server says that they don't work at the moment
	stats    transfer.Stats
	problem  *store.Problem
	doubts
	ended
	returning returning
	yielded   bool
	halted    bool // a person stopped the account
	late      *time.Timer
	// endAhead ends attempts to open sessions ahead of need; nil if there were none.
	endAhead context.CancelFunc
	// ahead runs until they are opened, wider until more pairs than the first are used whatever they need.
	ahead, wider *time.Timer
	waiting      []chan passResult
}

// doubts are what a pass looks at the trees again for before it ends.
type doubts struct {
	// unclear are folders that turned out not to be where they were on the new server, and why.
	unclear map[*tracked]error
	looks   int         // how often the trees were looked at again
	resting *time.Timer // until then; nil if it doesn't wait
}

// ended are the folders that a pass has dealt with.
type ended struct {
	through  map[*tracked]bool // pulled to their end
	archived map[*tracked]bool // with all mail, and pulled
	ordered  map[*tracked]bool // their order was to be restored
}

// beginPass starts a pass, or joins the one that runs.
func (a *account) beginPass(o passOptions) <-chan passResult {
	reply := make(chan passResult, 1)
	switch {
	case a.pass == nil:
		a.openPass(o, reply)
	case o.fresh, a.pass.halted:
		// What arrived after the running pass looked at the trees is not in it.
		a.asked = append(a.asked, reply)
	default:
		a.pass.waiting = append(a.pass.waiting, reply)
	}
	return reply
}

func (a *account) openPass(o passOptions, waiting ...chan passResult) {
	a.pass = &passRun{options: o, started: time.Now(), waiting: waiting, reserved: map[*session.Pair][]*tracked{},
		doubts: doubts{unclear: map[*tracked]error{}},
		ended:  ended{through: map[*tracked]bool{}, archived: map[*tracked]bool{}, ordered: map[*tracked]bool{}}}
	if o.fresh {
		a.dates = nil
		a.keepRefusals(a.row.Problem)
		a.problem(nil) // somebody wants it tried; if it is still wrong, it is recorded again
	}
	a.lookWhetherMXMoved(a.ctx)
	if a.loadErr != nil {
		a.endPass(a.loadErr)
	} else if !a.works() {
		a.endPass(errIdle)
	} else if !o.until.IsZero() {
		a.pass.late = a.after(time.Until(o.until), a.sliceOver)
	}
}

// after runs fn on the account's goroutine in a while.
func (b *actor) after(d time.Duration, fn func()) *time.Timer {
	return time.AfterFunc(d, func() {
		select {
		case b.events <- fn:
		case <-b.gone:
		}
	})
}

// sliceOver makes a pass that has had its time stop at the next safe point.
func (a *account) sliceOver() {
	if a.pass == nil || a.pass.options.until.IsZero() || time.Now().Before(a.pass.options.until) {
		return
	}
	a.pass.yielded = true
	a.folders.interruptPulls()
}

// interruptPulls makes the pass's pulls stop at their next safe point.
func (all folderList) interruptPulls() {
	for _, f := range all {
		if f.pulling != nil && !f.pulling.visit {
			f.pulling.yield()
		}
	}
}

// nextPassSteps goes on with the pass, or with the one asked for that follows
// when it ends: nothing else may happen that would set that one going.
func (a *account) nextPassSteps() {
	for {
		p := a.pass
		a.nextPassStep()
		if a.pass == nil || a.pass == p {
			return
		}
	}
}

// nextPassStep starts the next jobs of the pass on the pairs for passes.
func (a *account) nextPassStep() {
	p := a.pass
	switch {
	case p == nil:
	case p.halted && !p.tree && !a.tree.running:
		a.endPass(nil)
	case !p.tree:
		if !a.tree.running && a.mayUse(a.backs[0]) {
			a.openAhead()
			a.startTree(a.backs[0], false)
		}
	case !p.yielded && !p.stopped && p.waits(a.busy):
		a.nextFolders(p)
	case p.counting:
	case p.pulling == 0 && (p.resting != nil || a.looksAgain()):
	case p.pulling == 0 && p.nextArchive(a.folders, &a.tree) != nil:
		if a.mayUse(a.backs[0]) {
			a.pullArchive(p.nextArchive(a.folders, &a.tree))
		}
	case p.pulling == 0 && a.nextUnordered() != nil:
		if a.mayUse(a.backs[0]) {
			a.restoreOrder(a.backs[0], a.nextUnordered())
		}
	case p.pulling == 0 && p.mayCount() && len(a.folders.uncounted(a.id, &a.tree, &a.views)) > 0:
		if a.mayUse(a.backs[0]) {
			a.countViews(a.backs[0], a.folders.uncounted(a.id, &a.tree, &a.views))
		}
	case a.nextReturn(p):
	case p.pulling == 0:
		a.endPass(nil)
	case a.contended():
		a.endIdle(a.backs)
	}
}

// passTree goes on with a pass once the trees have been looked at.
func (a *account) passTree(err error) {
	p := a.pass
	if err != nil {
		a.endPass(err)
		return
	}
	if p.tree = true; p.problem == nil { // else it is the second look of the pass
		p.problem = a.tree.omittedProblem(a.domain.Old.Host, a.cfg.Sync.MaxFolders, a.cfg.Sync.Interval)
	}
	if a.tree.room != nil {
		a.endPassWith(a.tree.room)
		return
	}
	p.noteListing(a.tree.listed, a.attempts(), a.domain.Old.Host)
	for _, f := range a.folders {
		if !p.options.inboxOnly {
			p.noteFolder(f, &a.tree, a.attempts(), a.domain.New.Host)
		}
		if a.tree.due(f, p.options) && !p.through[f] && !f.AllMail {
			p.queue = append(p.queue, f)
		}
	}
	a.noteMessages()
	p.order()
	a.widenLater(p)
}

// noteFolder notes what the trees say against a folder.
func (p *passRun) noteFolder(f *tracked, tree *treeState, attempts int, host string) {
	_, there := tree.status[f.Old]
	wanted := f.State == store.FolderPlanned || f.State == store.FolderPresent
	switch {
	case there && f.State == store.FolderPlanned && !treesync.UnknownFor(&f.Folder).IsZero():
		p.unclear[f] = errNotKnown
	case there && f.State == store.FolderPlanned:
		p.problem = problem.Of(treesync.ErrNotMade, f.Title, attempts)
		p.problem.Summary = "The new server refuses to make the folder; its mail is not copied."
		if why := tree.left[f.New]; why != nil {
			p.problem = problem.Of(fmt.Errorf("%w: %w", treesync.ErrNotMade, why), f.Title, attempts)
			p.problem.Kind, p.problem.Server, p.problem.Host = store.FolderNotMade, store.NewSide, host
			p.problem.Summary = "The new server can't make the folder at the moment, or breaks the connection when it is to; its mail is not copied yet. It is tried again by itself; if it stays so, give the folder another name in the configuration."
		}
	case !there && wanted && !f.complete():
		p.problem = problem.Of(transfer.ErrOldLeft, f.Title, attempts)
		p.problem.Summary = "The folder is not on the old server any more, and not all of its mail had been copied. If it comes back there, it is copied on; if it was deleted on purpose, say so."
	}
}

// noteListing notes what is wrong with how the old server lists its folders.
func (p *passRun) noteListing(listed foldertree.ListingTrouble, attempts int, host string) {
	switch {
	case p.options.inboxOnly:
	case listed.Partial:
		p.problem = problem.Of(session.ErrListBreaks, foldertree.DecodeName(listed.Last), attempts)
		p.problem.Summary = "The old server breaks the connection while it lists its folders, after the one that is named here. Those that were known, or listed until then, are copied; it is asked again by itself."
	case listed.Unread > 0:
		p.problem = problem.Of(session.ErrListUnread, "", attempts)
		p.problem.Summary = fmt.Sprintf("The old server lists folders in a way that can't be read (%d); their mail is not copied. Have them renamed there, or look into the log for what it says.", listed.Unread)
	}
	if told := p.problem; told != nil && (listed.Partial || listed.Unread > 0) {
		told.Host = host
	}
}

// noteMessages tells the store how many messages the old server has.
func (a *account) noteMessages() {
	n := uint64(0)
	for _, f := range a.folders {
		st, there := a.tree.status[f.Old]
		if !there || f.State == store.FolderSkipped || f.State == store.FolderDeleted {
			continue
		}
		if f.AllMail {
			st.Messages = 0 // the others have them
		}
		n += max(uint64(st.Messages), f.far().Total)
	}
	if n == a.messages {
		return
	}
	if err := a.store.SetMessages(a.ctx, a.id, n); err != nil && a.ctx.Err() == nil {
		a.log.Error().Err(err).Msg("the number of messages could not be recorded")
		return
	}
	a.messages = n
}

// due tells whether a pass has to open a folder: the old server's STATUS says
// that something happened since the checkpoint, or can't say; or the new folder isn't
// numbered as it was.
func (t *treeState) due(f *tracked, o passOptions) bool {
	if f.State != store.FolderPresent {
		return false
	}
	st, ok := t.status[f.Old]
	if !ok {
		return false // gone from the old server, or not selectable there
	}
	cp := f.Checkpoint
	wanted := !o.inboxOnly || foldertree.IsInbox(&f.Folder) // what the others have is told all the same
	if st == (upstream.Status{}) {
		return wanted // nothing is known before it is opened
	}
	since := uint64(st.Messages)
	if st.UIDValidity == cp.UIDValidity && st.UIDNext >= cp.UIDNext {
		since = uint64(st.UIDNext - cp.UIDNext)
	}
	told := f.far().Announced(cp, uint64(st.Messages), since, st.Size)
	if f.AllMail {
		told = measure.OfRow(f.Folder) // how much of it is to come nobody knows yet
	}
	f.made.Store(&told)
	same := f.complete() && f.Again == 0 && f.Lost == 0 && st.UIDValidity == cp.UIDValidity && st.UIDNext == cp.UIDNext && st.UIDNext != 0 &&
		st.HighestModSeq == cp.HighestModSeq && st.HighestModSeq != 0 && !recovery.NewMoved(cp, t.newer[f.New]) && !t.numberedAnew(f) && !t.suspect[f.ID] &&
		!recovery.Overdue(f.ID, cp.Checked, time.Now())
	return wanted && !same
}

// numberedAnew tells whether the new folder has another UIDVALIDITY than when it was pulled, unless that means nothing.
func (t *treeState) numberedAnew(f *tracked) bool {
	return f.renumbered <= renumberedMost && recovery.Differ(f.Checkpoint.NewUIDValidity, t.newer[f.New].UIDValidity)
}

// passPulled hears how a folder of the pass went.
func (a *account) passPulled(f *tracked, done *transfer.Pull, err error) {
	p := a.pass
	if p == nil {
		return // the account is winding up
	}
	p.pulling--
	if !a.busy[done.Pair] && !done.Pair.Ahead.Any() {
		p.unreserve(done.Pair)
	}
	switch {
	case err == nil:
		p.unwell = 0
		if p.through[f] = true; f.AllMail {
			a.noteMessages() // only now it is known how many of them count
		}
	case session.Interrupted(a.work, err):
		p.yielded = true
	case errors.Is(err, session.ErrYield):
		p.putBack(f)
	case errors.Is(err, transfer.ErrUnanswered):
		p.putBack(f)
	case errors.Is(err, recovery.ErrNewGone), errors.Is(err, transfer.ErrNewOther), errors.Is(err, transfer.ErrOldOther):
		a.newGone(f, done, err)
	case session.StopsAccount(err, p.unwell):
		p.problem, p.stopped = problem.Of(err, f.Title, a.attempts()), true
		a.folders.interruptPulls()
	case !p.stopped:
		p.problem = problem.Of(err, f.Title, a.attempts())
		if session.AboutOne(err) || session.BreaksConnection(err) && link.ClassOf(err) == link.Later {
			p.unwell++
		}
	}
}

// newGone: the folder was deleted or renamed on the new server while the pass ran, or another
// one has its name. If a client of ours renamed it, its row says so by now, and it goes
// on; otherwise another look at the trees will tell.
func (a *account) newGone(f *tracked, done *transfer.Pull, err error) {
	p := a.pass
	switch {
	case f.State != store.FolderPresent:
	case f.New != done.Row.New:
		p.queue = append(p.queue, f)
	default:
		f.doubted = f.doubted || !errors.Is(err, transfer.ErrOldOther)
		p.unclear[f] = err
	}
}
