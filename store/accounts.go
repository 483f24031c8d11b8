package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// PutAccounts implements Store.
func (b *Bolt) PutAccounts(ctx context.Context, accounts []Account) (stored []Account, added int, err error) {
	for i := range accounts {
		if err := checkAccount(&accounts[i]); err != nil {
			return nil, 0, err
		}
	}
	now := time.Now()
	err = b.update(ctx, 3*len(accounts), func(tx *bbolt.Tx) (err error) {
		for _, bucket := range []string{bucketAccounts, bucketLogins, bucketSummaries} {
			root(tx, bucket).FillPercent = accountFill
		}
		w := accountWriter{tx: tx, sealer: b.sealer, now: now, added: make(map[string]AccountID)}
		stored = make([]Account, 0, len(accounts))
		for _, a := range accounts {
			if err := w.put(&a); err != nil {
				return err
			}
			stored = append(stored, a)
		}
		added = len(w.added)
		return w.finish()
	})
	if err != nil {
		return nil, 0, err
	}
	return stored, added, nil
}

// accountFill is how full new pages of accounts are packed: they come in
// order, but may grow later.
const accountFill = 0.9

// accountWriter puts accounts within a transaction.
type accountWriter struct {
	tx     *bbolt.Tx
	sealer *sealer
	now    time.Time
	// added has the folded logins of new accounts. They are written by finish
	// in their order: bbolt's cost of inserting many keys in one transaction
	// in random order grows with the square of their number.
	added map[string]AccountID
}

// put writes one account and completes it in place.
func (w *accountWriter) put(a *Account) error {
	id, err := w.find(a.Login)
	switch {
	case errors.Is(err, ErrNotFound):
		err = w.number(a)
	case err == nil:
		var known Account
		known, err = getAccount(w.tx, id, nil)
		a.ID, a.Created = known.ID, known.Created
	}
	if err != nil {
		return err
	}
	return root(w.tx, bucketAccounts).Put(accountKey(a.ID), encodeAccount(a, w.sealer))
}

func (w *accountWriter) find(login string) (AccountID, error) {
	if id, ok := w.added[string(foldLogin(login))]; ok {
		return id, nil
	}
	return findLogin(w.tx, login)
}

// number makes a the next account.
func (w *accountWriter) number(a *Account) error {
	number, err := root(w.tx, bucketAccounts).NextSequence()
	if err != nil {
		return err
	}
	a.ID = AccountID(number)
	if a.Created.IsZero() {
		a.Created = w.now
	}
	a.Created = a.Created.Round(0).UTC() // as it will be read
	w.added[string(foldLogin(a.Login))] = a.ID
	return root(w.tx, bucketSummaries).Put(accountKey(a.ID), encodeSummary(&Summary{}))
}

func (w *accountWriter) finish() error {
	logins := root(w.tx, bucketLogins)
	for _, login := range slices.Sorted(maps.Keys(w.added)) {
		if err := logins.Put([]byte(login), accountKey(w.added[login])); err != nil {
			return err
		}
	}
	return nil
}

func findLogin(tx *bbolt.Tx, login string) (AccountID, error) {
	key := foldLogin(login)
	row := root(tx, bucketLogins).Get(key)
	if row == nil {
		return 0, ErrNotFound
	}
	id, err := decodeNumber(row)
	if err != nil {
		return 0, damaged(bucketLogins, key, err)
	}
	return AccountID(id), nil
}

// getAccount reads an account, with its passwords if s is given.
func getAccount(tx *bbolt.Tx, id AccountID, s *sealer) (Account, error) {
	key := accountKey(id)
	row := root(tx, bucketAccounts).Get(key)
	if row == nil {
		return Account{}, ErrNotFound
	}
	a, err := decodeAccount(id, row, s)
	if err != nil {
		return Account{}, damaged(bucketAccounts, key, err)
	}
	return a, nil
}

// Account implements Store.
func (b *Bolt) Account(ctx context.Context, login string) (a Account, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		id, err := findLogin(tx, login)
		if err != nil {
			return err
		}
		a, err = getAccount(tx, id, b.sealer)
		return err
	})
	return a, err
}

// AccountByID implements Store.
func (b *Bolt) AccountByID(ctx context.Context, id AccountID) (a Account, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		a, err = getAccount(tx, id, b.sealer)
		return err
	})
	return a, err
}

