package dryrun

import (
	"context"
	"time"

	"postferry/report"
	"postferry/syncer/session"
)

// assumedPace is a cautious guess for servers some 50 ms apart. Measured on one
// machine copying is ten times as fast, over the same distance with large
// messages the line decides.
var assumedPace = report.Pace{Messages: 100, Bytes: 4e6}

// measurable is how many messages a measured pace rests on at least.
const measurable = 200

// Pace is measured from the history of passes, if that has enough.
func (d DryRun) Pace(ctx context.Context) (report.Pace, error) {
	accounts, err := d.Store.Accounts(ctx)
	if err != nil {
		return report.Pace{}, err
	}
	var copied, bytes uint64
	var took time.Duration
	for _, a := range accounts {
		passes, err := d.Store.Passes(ctx, a.ID)
		if err != nil {
			return report.Pace{}, err
		}
		for _, p := range passes {
			if p.Copied > 0 {
				copied, bytes, took = copied+p.Copied, bytes+p.Bytes, took+p.Ended.Sub(p.Started)
			}
		}
	}
	pace := assumedPace
	if copied >= measurable && bytes > 0 && took > 0 {
		pace = report.Pace{Messages: float64(copied) / took.Seconds(), Bytes: float64(bytes) / took.Seconds(), Measured: true}
	}
	places := session.NewPool("", min(d.Config.Sync.OldConnections, d.Config.Sync.NewConnections))
	pace.Accounts = places.Background()
	return pace, nil
}
