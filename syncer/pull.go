package syncer

import (
	"context"
	"errors"
	"sync"
	"time"

	"postferry/syncer/folders"
	"postferry/syncer/foldertree"
	"postferry/syncer/measure"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer"
	"postferry/syncer/transfer/job"
	"postferry/syncer/wayback"
	"postferry/upstream"
)

// pulls are the pulls of an account's folders.
type pulls struct {
	*person
	problems *problems
	order    *ordering
	counted  func(job.Stats)                // hears what a pull has done
	follows  func(l *session.Pair) *pullJob // the pull that follows on a pair of which all has been asked for already; nil for none
}

// wish is who wants a folder pulled, and how.
type wish struct {
	visit *visiting // for a client that waits; nil for a pass
	// worth hears of a pass's pull that the folder is worth showing; told on the account's goroutine.
	worth func(f *folders.Folder, p *folders.Pulling)
	begun time.Time      // when the pass began
	next  job.NextFunc   // what the pass pulls next on the pair
	ended func(*pullJob) // told on the account's goroutine
}

// visiting is what a visit's pull has to bear in mind.
type visiting struct {
	job.Visiting
	searches []*job.ClientSearch
	shown    func() // the folder is worth showing; told on the account's goroutine
}

// pullJob is a pull of one folder, and what belongs to it on the account's side.
type pullJob struct {
	wish
	folder  *folders.Folder
	pair    *session.Pair
	name    string // of the new folder when it began
	store   recovery.Store
	job     transfer.Job
	on      transfer.Events
	yield   chan struct{}
	settle  unsettledMove
	follows bool // another folder's pull follows on the pair before it has been concluded
	result  transfer.Result
	err     error
}

// start runs a pull of f on a pair, and of the folders that have been asked for after it.
func (u *pulls) start(l *session.Pair, f *folders.Folder, w wish) {
	l.Urgent = w.visit != nil || l == u.jobs.Front
	if w.visit != nil {
		l.GiveUpPrefetched()
	}
	j := u.newPull(l, f, w)
	if w.visit == nil && !f.Alone {
		j.on.Outstanding = &transfer.Outstanding{}
	}
	var cut context.CancelFunc
	j.on.Cut, cut = context.WithCancel(context.Background())
	f.Pulling.Cut = cut
	u.jobs.Begin(l, j.yield, func(ctx context.Context) { j = u.run(ctx, j) }, func() { cut(); u.ended(j) })
}

// run runs a pull, and those that follow it on the pair while its last answers come in. It returns
// the last one.
func (u *pulls) run(ctx context.Context, j *pullJob) *pullJob {
	for {
		if j.err = j.settle.run(ctx); j.err == nil {
			j.err = u.expectReturns(ctx, &j.job)
		}
		if j.err == nil {
			j.result, j.err = transfer.Run(ctx, j.pair, j.store, j.job, j.on)
		}
		if j.err != nil || !j.result.Left {
			break
		}
		next := u.following(ctx, j)
		if next == nil {
			break
		}
		j = next
	}
	if lost := j.on.Outstanding.End(ctx); lost || j.err != nil {
		j.pair.Drop()
	}
	j.on.Outstanding.Tell()
	return j
}

// following is the pull of the folder that has been asked for after one of which everything has been sent; nil
// if there is none, or something else comes first.
func (u *pulls) following(ctx context.Context, j *pullJob) (next *pullJob) {
	err := u.jobs.Do(ctx, func() {
		if next = u.follows(j.pair); next != nil {
			next.on.Outstanding, j.pair.Yield, j.follows = j.on.Outstanding, next.yield, true
			next.on.Cut, next.folder.Pulling.Cut = j.on.Cut, j.folder.Pulling.Cut
		}
	})
	if err != nil {
		return nil
	}
	return next
}

