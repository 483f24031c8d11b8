package folders

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
)

// records writes what must not be lost when the engine stops.
type records struct {
	store Store
	id    store.AccountID
	ctx   context.Context
	log   zerolog.Logger
}

// Open lets rows be written, until a while after ctx has ended.
func (k *records) Open(ctx context.Context) { k.ctx = ctx }

// LogTo says where it is logged what becomes of them.
func (k *records) LogTo(log zerolog.Logger) { k.log = log }

// SaveUsage makes durable how much of its budgets the account has used.
func (k *records) SaveUsage(traffic *session.RateLimits) {
	if traffic == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), StoreWait)
	defer cancel()
	if err := traffic.Save(ctx, k.store, k.id); err != nil {
		k.log.Error().Err(err).Msg("the account's usage could not be recorded")
	}
}

// StoreWait bounds a write to the store that must not be lost when the engine stops.
const StoreWait = 5 * time.Second

// Put stores rows. Only the account's goroutine does, so that a look at the
// trees never undoes what a client did meanwhile.
func (k *records) Put(rows []store.Folder) ([]store.Folder, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), StoreWait)
	defer cancel()
	return k.store.PutFolders(ctx, k.id, rows)
}

// CountAgain brings up to date how many messages of a folder are to be tried
// again, after a pull that may have changed it; more tells that it has put some there.
func (k *records) CountAgain(f *Folder, more bool) {
	if f.Again == 0 && !more {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), StoreWait)
	defer cancel()
	rows, err := k.store.Folders(ctx, k.id)
	if err != nil {
		k.log.Error().Err(err).Msg("the messages to be tried again could not be counted")
		return
	}
	for _, row := range rows {
		if row.ID == f.ID {
			f.Again = row.Again
		}
	}
}

// release takes messages out of quarantine and takes the checkpoint back to
// where the next pull meets them. Those that have an entry are copied again.
func (k *records) release(f *Folder, keys []store.Key, gone []store.Entry) error {
	cp := f.Checkpoint
	for _, key := range keys {
		if v, uid, ok := message.SplitKey(key); ok && v == cp.UIDValidity {
			cp.UIDNext = min(cp.UIDNext, uid)
		}
	}
	batch := store.Batch{Account: k.id, Folder: f.ID, Release: keys, Checkpoint: &cp}
	for _, e := range gone {
		batch.Forget = append(batch.Forget, e.Key)
	}
	err := k.store.Commit(k.ctx, batch)
	if err == nil {
		f.Checkpoint = cp
	}
	return err
}

// RunSettled runs what waited for the end of the folder's pull.
func (f *Folder) RunSettled() {
	for _, fn := range f.Settled {
		fn()
	}
	f.Settled = nil
}

// LeadsHere tells whether another account leads to this one's mailbox.
func (k *records) LeadsHere(ctx context.Context, id store.AccountID) bool {
	row, err := k.store.AccountByID(ctx, id)
	return err == nil && row.Alias == k.id
}

// recount takes over the counts of a row that the store keeps: those of the account are as old
// as the last time that it wrote the row.
func (k *records) recount(row *store.Folder) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), StoreWait)
	defer cancel()
	rows, err := k.store.Folders(ctx, k.id)
	if err != nil {
		return // what is known is a lower bound
	}
	for i := range rows {
		if rows[i].ID == row.ID {
			row.Copied, row.Quarantined, row.Again = rows[i].Copied, rows[i].Quarantined, rows[i].Again
		}
	}
}

// Store keeps an account's folders and their ledgers.
type Store interface {
	recovery.Store
	AccountByID(ctx context.Context, id store.AccountID) (store.Account, error)
	PutFolders(ctx context.Context, id store.AccountID, folders []store.Folder) ([]store.Folder, error)
}

// NoteNumbers keeps the UIDVALIDITY that a pull has found of a new folder, which had that name; 0 for none.
func (k *records) NoteNumbers(f *Folder, v uint32, name string) {
	if v == 0 || f.NewUIDValidity == v || f.State != store.FolderPresent || f.New != name {
		return
	}
	was := f.NewUIDValidity
	if was != 0 {
		f.renumbered++
	}
	f.NewUIDValidity = v
	if _, err := k.Put([]store.Folder{f.Folder}); err != nil {
		f.NewUIDValidity = was
		k.log.Error().Err(err).Str("folder", f.Title).Msg("the folder's UIDVALIDITY could not be recorded")
	}
}
