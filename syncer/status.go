package syncer

import (
	"context"
	"sort"
	"time"

	"postferry/report"
	"postferry/store"
	"postferry/syncer/measure"
)

// Live reports the accounts that are being worked on.
func (e *Engine) Live(ctx context.Context) ([]report.Live, error) { return e.registry.live(ctx) }

// live reports the accounts that are being worked on.
func (g *registry) live(ctx context.Context) ([]report.Live, error) {
	var at []*account
	if err := g.loop.do(ctx, func() {
		for _, p := range g.accounts {
			at = append(at, p.account)
		}
	}); err != nil {
		return nil, err
	}
	var all []report.Live
	for _, a := range at {
		if err := a.jobs.Do(ctx, func() {
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

// Folders reports how far an account's folders are, those it is known to have, whether anything goes on
// with it or not.
func (e *Engine) Folders(ctx context.Context, id store.AccountID) ([]report.Folder, error) {
	rows, err := e.shared.store.Folders(ctx, id)
	if err != nil {
		return nil, err
	}
	live, err := e.registry.liveFolders(ctx, id)
	if err != nil {
		return nil, err
	}
	folders := make([]report.Folder, len(rows))
	for i, row := range rows {
		folders[i] = report.Folder{Folder: row, FolderProgress: live[row.ID]}
	}
	return folders, nil
}

// liveFolders are how far the folders are of an account that somebody looks after; nil of another.
func (g *registry) liveFolders(ctx context.Context, id store.AccountID) (live map[store.FolderID]report.FolderProgress, err error) {
	var a *account
	id = g.leaders.leading(ctx, id)
	if err := g.loop.do(ctx, func() {
		if p := g.accounts[id]; p != nil {
			a = p.account
		}
	}); err != nil || a == nil {
		return nil, err
	}
	if err := a.jobs.Do(ctx, func() { live = a.mail.Folders.Live() }); err != nil && ctx.Err() != nil {
		return nil, err
	}
	return live, nil
}

// live is what goes on now.
func (a *account) live(now time.Time) report.Live {
	l := report.Live{Account: a.id, Login: a.row.Login, Running: a.passes.pass != nil || len(a.jobs.Busy) > 0}
	var sum measure.Sum
	for _, f := range a.mail.Folders {
		if f.State != store.FolderPresent {
			continue
		}
		sum.Add(f.Far())
		if f.Pulling != nil {
			l.Folder = f.Title
		}
		if f.Pulling != nil && f.Pulling.Counts != nil {
			s := f.Pulling.Counts.Stats()
			l.Copied += s.Copied
			l.Bytes += s.Bytes
		}
	}
	p := sum.Progress()
	l.Done, l.Total, l.OctetsDone, l.OctetsTotal, l.OctetsExact = p.Done, p.Total, p.Octets, p.OctetsTotal, p.Exact
	if a.mail.Trees.At.IsZero() {
		l.Total = max(l.Total, a.looks.foretold)
	}
	if a.passes.pass != nil {
		l.Started = a.passes.pass.started
		l.Copied += a.passes.pass.stats.Copied
		l.Bytes += a.passes.pass.stats.Bytes
	}
	a.reckonRest(&l, now)
	return l
}

// reckonRest completes a Live with rate and remaining time, both of them about
// passes: before the trees have been looked at nobody knows what is missing.
func (a *account) reckonRest(l *report.Live, now time.Time) {
	if a.passes.pass == nil {
		return
	}
	rate, known := a.meter.Rate(now, a.passes.pass.started)
	l.Rate = rate
	if !known || !a.passes.pass.tree {
		return
	}
	octets := l.OctetsTotal - min(l.OctetsDone, l.OctetsTotal)
	if left, ok := rate.Left(l.Total-min(l.Done, l.Total), octets); ok {
		left += a.traffic.Rests(now, octets)
		l.Remaining = &left
	}
}
