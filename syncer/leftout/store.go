package leftout

import (
	"context"

	"postferry/store"
)

// Store is what is read of the state.
type Store interface {
	Folders(ctx context.Context, id store.AccountID) ([]store.Folder, error)
	Ledger(ctx context.Context, id store.AccountID, folder store.FolderID) (store.Ledger, error)
}
