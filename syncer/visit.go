package syncer

import (
	"errors"
	"slices"
	"sync"
	"time"

	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/problem"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer"
	"postferry/syncer/transfer/job"
)

const (
	// mostPatience is the same for a server that has been seen to be slow.
	mostPatience = 6 * time.Second
	// atOnce is how many commands a folder's opening sends at once: EXAMINE, and a FETCH ahead. A
	// server that answers both together says nothing during either.
	atOnce = 2
	// noPatience is the same for a server that others have already waited for in vain.
	noPatience = 200 * time.Millisecond
	// exclusiveFresh is visitFresh for servers whose sessions lock the mailbox, many of which
	// allow a login only every few minutes.
	exclusiveFresh = 5 * time.Minute
	// visitFresh is how recently a complete folder must have been looked at for
	// another visit not to look again.
	visitFresh = 30 * time.Second
)

// visit is a client's opening of a folder.
type visit struct {
	folder *folders.Folder
	begun  time.Time
	search *job.ClientSearch // in the folder; nil for none
	asked  bool              // a client has only asked what it has
	shown  chan struct{}     // closed when the folder is worth showing
	show   func()
}

// visits are the visits of an account's folders.
type visits struct {
	*person
	problems *problems
	pulls    *pulls
	looks    *looks
	list     visitList
	due      func() bool // whether the pass under way is about to look at the trees
}

// visitList are the visits that somebody waits for.
type visitList []*visit

func newVisit(f *folders.Folder) *visit {
	v := &visit{folder: f, begun: time.Now(), shown: make(chan struct{})}
	v.show = sync.OnceFunc(func() { close(v.shown) })
	return v
}

// begin decides what a visit has to wait for: nil for nothing.
func (s *visits) begin(mailbox string) *visit {
	f := s.mail.Folders.ByNew(s.mail.Spelled(mailbox))
	if !s.works() || s.mail.Trees.Room != nil || f == nil || f.State != store.FolderPresent {
		return nil
	}
	if f.Complete() {
		if time.Since(f.Looked) > s.fresh() && f.Pulling == nil && !s.list.has(f) {
			s.list = append(s.list, newVisit(f)) // nobody waits; what is late arrives as EXISTS
		}
		return nil
	}
	if f.Pulling != nil && f.Pulling.Shown {
		return nil // its newest messages are there, and the others are on their way
	}
	v := newVisit(f)
	s.list = append(s.list, v)
	s.list.givesWay(f, s.mail.Folders)
	return v
}

// fresh is how recently a complete folder must have been looked at.
func (s *visits) fresh() time.Duration {
	if !s.jobs.Front.Traits().Exclusive {
		return visitFresh
	}
	if p := s.row.Problem; p != nil && time.Now().Before(p.Retry) {
		return time.Hour // it asked to be left alone; the pass comes back when it may
	}
	return exclusiveFresh
}

func (all visitList) has(f *folders.Folder) bool {
	for _, v := range all {
		if v.folder == f {
			return true
		}
	}
	return false
}

// next starts the pull of the folder that was asked for first, or the look at
// the trees that a client waits for.
func (s *visits) next() {
	if len(s.looks.waiting) > 0 && !s.looks.running {
		s.looks.start(s.jobs.VisitPair(), true)
		return
	}
	if len(s.looks.waiting) > 0 && s.looks.yield != nil {
		s.looks.yield() // the pass may be waiting for a place; people come first
	}
	slices.SortStableFunc(s.list, func(v, w *visit) int {
		if v.asked == w.asked {
			return 0
		}
		return first(!v.asked) // who opens a folder comes before who asks about it
	})
	for _, v := range s.list {
		f := v.folder
		switch {
		case f.MayPull():
			s.pulls.start(s.jobs.VisitPair(), f, wish{visit: s.visiting(f), ended: s.ended})
			return
		case f.Pulling != nil && !f.Pulling.Visit && !s.serves(f):
			f.Pulling.Yield() // the pass hands the folder over at its next safe point
		}
	}
}

// showFolder lets the visitors of a folder in.
func (all visitList) show(f *folders.Folder) {
	for _, v := range all {
		if v.folder == f {
			v.show()
		}
	}
}

// ended hears of the end of a visit's pull.
func (s *visits) ended(j *pullJob) {
	f, err := j.folder, j.err
	if _, crowded := errors.AsType[*session.CrowdedError](err); crowded {
		return // it is begun again on a pair that the account may have
	}
	s.list.show(f)
	rest := s.list[:0]
	for _, v := range s.list {
		if v.folder != f {
			rest = append(rest, v)
		}
	}
	s.list = rest
	if err == nil || errors.Is(err, session.ErrYield) || session.Interrupted(s.jobs.Working, err) {
		return
	}
	switch {
	case errors.Is(err, transfer.ErrOldGone):
	case errors.Is(err, recovery.ErrNewGone), errors.Is(err, transfer.ErrNewOther), errors.Is(err, transfer.ErrOldOther):
		s.doubt(j)
	default:
		s.problems.record(problem.Of(err, f.Title, 1))
	}
}

// doubt has the trees looked at soon, as a folder is not where it was on the new server, or another one on
// the old server.
func (s *visits) doubt(j *pullJob) {
	f := j.folder
	if f.State != store.FolderPresent || f.New != j.name {
		return // a client changed it; its row says how
	}
	f.Doubted = f.Doubted || !errors.Is(j.err, transfer.ErrOldOther)
	if len(s.looks.waiting) == 0 && !s.due() {
		s.looks.waiting = append(s.looks.waiting, make(chan struct{}))
	}
}

// visiting is what a visit's pull of a folder has to bear in mind.
func (s *visits) visiting(f *folders.Folder) *visiting {
	begun := time.Now()
	for _, v := range s.list {
		if v.folder == f && v.begun.Before(begun) {
			begun = v.begun
		}
	}
	ordered := s.inOrder()
	return &visiting{
		Visiting: job.Visiting{Due: begun.Add(ordered), Spare: ordered / 4, Window: s.cfg.Proxy.VisitWindow},
		searches: s.list.searchesOf(f), shown: func() { s.list.show(f) },
	}
}

// connected hears of a client's login and returns what it should wait for: the
// first look at the trees, nil if there has been one.
func (s *visits) connected() (<-chan struct{}, *session.Pool) {
	s.came = time.Now()
	if !s.works() || time.Since(s.mail.Trees.At) < treeFresh && !s.mail.Folders.RenamingUnclear() {
		return nil, nil
	}
	done := make(chan struct{})
	s.looks.waiting = append(s.looks.waiting, done)
	if len(s.mail.Folders) > 0 {
		return nil, nil // the folders are there; what is new among them appears as it is found
	}
	return done, s.jobs.Front.Old.End.Pool
}

// claimLane makes the pass give up the only pair there may be if a client waits for it.
func (s *visits) claimLane() {
	if len(s.looks.waiting) == 0 && s.allServed() {
		return
	}
	s.mail.Folders.InterruptPulls()
	if s.looks.yield != nil {
		s.looks.yield()
	}
}
