package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postferry/store"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
)

// reached is the checkpoint of a folder of which nothing is missing.
func (p *pull) reached() store.Checkpoint {
	cp := store.Checkpoint{
		UIDValidity:   p.Selected.UIDValidity,
		UIDNext:       p.UpTo(p.Selected.UIDNext),
		HighestModSeq: p.Selected.HighestModSeq,
		Messages:      p.ToCopy(),
		Checked:       time.Now(),
	}
	if !p.Selected.Traits.StableUIDs {
		cp.UIDNext = 0 // it is of this session
	}
	if p.Postponed {
		cp.HighestModSeq = 0
	}
	p.NoteNew(&cp)
	return cp
}

// finish writes the checkpoint once everything the old server announced has
// been seen.
func (p *pull) finish(ctx context.Context) error {
	cp := p.reached()
	if have, messages := p.Accounted(), p.Expected(); have < messages {
		// Counters are no proof, but when even everything ever seen is less
		// than what is there, something was missed: list from the start next time.
		p.Log.Warn().Int("seen", have).Int("messages", messages).Uint32("from_uid", uint32(p.Base.UIDNext)).
			Msg("something was missed in this folder, it is listed again")
		p.Row.Checkpoint = recovery.Reset(p.Base, cp.UIDValidity)
		p.Row.Checkpoint.Messages = cp.Messages
		again := p.Row.Checkpoint
		err := p.Store.Commit(ctx, store.Batch{Account: p.Account, Folder: p.Row.ID, Checkpoint: &again})
		return errors.Join(&session.CountsError{Listed: have, Messages: messages}, err)
	}
	done := store.Batch{Account: p.Account, Folder: p.Row.ID, Checkpoint: &cp, Release: p.VoidQuarantine()}
	if err := p.CommitLeaving(ctx, done); err != nil {
		return err
	}
	p.Row.Checkpoint = cp
	p.Tell()
	return nil
}

// left tells whether the pull's last answers are still to come, or were when it ended.
func (p *pull) left() bool { return p.writer != nil }

// conclude brings a pull to its end of which everything has been sent. err is what its answers were. enter tells that
// nothing is left to do but to commit what its ledger has pending.
func (p *pull) conclude(ctx context.Context, err error) (enter bool, _ error) {
	err = p.writer.End(ctx, err)
	if err == nil && p.nothingElse() {
		p.RateLimits.New.Budget.GiveBack(uint64(max(p.Aside.Swap(0), 0)))
		p.Worth()
		cp, pending := p.reached(), &p.writer.Ledger.Pending
		pending.Checkpoint = &cp
		return true, nil
	}
	return false, p.concludeAlone(ctx, err)
}

// nothingElse tells whether nothing has to be done after the copying but to write the checkpoint.
func (p *pull) nothingElse() bool {
	return len(p.bare) == 0 && !p.Mending && !p.Rekeyed && p.adopt == nil && p.Archive == nil && p.First() &&
		len(p.Known.Entries)+p.Known.Before+len(p.VoidQuarantine()) == 0 && p.Accounted() >= p.Expected()
}

// concludeAlone is conclude where more is to be done, or went wrong.
func (p *pull) concludeAlone(ctx context.Context, err error) error {
	if err = errors.Join(err, p.writer.CommitLast(ctx)); err != nil {
		err = errors.Join(err, p.writer.Pipeline.HearRest(ctx))
	}
	p.RateLimits.New.Budget.GiveBack(uint64(max(p.Aside.Swap(0), 0)))
	if err == nil {
		err = p.afterCopying(ctx)
	}
	if err == nil || errors.Is(err, session.ErrYield) || session.Interrupted(ctx, err) || !worthRetrying(err) {
		return err
	}
	p.Log.Debug().Err(err).Msg("the folder is opened once more")
	return fmt.Errorf("%w: %w", ErrUnanswered, err)
}
