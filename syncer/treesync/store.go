package treesync

import (
	"context"

	"postferry/store"
)

// Store is what looking at the trees asks of the state.
type Store interface {
	Ledger(ctx context.Context, id store.AccountID, folder store.FolderID) (store.Ledger, error)
	LedgerFrom(ctx context.Context, id store.AccountID, folder store.FolderID, from store.Key) (store.LedgerTail, error)
	Entries(ctx context.Context, id store.AccountID, folder store.FolderID, keys []store.Key) ([]store.Entry, error)
	Commit(ctx context.Context, b store.Batch) error
	CommitAll(ctx context.Context, batches []store.Batch) error
	Folders(ctx context.Context, id store.AccountID) ([]store.Folder, error)
}
