package recovery

import (
	"context"

	"postferry/store"
	"postferry/syncer/session"
)

// Store is what copying and recovering a folder asks of the state.
type Store interface {
	session.UsageStore
	Folders(ctx context.Context, id store.AccountID) ([]store.Folder, error)
	Ledger(ctx context.Context, id store.AccountID, folder store.FolderID) (store.Ledger, error)
	LedgerFrom(ctx context.Context, id store.AccountID, folder store.FolderID, from store.Key) (store.LedgerTail, error)
	Entries(ctx context.Context, id store.AccountID, folder store.FolderID, keys []store.Key) ([]store.Entry, error)
	WaysBack(ctx context.Context, id store.AccountID) ([]store.WayBack, []store.Return, error)
	Commit(ctx context.Context, b store.Batch) error
	CommitAll(ctx context.Context, batches []store.Batch) error
}
