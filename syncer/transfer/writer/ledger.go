package writer

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/transfer/job"
)

// bared notes that a message is on the new server without flags that it was not taken with.
func (l *Ledger) bared(m *sending) {
	if m.repaired == nil || len(m.Intent.Flags) == len(m.Msg.Flags) {
		return
	}
	l.bare[m.Key] = m.Msg.Flags
}

// Ledger enters in the ledger what becomes of messages.
type Ledger struct {
	job       *job.Job
	resources *job.Resources
	shared    *job.Shared
	tally     *job.Tally
	checks    *copyChecks
	Pending   store.Batch // outcomes not yet committed
	batches   uint64      // the number of the batch sent last
	unproven  []store.Intent
	unentered int                       // copies that are not entered yet, of those that have been answered
	bare      map[store.Key][]imap.Flag // messages that the new server took without some of their flags, and all of those
}

// Commit makes the outcomes and intents gathered so far durable.
func (l *Ledger) Commit(ctx context.Context) error {
	if l.Nothing() {
		return nil
	}
	if err := l.job.Store.Commit(ctx, l.Pending); err != nil {
		return err
	}
	l.Committed()
	return nil
}

// Nothing tells whether there is nothing to commit.
func (l *Ledger) Nothing() bool {
	b := &l.Pending
	return len(b.Intents)+len(b.Proofs)+len(b.Drop)+len(b.Quarantine) == 0 && b.Checkpoint == nil && b.Late.Messages == 0
}

// Committed notes that all that was gathered is durable.
func (l *Ledger) Committed() {
	if cp := l.Pending.Checkpoint; cp != nil {
		l.job.Row.Checkpoint = *cp
	}
	l.Pending = store.Batch{Account: l.job.Account, Folder: l.job.Row.ID}
}

// count counts a copy.
func (l *Ledger) count(octets uint64) {
	l.tally.Done.Copied.Add(1)
	l.tally.Done.Bytes.Add(octets)
	l.tally.Dealt(1, octets)
}

// enter puts a copy into the ledger with the flags that it really has.
func (l *Ledger) enter(e store.Entry) {
	l.count(uint64(e.Size))
	l.proved(e)
}

// enterLooked is enter for a copy that has been looked at.
func (l *Ledger) enterLooked(c *given) {
	if c.entry != nil {
		l.enter(*c.entry)
		l.unentered--
		c.entry = nil
	}
}

// proved notes a line of the ledger, without the flags that its copy lacks.
func (l *Ledger) proved(e store.Entry) {
	l.checks.dropLost(&e)
	l.Pending.Proofs = append(l.Pending.Proofs, e)
}

func (l *Ledger) quarantine(q *store.Quarantined) {
	if !l.job.Known.Once(q) {
		l.tally.Done.Quarantined.Add(1)
	}
	l.tally.Dealt(1, 0)
	l.Pending.Quarantine = append(l.Pending.Quarantine, *q)
	l.job.Log.Warn().Str("key", message.KeyText(q.Key)).Str("cause", q.Cause).Msg("message quarantined")
}

// settled ends what portion set aside for a message on the new server: it was
// counted when it was written.
func (l *Ledger) settled(octets int64) {
	octets = min(octets, max(l.tally.Aside.Load(), 0))
	l.tally.Aside.Add(-octets)
	l.shared.RateLimits.New.Budget.GiveBack(uint64(octets))
}

func (l *Ledger) release(msgs ...*sending) {
	for _, m := range msgs {
		l.resources.GiveBack(m.Outgoing)
	}
}

// intend notes that messages are about to be sent one after the other.
func (l *Ledger) intend(msgs ...*sending) {
	now := time.Now()
	l.batches++
	for place, m := range msgs {
		m.Intent.Written, m.Intent.Batch, m.Intent.Place, m.Intent.Together = now, l.batches, uint32(place), l.job.New.Together()
		l.Pending.Intents = append(l.Pending.Intents, m.Intent)
	}
}

// noteLate counts a message that reached the old server after the MX had moved, or in the same second: servers
// know whole ones. It must still have its body.
func (l *Ledger) noteLate(m *sending) {
	if l.job.MovedMX.IsZero() || m.Msg.Date.Before(l.job.MovedMX.Truncate(time.Second)) {
		return
	}
	arrived := m.Msg.Date
	if now := time.Now(); arrived.After(now) {
		arrived = now // by that server's clock
	}
	late := store.LateMail{Messages: 1, Last: arrived.UTC()}
	if from := message.ReceivedFrom(message.Header(m.Body)); from != "" {
		late.From[0] = store.LateServer{Name: from, Messages: 1}
	}
	l.Pending.Late.Add(late)
}
