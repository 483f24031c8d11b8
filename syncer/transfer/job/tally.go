package job

import (
	"errors"
	"sync/atomic"
	"time"

	"postferry/syncer/measure"
	"postferry/syncer/session"
)

// Tally counts what a pull does, and tells how far the folder is. Reader and writer count together.
type Tally struct {
	job    *Job
	meter  *measure.Meter
	report func(measure.Progress)
	Done   *Counters
	Sizes  measure.Sizes // of the messages seen on the old server
	Aside  atomic.Int64  // octets of the new server's budget that are set aside
	began  Stats         // Done when the ledger was read
	held   uint64        // octets of the ledger then
}

// LedgerRead counts from the ledger as it has just been read.
func (t *Tally) LedgerRead() {
	job := t.job
	t.began, t.held = t.Done.Stats(), t.Sizes.Reset(job.Known.Entries)
	if before := job.Known.Before; before > 0 && job.Selected.Messages > 0 { // about
		t.held += uint64(float64(job.Octets) / float64(job.Selected.Messages) * float64(before))
	}
	job.Archive.begin()
}

// Copied counts messages that an earlier pull has copied, as turned out.
func (t *Tally) Copied(messages uint64) { t.Done.Copied.Add(messages) }

// FlagsChanged counts messages whose flags were changed.
func (t *Tally) FlagsChanged(messages uint64) { t.Done.flagChanges.Add(messages) }

// Dealt counts messages that have got an end, for the rate; octets are theirs.
func (t *Tally) Dealt(messages, octets uint64) {
	t.Done.octets.Add(octets)
	t.meter.Add(time.Now(), messages, octets)
}

// Tell reports progress.
func (t *Tally) Tell() {
	s, total, known := t.Done.Stats(), uint64(t.job.ToCopy()), t.job.Known
	have := uint64(len(known.Entries)+known.Before+len(known.Refused)) + s.dealt() - t.began.dealt()
	far := measure.Progress{Done: min(have, total), Total: total, Octets: t.held + s.octets - t.began.octets}
	far.OctetsTotal, far.Exact = t.Sizes.Of(total, uint64(len(known.Refused)))
	if t.job.Octets > 0 {
		far.OctetsTotal, far.Exact = t.job.Octets, true
	}
	far.Octets = min(far.Octets, far.OctetsTotal)
	t.report(far)
}

// ErrPause says that the mailbox is to be left to others for a moment.
var ErrPause = errors.New("the session has lasted long enough")

// Yielded returns session.ErrYield once the pull was asked to stop, and ErrPause once
// its session has to end.
func (s *stopping) Yielded() error {
	select {
	case <-s.yield:
		return session.ErrYield
	default:
	}
	if !s.until.IsZero() && time.Now().After(s.until) {
		return ErrPause
	}
	return nil
}

// StopAt has the session end once that has passed; zero for never.
func (s *stopping) StopAt(until time.Time) { s.until = until }

// stopping says when a pull should stop.
type stopping struct {
	yield <-chan struct{}
	until time.Time // when a session has lasted long enough; zero for never
}
