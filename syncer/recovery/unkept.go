package recovery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"postferry/internal/pause"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
)

// A new server that says OK to an APPEND may not keep the message all the same: a filter discards it, a disk loses it. What isn't there
// when it is looked for the first time counts as copied, as its user may have removed it by then, and is told at the same
// time, in the quarantine, unless it is in another folder.

// Judged is what was decided about intents.
type Judged struct {
	store.Batch
	found   []message.Candidate // what had come to the folder
	nowhere []store.Intent      // those that the new server has taken and of which nothing was found
}

// JudgeTwice decides about intents by what has come to the folder. For what the new server has taken it looks twice, as a search may
// lag behind.
func (cs *Copies) JudgeTwice(ctx context.Context, intents []store.Intent) (judged Judged, err error) {
	for range 2 {
		found, err := cs.Newcomers(ctx, Lowest(intents, cs.folder.Target.UIDValidity))
		if err != nil {
			return judged, err
		}
		if judged, err = cs.judge(ctx, intents, found); err != nil || len(judged.nowhere) == 0 {
			return judged, err
		}
		if err := pause.For(ctx, session.SettleQuiet/2); err != nil {
			return judged, err
		}
	}
	return judged, nil
}

// JudgeTaken decides about messages that the new server has just taken, and has those told that are nowhere.
func (cs *Copies) JudgeTaken(ctx context.Context, taken []store.Intent) (store.Batch, error) {
	judged, err := cs.JudgeTwice(ctx, taken)
	if err != nil {
		return judged.Batch, err
	}
	return judged.Batch, cs.tellUnkept(ctx, judged.nowhere, &judged.Batch)
}

// tellUnkept has messages quarantined that are nowhere, as far as they count as copied.
func (cs *Copies) tellUnkept(ctx context.Context, nowhere []store.Intent, batch *store.Batch) error {
	nowhere = slices.DeleteFunc(nowhere, func(in store.Intent) bool {
		return !slices.ContainsFunc(batch.Proofs, func(e store.Entry) bool { return e.Key == in.Key })
	})
	if len(nowhere) == 0 {
		return nil
	}
	elsewhere, err := cs.others.find(ctx, nowhere, sinceWritten(nowhere))
	if err != nil {
		return err
	}
	now := time.Now()
	for i, in := range nowhere {
		if elsewhere[i] {
			continue
		}
		cs.folder.Log.Warn().Str("key", message.KeyText(in.Key)).Msg("the new server said that it has stored a message, but it is not there")
		batch.Quarantine = append(batch.Quarantine, store.Quarantined{Key: in.Key, Reason: reason.Of(reason.NotKept),
			Cause: fmt.Sprintf("%d octets were given to it", in.Size), Attempts: 1, Since: now, Last: now})
	}
	return nil
}
