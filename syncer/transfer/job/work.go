package job

import "postferry/syncer/recovery"

// Work is a pull's job, and what its reader and its writer share of it.
type Work struct {
	Job
	Resources
	Shared
	Events
	Tally
	stopping
	CopyTrouble CopyTrouble
}

// Begins ties together what counts and what is counted.
func (w *Work) Begins() {
	w.Tally.job, w.Tally.meter, w.Tally.report, w.Tally.Done = &w.Job, w.Meter, w.Report, w.Counts
	w.stopping.yield = w.Yield
	w.Progress = &w.Tally
	w.Recovery = recovery.New(w.Folder)
}
