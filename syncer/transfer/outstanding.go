package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postferry/store"
	"postferry/syncer/session"
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
	pulls []*Pull
	done  []*Pull          // concluded, but for the commit
	ended []*Pull          // concluded as the session was lost, and not told yet
	lost  []store.FolderID // their folders
}

// add makes a pull one that waits. With too many of them the oldest is concluded first.
func (o *Outstanding) add(ctx context.Context, p *Pull) {
	for len(o.pulls) >= outstandingMost {
		o.step(ctx)
	}
	o.pulls = append(o.pulls, p)
}

func (o *Outstanding) any() bool { return o != nil && len(o.pulls) > 0 }

// octets is how much of what is under way is theirs.
func (o *Outstanding) octets() (octets int64) {
	if o != nil {
		for _, p := range o.pulls {
			octets += p.writer.pipeline.ahead()
		}
	}
	return octets
}

// oldest is what the next answer is about; nil if none is awaited.
func (o *Outstanding) oldest() *under {
	if !o.any() || len(o.pulls[0].writer.pipeline.calls) == 0 {
		return nil
	}
	return &o.pulls[0].writer.pipeline.calls[0]
}

// step waits for the next answer. The pull that has got its last one is concluded.
func (o *Outstanding) step(ctx context.Context) {
	p := o.pulls[0]
	err := ctx.Err()
	if err == nil && len(p.writer.pipeline.calls) > 0 {
		err = p.writer.settleOldest(ctx)
	}
	if err == nil && len(p.writer.pipeline.calls) > 0 {
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
		p.Concluded(err)
	}
}

// due tells whether there is something to be entered.
func (o *Outstanding) due() bool { return o != nil && len(o.done) > 0 }

// enter commits what is to be entered of pulls that have been concluded, and with it what another one has
// gathered; nil for nothing.
func (o *Outstanding) enter(ctx context.Context, with *ledgerWriter) error {
	if !o.due() {
		if with == nil {
			return nil
		}
		return with.commit(ctx)
	}
	done := o.done
	o.done = nil
	batches := make([]store.Batch, 0, len(done)+1)
	for _, p := range done {
		batches = append(batches, p.writer.ledger.pending)
	}
	if with != nil && !with.nothing() {
		batches = append(batches, with.pending)
	}
	err := done[0].Store.CommitAll(ctx, batches)
	for _, p := range done {
		if err == nil {
			p.writer.ledger.committed()
			p.Tell()
		}
		p.Concluded(err)
	}
	if err == nil && with != nil {
		with.committed()
	}
	return err
}

// Settle concludes all of them.
func (o *Outstanding) Settle(ctx context.Context) {
	for o.any() {
		o.step(ctx)
	}
	cctx, cancel := lastly(ctx)
	defer cancel()
	_ = o.enter(cctx, nil) // each of them is told
}

// oldPatience is how long the old server may take to open a folder before the time is used to conclude the folders before.
const oldPatience = 50 * time.Millisecond

// settleMeanwhile concludes what it can until opened is closed.
func (o *Outstanding) settleMeanwhile(ctx context.Context, opened <-chan struct{}) {
	t := time.NewTimer(oldPatience)
	defer t.Stop()
	select {
	case <-opened:
		return
	case <-t.C:
	case <-ctx.Done():
		return
	}
	for o.any() {
		select {
		case <-opened:
			return
		default:
			o.step(ctx)
		}
	}
	_ = o.enter(ctx, nil) // each of them is told
}

// EndOutstanding concludes all pulls on the pair that wait for answers. lost tells that the session with the new
// server was lost with some of them.
func (p *Pull) EndOutstanding(ctx context.Context) (lost bool) {
	p.Outstanding.Settle(ctx)
	if lost = p.Outstanding != nil && len(p.Outstanding.lost) > 0; lost {
		p.leaveHung(ctx)
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
		p.Concluded(p.err)
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

// Left tells whether the pull's last answers are still to come, or were when it ended.
func (p *Pull) Left() bool { return p.writer != nil }

// mayLeave tells whether the answers that are missing may come in while the next folder is under way:
// that has been asked for, and nothing has gone wrong so far.
func (w *writer) mayLeave() bool {
	return w.Outstanding != nil && w.Pair.Ahead.Any() && len(w.pipeline.calls) > 0 && len(w.batch) == 0 && w.pipeline.again == 0 && len(w.ledger.bare) == 0 &&
		len(w.large)+len(w.odd.copies)+len(w.refusals.onTrial)+len(w.ledger.unproven)+len(w.review.waiting) == 0
}

// conclude brings a pull to its end of which everything has been sent. err is what its answers were. enter tells that
// nothing is left to do but to commit what its ledger has pending.
func (p *Pull) conclude(ctx context.Context, err error) (enter bool, _ error) {
	err = p.writer.end(ctx, err)
	if err == nil && p.nothingElse() {
		p.RateLimits.New.Budget.GiveBack(uint64(max(p.aside.Swap(0), 0)))
		p.Worth()
		cp, pending := p.reached(), &p.writer.ledger.pending
		pending.Checkpoint, pending.Release = &cp, append(pending.Release, p.VoidQuarantine()...)
		return true, nil
	}
	return false, p.concludeAlone(ctx, err)
}

// nothingElse tells whether nothing has to be done after the copying but to write the checkpoint.
func (p *Pull) nothingElse() bool {
	return len(p.bare) == 0 && !p.Mending && !p.Rekeyed && p.adopt == nil && p.Archive == nil && p.First() &&
		len(p.Known.Entries)+p.Known.Before == 0 && p.accounted() >= p.expected()
}

// concludeAlone is conclude where more is to be done, or went wrong.
func (p *Pull) concludeAlone(ctx context.Context, err error) error {
	if err = errors.Join(err, p.writer.commitLast(ctx)); err != nil {
		err = errors.Join(err, p.writer.pipeline.hearRest(ctx))
	}
	p.RateLimits.New.Budget.GiveBack(uint64(max(p.aside.Swap(0), 0)))
	if err == nil {
		err = p.afterCopying(ctx)
	}
	if err == nil || errors.Is(err, session.ErrYield) || session.Interrupted(ctx, err) || !worthRetrying(err) {
		return err
	}
	p.Log.Debug().Err(err).Msg("the folder is opened once more")
	return fmt.Errorf("%w: %w", ErrUnanswered, err)
}

// hearRest waits for the answers that nobody waits for any more: before they have come the server
// may store what was sent, and the folder must not be looked at anew. Its intents are in the ledger.
func (p *pipeline) hearRest(ctx context.Context) error {
	for _, u := range p.calls {
		if u.call == nil {
			continue
		}
		if _, err := u.call.Wait(ctx); err != nil {
			return err
		}
	}
	p.calls = nil
	return nil
}