// newPull makes a pull of f on a pair.
func (u *pulls) newPull(l *session.Pair, f *folders.Folder, w wish) *pullJob {
	f.NoteResets(u.mail.Resets.Times())
	j := &pullJob{wish: w, folder: f, pair: l, name: f.New, store: u.store, yield: make(chan struct{}), result: transfer.Result{Checkpoint: f.Checkpoint}}
	if f.AllMail {
		j.store = u.mail.Resets.Store(u.store, f.Resets)
	}
	j.job = transfer.Job{
		Account: u.id, Row: f.Folder, Resets: &u.mail.Resets, Log: u.log.With().Str("folder", f.Title).Logger(), Task: u.task(l, f, w),
		Resources: job.Resources{Memory: u.memory, Buffers: u.bodies, Limit: u.cfg.Sync.Memory},
		Shared:    job.Shared{Meter: &u.meter, RateLimits: u.traffic, Hung: &u.hung, Taking: &u.taking, Labelled: &u.labelled},
	}
	id := f.ID
	j.on.Events = job.Events{
		Yield: j.yield, Next: w.next, Counts: &job.Counters{}, Searches: &job.SearchQueue{},
		Report: func(far measure.Progress) { f.Made.Store(&far) },
		Newest: func() error { return u.order.noteNewest(f, id) },
	}
	f.Pulling = &folders.Pulling{
		Visit: w.visit != nil, Begun: time.Now(), Early: j.job.Early > 0, Whole: u.jobs.Front.Traits().Flags && u.mail.Trees.ComparesAll(f),
		Counts: j.on.Counts, Searches: j.on.Searches, Yield: sync.OnceFunc(func() { close(j.yield) }),
	}
	j.on.Worth = u.tellsWorth(f, w)
	j.on.Concluded = func(r transfer.Result, err error) {
		if j.result, j.err = r, err; j.follows {
			u.jobs.Events <- func() { u.ended(j) }
		}
	}
	if w.visit != nil {
		j.on.Searches.Add(w.visit.searches...)
	}
	j.settle = u.order.unsettled(l, f, j.yield)
	return j
}

// tellsWorth lets visitors in once a folder is worth showing.
func (u *pulls) tellsWorth(f *folders.Folder, w wish) func() {
	mine := f.Pulling
	return sync.OnceFunc(func() {
		u.jobs.Events <- func() { // the account hears its jobs to the last
			if w.visit == nil {
				w.worth(f, mine)
				return
			}
			if f.Pulling == mine {
				mine.Shown = true
			}
			w.visit.shown()
		}
	})
}

// task is how f is to be pulled on a pair.
func (u *pulls) task(l *session.Pair, f *folders.Folder, w wish) job.Task {
	st := u.mail.Trees.Status[f.Old]
	t := job.Task{
		Octets: st.Size, Visit: w.visit != nil, Thinned: u.thinned(f), Lasting: u.problems.refusedLong(f, u.row.Problem), MovedMX: u.movedMX,
		Told: f.Told, Restless: f.Restless(), Looked: u.lookedAt(f),
	}
	if w.visit == nil {
		t.Ready, t.Visiting = l.TakePrefetched(f.Folder, f.Looked, w.begun), job.Visiting{Window: u.cfg.Proxy.VisitWindow}
	} else {
		t.Visiting = w.visit.Visiting
	}
	if t.Ready == nil {
		t.Early = u.askEarly(f, !l.New.There || l.New.Session.AppendLimit() != 0)
	}
	switch {
	case t.Visit:
		u.inTime(&t, l, st)
	case foldertree.IsInbox(&f.Folder) && time.Since(u.came) < treeFresh: // who logs in opens INBOX next
		t.Visiting.Due = time.Now().Add(u.inOrder())
		u.listNewest(&t, l, st)
	}
	if !t.Visit {
		t.Late = recovery.Late{From: st.UIDNext, Sources: u.mail.Folders.Others(f, u.mail.Trees.Status)}
	}
	if f.AllMail {
		t.Archive, t.Octets = &job.Archive{Bound: st.UIDNext}, 0
	}
	return t
}

// inTime has the newest messages come first if all can't be there when they are due.
func (u *pulls) inTime(t *job.Task, l *session.Pair, st upstream.Status) {
	if inTime, known := t.InTime(l, u.traffic, t.Early, 0); t.Early > job.VisitShown && !(inTime && known) {
		t.Early = 0 // they would come with the oldest first, whatever turns out
	}
	u.listNewest(t, l, st)
}

// listNewest has the newest messages be listed along with the opening of the folder, in the same case.
func (u *pulls) listNewest(t *job.Task, l *session.Pair, st upstream.Status) {
	if st.Messages > job.VisitShown {
		if inTime, _ := t.InTime(l, u.traffic, int(st.Messages), 0); !inTime {
			t.Visiting.Next = st.UIDNext
		}
	}
}

