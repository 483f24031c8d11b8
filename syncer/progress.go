package syncer

import (
	"time"

	"postferry/report"
	"postferry/store"
	"postferry/syncer/measure"
)

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