// Accounts implements Store.
func (b *Bolt) Accounts(ctx context.Context) (accounts []Account, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		accounts = make([]Account, 0, min(root(tx, bucketAccounts).Sequence(), uint64(tx.Size()/minAccountRow)))
		return eachAccount(tx, func(a *Account) error {
			accounts = append(accounts, *a)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return accounts, nil
}

// eachAccount calls fn for every account, without its passwords, in the order of the IDs.
func eachAccount(tx *bbolt.Tx, fn func(*Account) error) error {
	return root(tx, bucketAccounts).ForEach(func(key, row []byte) error {
		id, err := decodeNumber(key)
		if err != nil {
			return damaged(bucketAccounts, key, err)
		}
		a, err := decodeAccount(AccountID(id), row, nil)
		if err != nil {
			return damaged(bucketAccounts, key, err)
		}
		return fn(&a)
	})
}

// minAccountRow is what an account takes on disk at least: the sealed
// passwords. It bounds what a damaged counter can make us allocate.
const minAccountRow = 80

// SetProblem implements Store.
func (b *Bolt) SetProblem(ctx context.Context, id AccountID, p *Problem) error {
	if err := checkProblem(p); err != nil {
		return err
	}
	return b.changeAccount(ctx, id, func(a *Account) { a.Problem = p })
}

// SetState implements Store.
func (b *Bolt) SetState(ctx context.Context, id AccountID, s State) error {
	if err := checkState(s); err != nil {
		return err
	}
	return b.changeAccount(ctx, id, func(a *Account) { a.State = s })
}

func (b *Bolt) changeAccount(ctx context.Context, id AccountID, set func(*Account)) error {
	return b.update(ctx, 1, func(tx *bbolt.Tx) error {
		return changeAccount(tx, b.sealer, id, set)
	})
}

func changeAccount(tx *bbolt.Tx, s *sealer, id AccountID, set func(*Account)) error {
	a, err := getAccount(tx, id, s)
	if err != nil {
		return err
	}
	set(&a)
	return root(tx, bucketAccounts).Put(accountKey(id), encodeAccount(&a, s))
}

// ForgetProblems implements Store.
func (b *Bolt) ForgetProblems(ctx context.Context, ids []AccountID) error {
	return b.update(ctx, len(ids), func(tx *bbolt.Tx) error {
		for _, id := range ids {
			a, err := getAccount(tx, id, nil)
			if err == nil && a.Problem != nil {
				err = changeAccount(tx, b.sealer, id, func(a *Account) { a.Problem = nil })
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// MoveStates implements Store.
func (b *Bolt) MoveStates(ctx context.Context, ids []AccountID, from []State, to State) (moved []AccountID, err error) {
	if err := checkState(to); err != nil {
		return nil, err
	}
	err = b.update(ctx, len(ids), func(tx *bbolt.Tx) error {
		moved = nil
		for _, id := range ids {
			a, err := getAccount(tx, id, nil)
			if err != nil {
				return err
			}
			if !slices.Contains(from, a.State) || a.State == to {
				continue
			}
			if err := changeAccount(tx, b.sealer, id, func(a *Account) { a.State = to }); err != nil {
				return err
			}
			moved = append(moved, id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return moved, nil
}

// RemoveAccounts implements Store.
func (b *Bolt) RemoveAccounts(ctx context.Context, ids []AccountID) error {
	return b.update(ctx, 3*len(ids), func(tx *bbolt.Tx) error {
		for _, id := range ids {
			a, err := getAccount(tx, id, nil)
			switch {
			case err != nil:
				return err
			case a.State != Waiting:
				return invalid("account %q is not waiting but %s", a.Login, a.State)
			}
			if err := removeAccount(tx, &a); err != nil {
				return err
			}
		}
		return nil
	})
}

// removeAccount removes an account of which nothing was copied. Its number is not used again.
func removeAccount(tx *bbolt.Tx, a *Account) error {
	folder, _ := lastWithPrefix(root(tx, bucketFolders), a.ID)
	pass, _ := lastWithPrefix(root(tx, bucketPasses), a.ID)
	if folder != nil || pass != nil {
		return invalid("account %q has a history", a.Login)
	}
	return errors.Join(
		root(tx, bucketAccounts).Delete(accountKey(a.ID)),
		root(tx, bucketLogins).Delete(foldLogin(a.Login)),
		root(tx, bucketSummaries).Delete(accountKey(a.ID)),
		root(tx, bucketUsage).Delete(accountKey(a.ID)),
	)
}