// ended hears of the end of a pull.
func (u *pulls) ended(j *pullJob) {
	f, r, err := j.folder, j.result, j.err
	j.settle.note(f)
	for _, search := range j.on.Searches.Take() {
		search.End()
	}
	f.Pulling = nil
	f.Looked = time.Now()
	f.Checkpoint = r.Checkpoint
	f.NoteResets(u.mail.Resets.Times())
	if r.AllMailAnew {
		u.mail.Folders.AllMailAnew()
	}
	if foldertree.IsInbox(&f.Folder) {
		u.claims.Pulled(u.id, f.Checkpoint)
	}
	switch {
	case errors.Is(err, transfer.ErrUnanswered):
		f.Alone, f.Told = true, r.Told
	case errors.Is(err, transfer.ErrOldOther):
		f.RenumberedOld++
	case errors.Is(err, transfer.ErrNewOther):
		f.RenumberedNew++
	}
	if err == nil {
		f.Thin, f.Alone, f.Told = r.Thin, false, nil
	}
	u.mail.Rows.CountAgain(f, r.Stats.Quarantined > 0)
	u.mail.CopyAgain(r.Again)
	if err == nil {
		u.mail.Rows.NoteNumbers(f, r.NewValidity, j.name)
	}
	f.RunSettled()
	u.counted(r.Stats)
	u.logEarly(j)
	u.metrics.pulled(u.row.Domain, r.Stats)
	u.problems.heedDates(f, r, u.domain.New.Host)
	j.wish.ended(j)
}

// logEarly logs why a pull did not come to its end.
func (u *pulls) logEarly(j *pullJob) {
	err := j.err
	if err == nil || errors.Is(err, session.ErrYield) || session.Interrupted(u.jobs.Working, err) {
		return
	}
	event := j.job.Log.Warn()
	if errors.Is(err, transfer.ErrUnanswered) { // that is what happens when a connection breaks, or an original is needed again
		event = j.job.Log.Debug()
	}
	event.Err(err).Bool("visit", j.visit != nil).Msg("pull ended early")
}

// lookedAt is how the trees have shown a folder to be numbered, unless a server gives it other
// numbers whenever it is asked.
func (u *pulls) lookedAt(f *folders.Folder) job.Looked {
	at := job.Looked{OldValidity: u.mail.Trees.Status[f.Old].UIDValidity, NewValidity: u.mail.Trees.Newer[f.New].UIDValidity}
	if f.RenumberedOld >= looksMost {
		at.OldValidity = 0
	}
	if f.RenumberedNew >= looksMost {
		at.NewValidity = 0
	}
	return at
}

// askEarly is how many of a folder's messages are asked for without a listing, which saves
// a round trip and work: all, of a folder that is not large and is missing on the new
// server. Where limits are to be kept their sizes must be known first.
// limited says that the new server has a limit for messages.
func (u *pulls) askEarly(f *folders.Folder, limited bool) int {
	st, empty := u.mail.Trees.Status[f.Old], u.mail.Trees.Empty[f.New]
	delete(u.mail.Trees.Empty, f.New) // that holds once
	cp := f.Checkpoint
	switch {
	case f.AllMail:
	case u.mail.Trees.Labels != nil: // its messages may be in other folders as well
	case !empty || st.UIDNext > session.ListWindow+1:
	case len(u.thinned(f)) > 0: // its messages may be known under other keys
	case cp.UIDValidity != 0 || !cp.Checked.IsZero() || f.Again > 0:
	case u.traffic.Old.Budget.Limit > 0 || u.traffic.New.Budget.Limit > 0 || limited:
	default:
		return min(int(st.Messages), session.ListWindow)
	}
	return 0
}

// thinned are the folders that a message of one may have been moved from.
func (u *pulls) thinned(but *folders.Folder) []recovery.Thin {
	if !u.jobs.Front.Traits().StableUIDs {
		return nil
	}
	return u.mail.Folders.Thinned(but, u.mail.Trees.Status)
}

// looksMost is how often a pass looks at the trees again.
const looksMost = 2

// expectReturns lets a pull know what has been copied back and may appear in its folder.
func (u *pulls) expectReturns(ctx context.Context, j *transfer.Job) error {
	_, returns, err := u.store.WaysBack(ctx, u.id)
	if err != nil {
		return err
	}
	if j.Returned = wayback.NewIncoming(u.store, u.id, j.Row.ID, returns); j.Returned != nil {
		j.Early = 0
	}
	return nil
}
