package transfer

import (
	"context"
	"errors"
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
	if err := p.Store.Commit(ctx, done); err != nil {
		return err
	}
	p.Row.Checkpoint = cp
	p.Tell()
	return nil
}
