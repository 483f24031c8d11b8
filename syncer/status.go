package syncer

import (
	"context"
	"sort"
	"time"

	"postferry/store"
	"postferry/syncer/measure"
)

// Live is what is going on with an account right now.
type Live struct {
	Account store.AccountID
	Login   string
	Running bool
	Folder  string // title of the folder being pulled, if any
	Done    uint64 // messages of the account dealt with (ledger and quarantine)
	Total   uint64 // messages known on the old server so far
	// OctetsDone are those of the messages dealt with, OctetsTotal those of all on
	// the old server. Unless OctetsExact, the latter is reckoned from the
	// messages seen so far; 0 means that nothing is known.
	OctetsDone, OctetsTotal uint64
	OctetsExact             bool
	Copied                  uint64 // messages copied since this pass began
	Bytes                   uint64 // octets copied since this pass began
	Started                 time.Time
	Rate                    measure.Rate
	// Remaining is how long the rest takes if it goes on like this; nil while
	// that can't be known.
	Remaining *time.Duration
}

// LiveFolder is how far a folder of an account is.
type LiveFolder struct {
	ID          store.FolderID
	Title       string
	State       store.FolderState
	Running     bool // it is being pulled right now
	Complete    bool // it was pulled to its end once
	Done, Total uint64
	// As in Live.
	OctetsDone, OctetsTotal uint64
	OctetsExact             bool
}

// Live reports the accounts that are being worked on.
func (e *Engine) Live(ctx context.Context) ([]Live, error) {
	var at []*account
	if err := e.do(ctx, func() {
		for _, p := range e.accounts {
			at = append(at, p.account)
		}
	}); err != nil {
		return nil, err
	}
	var all []Live
	for _, a := range at {
		if err := a.do(ctx, func() {
			if l := a.live(time.Now()); l.Running {
				all = append(all, l)
			}
		}); err != nil && ctx.Err() != nil {
			return nil, err
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Account < all[j].Account })
	return all, nil
}

// LiveFolders reports how far an account's folders are, as they stand in the
// store. For one that nothing is going on with it is nil.
func (e *Engine) LiveFolders(ctx context.Context, id store.AccountID) (folders []LiveFolder, err error) {
	var a *account
	id = e.leading(ctx, id)
	if err := e.do(ctx, func() {
		if p := e.accounts[id]; p != nil {
			a = p.account
		}
	}); err != nil || a == nil {
		return nil, err
	}
	if err := a.do(ctx, func() { folders = a.folders.live() }); err != nil && ctx.Err() != nil {
		return nil, err
	}
	return folders, nil
}

// live is what goes on now.
func (a *account) live(now time.Time) Live {
	l := Live{Account: a.id, Login: a.row.Login, Running: a.pass != nil || len(a.busy) > 0}
	var sum measure.Sum
	for _, f := range a.folders {
		if f.State != store.FolderPresent {
			continue
		}
		sum.Add(f.far())
		if f.pulling != nil {
			l.Folder = f.Title
		}
		if f.pulling != nil && f.pulling.pull != nil {
			s := f.pulling.pull.Done.Stats()
			l.Copied += s.Copied
			l.Bytes += s.Bytes
		}
	}
	p := sum.Progress()
	l.Done, l.Total, l.OctetsDone, l.OctetsTotal, l.OctetsExact = p.Done, p.Total, p.Octets, p.OctetsTotal, p.Exact
	if a.tree.at.IsZero() {
		l.Total = max(l.Total, a.tree.foretold)
	}
	if a.pass != nil {
		l.Started = a.pass.started
		l.Copied += a.pass.stats.Copied
		l.Bytes += a.pass.stats.Bytes
	}
	a.reckonRest(&l, now)
	return l
}

// reckonRest completes a Live with rate and remaining time, both of them about
// passes: before the trees have been looked at nobody knows what is missing.
func (a *account) reckonRest(l *Live, now time.Time) {
	if a.pass == nil {
		return
	}
	rate, known := a.meter.Rate(now, a.pass.started)
	l.Rate = rate
	if !known || !a.pass.tree {
		return
	}
	octets := l.OctetsTotal - min(l.OctetsDone, l.OctetsTotal)
	if left, ok := rate.Left(l.Total-min(l.Done, l.Total), octets); ok {
		left += a.traffic.Rests(now, octets)
		l.Remaining = &left
	}
}

func (all folderList) live() []LiveFolder {
	live := make([]LiveFolder, 0, len(all))
	for _, f := range all {
		p := f.far()
		live = append(live, LiveFolder{
			ID: f.ID, Title: f.Title, State: f.State, Running: f.pulling != nil, Complete: f.complete(),
			Done: p.Done, Total: p.Total, OctetsDone: p.Octets, OctetsTotal: p.OctetsTotal, OctetsExact: p.Exact,
		})
	}
	return live
}
