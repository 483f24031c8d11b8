package recovery

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// Between two passes a folder is looked at only as far as its numbers say that something has changed. A server
// that leaves a message out of an answer, or counts changes anew and comes exactly as far as it was, shows nothing by its numbers: so once a
// day all of a folder's messages are listed with their sizes and flags, whatever the numbers say. Where the old server counts no
// changes (RFC 7162) flags are compared by each pass anyway.

// allEvery is how often all of a folder's messages are compared.
const allEvery = 24 * time.Hour

// Overdue tells whether that is to be done. Each folder has its own time of the day, so that neither an account's come together nor
// those of all accounts that have the same number, such as INBOX.
func Overdue(account store.AccountID, id store.FolderID, checked, now time.Time) bool {
	const seconds = int64(allEvery / time.Second)
	shift := int64((uint32(account)*2246822519 + uint32(id)*2654435761) % uint32(seconds)) // a multiplicative hash of both
	return !checked.IsZero() && (checked.Unix()+shift)/seconds != (now.Unix()+shift)/seconds
}

// compareAll has all flags compared, whatever the server counts.
func (f *Folder) compareAll(ctx context.Context) error {
	f.Base.HighestModSeq = 0
	if f.Known.Before == 0 {
		return nil
	}
	err := f.ReadLedger(ctx)
	f.Begin()
	return err
}

// unlisted tells whether a message that was listed along with the others' flags should have been dealt with and was not: earlier answers
// lacked it. What lies in all mail only has lines, what lies elsewhere has none.
func (f *Folder) unlisted(m upstream.Message) bool {
	if !f.Selected.Traits.StableUIDs || f.Row.AllMail || m.UID == 0 || m.UID >= f.Row.Checkpoint.UIDNext || f.Known.Has(m.UID) {
		return false
	}
	key := f.Selected.Keys.Key(m.UID)
	for i := range f.Ledger.Intents {
		if f.Ledger.Intents[i].Key == key {
			return false
		}
	}
	return true
}

// listAgain has the folder listed once more from a UID on, once. It counts as one that has not been pulled to its end: what was left out of the
// listing may have come to the new server in other ways, or before its ledger began.
func (f *Folder) listAgain(ctx context.Context, from imap.UID) error {
	if from == 0 || f.listedAgain {
		return nil
	}
	f.listedAgain = true
	f.Log.Warn().Uint32("uid", uint32(from)).Msg("the old server has left messages out of what it listed; the folder is listed again from the first of them on")
	cp := f.Row.Checkpoint
	cp.UIDNext, cp.Checked = min(cp.UIDNext, from), time.Time{}
	if err := f.Store.Commit(ctx, store.Batch{Account: f.Account, Folder: f.Row.ID, Checkpoint: &cp}); err != nil {
		return err
	}
	f.Row.Checkpoint = cp
	return ErrRecognised
}
