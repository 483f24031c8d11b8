package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/foldertree"
	"postferry/syncer/problem"
	"postferry/syncer/session"
	"postferry/syncer/transfer"
	"postferry/syncer/transfer/job"
	"postferry/syncer/treesync"
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
	queue   []*folders.Folder
	// reserved are the folders that pairs are to pull after those they are at.
	reserved map[*session.Pair][]*folders.Folder
	pulling  int  // folders being pulled for it
	stopped  bool // by a problem that the other folders would meet as well
	unwell   int  // folders in a row of which a server says that they don't work at the moment
	stats    job.Stats
	problem  *store.Problem
	way      time.Time // the login, or its own begin, from which on it makes way for who has just logged in
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

// errNotKnown: the new server does not know a folder that it said it had made.
var errNotKnown = problem.New(store.FolderNotMade, store.NewSide, "the new server said that it had made the folder, and does not know it")

// untilKnown is how long to wait before the trees are looked at again: a folder that was
// made may be known soon.
func (p *passRun) untilKnown(now time.Time) (wait time.Duration) {
	for f := range p.unclear {
		if since := treesync.UnknownFor(&f.Folder); !since.IsZero() {
			wait = max(wait, treesync.MadePatience-now.Sub(since), session.SettleQuiet/6)
		}
	}
	return wait
}

// unclearProblem is what a pass ends with if a folder's place stayed unclear; nil if none did.
func (p *passRun) unclearProblem(folders folders.List, attempts int) *store.Problem {
	for _, f := range folders {
		err := p.unclear[f]
		if err == nil {
			continue
		}
		told := problem.Of(err, f.Title, attempts)
		told.Summary = reason.Of(reason.TroubleVanished)
		if errors.Is(err, transfer.ErrOldOther) {
			told.Summary = reason.Of(reason.TroubleRenumbered)
		}
		if errors.Is(err, errNotKnown) {
			told.Summary = reason.Of(reason.TroubleNotKnown)
		}
		return told
	}
	return nil
}

// mayCount tells whether the pass has come to the views: what the other folders have is known
// when they are through.
func (p *passRun) mayCount() bool {
	return !p.views.counted && !p.yielded && !p.stopped && !p.options.inboxOnly
}

// nextArchive is a folder with all mail that the pass has come to: the others have been pulled, as
// far as they can be. One is pulled after the other, as what the first has brought is known then.
func (p *passRun) nextArchive(folders folders.List, tree *folders.Trees) *folders.Folder {
	if p.yielded || p.stopped || p.options.inboxOnly {
		return nil
	}
	for _, f := range folders {
		if f.AllMail && !p.archived[f] && tree.Due(f, p.options.inboxOnly) {
			return f
		}
	}
	return nil
}

// unreserve puts the folders that a pair was to pull next back to where they are picked
// from.
func (p *passRun) unreserve(l *session.Pair) {
	p.putBack(p.reserved[l]...)
	delete(p.reserved, l)
}

// nextInQueue is where the first folder is that may be pulled; -1 for none.
func (p *passRun) nextInQueue(visits visitList) int {
	return slices.IndexFunc(p.queue, func(f *folders.Folder) bool { return f.MayPull() && !visits.has(f) })
}

// takeReserved is the folder that a pair is to pull next, as it has been asked for; nil if it may not be pulled
// now. Those that were set aside before it are put back.
func (p *passRun) takeReserved(l *session.Pair, visits visitList) *folders.Folder {
	mine, at := p.reserved[l], -1
	if first := l.Ahead.First(); first != nil {
		at = slices.IndexFunc(mine, func(f *folders.Folder) bool { return f.ID == first.Folder.ID })
	}
	if at < 0 || !mine[at].MayPull() || visits.has(mine[at]) {
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
func (p *passRun) putBack(folders ...*folders.Folder) {
	p.queue = slices.Concat(folders, p.queue)
}

// pullAgain has folders be pulled once more of which another one's pull has shown that messages are to be copied again.
func (p *passRun) pullAgain(all folders.List, ids []store.FolderID) {
	for _, id := range ids {
		f := all.ByID(id)
		if f == nil || f.AllMail || p.options.inboxOnly && !foldertree.IsInbox(&f.Folder) || slices.Contains(p.queue, f) {
			continue
		}
		delete(p.through, f)
		p.queue = append(p.queue, f)
	}
}

// widenAfter is after how long a pass pulls on more than one pair.
const widenAfter = 200 * time.Millisecond

// widened tells whether a pass may pull on one of the pairs behind the first.
func (p *passRun) widened(i int, l *session.Pair) bool {
	return i == 0 || !l.Empty() || time.Since(p.started) >= widenAfter
}

// order puts the folders of a pass into the order in which they are pulled.
func (p *passRun) order() { slices.SortStableFunc(p.queue, before) }

// returning is the end of a pass over an account whose new mail is copied back to the old server.
type returning struct {
	looked  bool // it has been found out which folders there is something new in
	looking bool
	queue   []*folders.Folder
}

// nextUnordered is a folder whose order the pass is to restore; nil for none.
func (p *passRun) nextUnordered(all folders.List, visits visitList) *folders.Folder {
	if p.yielded || p.stopped {
		return nil
	}
	at := slices.IndexFunc(all, func(f *folders.Folder) bool {
		return f.Order.State == store.OrderNewest && f.State == store.FolderPresent && f.Complete() && !f.AllMail &&
			f.MayPull() && !visits.has(f) && !p.ordered[f]
	})
	if at < 0 {
		return nil
	}
	return all[at]
}
