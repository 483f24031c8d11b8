package transfer

import (
	"context"
	"errors"
	"slices"
	"time"

	"postferry/store"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/syncer/transfer/writer"
)

// A folder whose messages have all been sent does not keep the next one waiting for the new
// server's last answers: they come in while that one is under way, and the folder is concluded
// then. Answers come in the order of the commands, so whoever uses the session next reads them
// first. What is to be entered of a folder that has been concluded is committed together with the next intents.

// outstandingMost is how many folders may wait for answers on one session.
const outstandingMost = 32

// ErrUnanswered says that a folder which had been sent could not be concluded on its session: it is pulled once
// more, by itself.
var ErrUnanswered = errors.New("what the new server made of the messages sent last could not be learnt in their session")

// Outstanding are the pulls of one job that the new server owes answers, the oldest first. It is used by
// one goroutine at a time, that which writes to the session.
type Outstanding struct {
	pulls []*pull
	done  []*pull          // concluded, but for the commit
	ended []*pull          // concluded as the session was lost, and not told yet
	lost  []store.FolderID // their folders
	last  *pull            // the one that has begun last
}

// add makes a pull one that waits. With too many of them the oldest is concluded first.
func (o *Outstanding) add(ctx context.Context, p *pull) {
	for len(o.pulls) >= outstandingMost {
		if o.pulls[0].writer.Batch.Held() {
			o.Step(ctx)
		} else {
			o.hear(ctx)
		}
	}
	o.pulls = append(o.pulls, p)
}

// Any tells whether answers are owed.
func (o *Outstanding) Any() bool { return o != nil && len(o.pulls) > 0 }

// Octets is how much of what is under way is theirs.
func (o *Outstanding) Octets() (octets int64) {
	if o != nil {
		for _, p := range o.pulls {
			octets += p.writer.Pipeline.UnderWay() + p.writer.Batch.HeldOctets()
		}
	}
	return octets
}

// Oldest is when that was sent which the next answer is about.
func (o *Outstanding) Oldest() (sent time.Time, owed bool) {
	if !o.Any() {
		return sent, false
	}
	return o.pulls[0].writer.Pipeline.OldestSent()
}

// Takes tells whether a pull may leave its last answers.
func (o *Outstanding) Takes() bool { return o != nil }

// Step waits for the next answer, and has nothing held back meanwhile.
func (o *Outstanding) Step(ctx context.Context) {
	if o.Holds() && ctx.Err() == nil {
		_ = o.Enter(ctx, nil) // each of them is told
	}
	o.hear(ctx)
}

// hear waits for the next answer. The pull that has got its last one is concluded.
func (o *Outstanding) hear(ctx context.Context) {
	p := o.pulls[0]
	err := ctx.Err()
	if err == nil {
		err = p.unsent
	}
	if err == nil && p.writer.Pipeline.Owed() {
		err = p.writer.SettleOldest(ctx)
	}
	if err == nil && p.writer.Pipeline.Owed() {
		return
	}
	o.pulls = o.pulls[1:]
	enter, err := p.conclude(ctx, err)
	switch {
	case enter:
		o.done = append(o.done, p)
	case session.BreaksConnection(err):
		p.err = err
		o.lost, o.ended = append(o.lost, p.Row.ID), append(o.ended, p)
	default:
		p.concluded(p.result(err), err)
	}
}

// Due tells whether there is something to be entered.
func (o *Outstanding) Due() bool { return o != nil && len(o.done) > 0 || o.Holds() }

// Enter commits what is to be entered of pulls that have been concluded, and with it the intents of what is held
// back, which is sent then, and what another one has gathered; nil for nothing.
func (o *Outstanding) Enter(ctx context.Context, with *writer.Ledger) error {
	if !o.Due() {
		if with == nil {
			return nil
		}
		return with.Commit(ctx)
	}
	done, held := o.done, o.held()
	o.done = nil
	for _, p := range held {
		p.writer.Batch.Intend()
	}
	all := slices.Concat(done, held)
	batches := make([]store.Batch, 0, len(all)+1)
	for _, p := range all {
		batches = append(batches, p.writer.Ledger.Pending)
	}
	if with != nil && !with.Nothing() {
		batches = append(batches, with.Pending)
	}
	err := all[0].Store.CommitAll(ctx, batches)
	for _, p := range done {
		if err == nil {
			p.writer.Ledger.Committed()
			p.Tell()
		}
		p.concluded(p.result(err), err)
	}
	if err == nil && with != nil {
		with.Committed()
	}
	return sendHeld(ctx, held, err)
}

// Settle concludes all of them.
func (o *Outstanding) Settle(ctx context.Context) {
	for o.Any() {
		o.Step(ctx)
	}
	cctx, cancel := job.Lastly(ctx)
	defer cancel()
	_ = o.Enter(cctx, nil) // each of them is told
}

const (
	// oldPatience is how long the old server may take to open a folder before the time is used to conclude the folders before.
	oldPatience = 50 * time.Millisecond
	// heldPatience is how long it may take before what those have held back is sent.
	heldPatience = 10 * time.Millisecond
)

// settleMeanwhile concludes what it can until opened is closed.
func (o *Outstanding) settleMeanwhile(ctx context.Context, opened <-chan struct{}) {
	if o.Holds() {
		if isOpen(ctx, opened, heldPatience) {
			return
		}
		_ = o.Enter(ctx, nil) // each of them is told
	}
	if isOpen(ctx, opened, oldPatience) {
		return
	}
	for o.Any() {
		select {
		case <-opened:
			return
		default:
			o.Step(ctx)
		}
	}
	_ = o.Enter(ctx, nil) // each of them is told
}

// End concludes all pulls on the pair that wait for answers. lost tells that the session with the new
// server was lost with some of them.
func (o *Outstanding) End(ctx context.Context) (lost bool) {
	o.Settle(ctx)
	if lost = o != nil && len(o.lost) > 0; lost {
		o.last.leaveHung(ctx)
	}
	return lost
}

// Tell tells of those that were concluded because the session was lost. It comes after it is seen to
// that nothing is stored any more on that session: they may be pulled again at once.
func (o *Outstanding) Tell() {
	if o == nil {
		return
	}
	for _, p := range o.ended {
		p.concluded(p.result(p.err), p.err)
	}
	o.ended = nil
}

// takeLost returns the folders whose fate the end of the session left open, once.
func (o *Outstanding) takeLost() (lost []store.FolderID) {
	if o != nil {
		lost, o.lost = o.lost, nil
	}
	return lost
}

// isOpen waits a while for opened to be closed. It returns true if there is nothing more to wait for.
func isOpen(ctx context.Context, opened <-chan struct{}, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-opened:
		return true
	case <-ctx.Done():
		return true
	case <-t.C:
		return false
	}
}
