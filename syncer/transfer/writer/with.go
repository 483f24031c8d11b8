package writer

import (
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/transfer/adopt"
	"postferry/syncer/transfer/job"
)

// With is what a writer works with.
type With struct {
	*job.Work
	Checks   *Checks                   // of the copies; of all attempts
	Bare     map[store.Key][]imap.Flag // messages that the new server took without some of their flags, and all of those
	Told     job.Told                  // odd copies that are left to the next attempt
	Troubles *job.Troubles             // at which messages connections with the new server broke
	Adoption *adopt.Adoption           // nil when nothing can be adopted
	Before   Before
}

func New(with With) *Writer {
	j, tally := &with.Job, &with.Tally
	checks := &copyChecks{with.Checks, j}
	ledger := &Ledger{job: j, resources: &with.Resources, shared: &with.Shared, tally: tally, checks: checks, bare: with.Bare,
		Pending: store.Batch{Account: j.Account, Folder: j.Row.ID}, batches: uint64(time.Now().UnixNano())}
	odd := &oddCopies{job: j, ledger: ledger, checks: checks, told: with.Told}
	pipeline := &Pipeline{job: j, before: with.Before, ledger: ledger, newTroubles: with.Troubles}
	refused := &refusals{job: j, tally: tally, ledger: ledger}
	looks := &review{job: j, ledger: ledger, checks: checks, odd: odd, pipeline: pipeline, lookedAt: time.Now()}
	if j.New.UIDPlus() && !j.Fleeting {
		looks.expect = j.Target.UIDNext
	}
	return &Writer{
		Work: with.Work, before: with.Before, Ledger: ledger, checks: checks, odd: odd, Pipeline: pipeline, refusals: refused, review: looks,
		Batch:       &Batch{ledger: ledger},
		repaired:    &repairedCopies{job: j, tally: tally, ledger: ledger, adopt: with.Adoption, before: j.Target.UIDNext},
		copier:      &copier{job: j, tally: tally, trouble: &with.CopyTrouble, before: with.Before, ledger: ledger, review: looks},
		checkpoints: &checkpoints{ledger: ledger, refusals: refused, odd: odd, pipeline: pipeline, review: looks},
	}
}
