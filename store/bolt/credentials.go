package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// SetCredentials implements store.Store.
func (b accounts) SetCredentials(ctx context.Context, id store.AccountID, c store.CredentialChange) (changed store.CredentialFields, err error) {
	if err := store.CheckCredentialChange(c); err != nil {
		return 0, err
	}
	err = b.changeAccount(ctx, id, func(a *store.Account) { changed = c.Apply(a) })
	if err != nil {
		return 0, err
	}
	return changed, nil
}

// LearnPassword implements store.Store.
func (b accounts) LearnPassword(ctx context.Context, id store.AccountID, was store.Credentials, password store.Secret) (known bool, err error) {
	if password == "" {
		return false, store.Invalid("an empty password")
	}
	now := store.Credentials{Login: was.Login, Password: password}
	err = b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		a, err := getAccount(tx, id, b.data.sealer)
		if err != nil {
			return err
		}
		if known = a.New == now; known || a.New != was || a.State == store.Finished {
			return nil
		}
		known = true
		a.ReplaceCredentials(a.Old, now, false)
		return root(tx, bucketAccounts).Put(rows.AccountKey(id), rows.EncodeAccount(&a, b.data.sealer))
	})
	return known && err == nil, err
}
