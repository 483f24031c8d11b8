package proxy

import (
	"context"

	"postferry/store"
)

// Accounts is what a login needs of the store. The calls are those of store.Store.
type Accounts interface {
	Account(ctx context.Context, login string) (store.Account, error)
	LearnPassword(ctx context.Context, id store.AccountID, was store.Credentials, password store.Secret) (known bool, err error)
}
