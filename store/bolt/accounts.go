package bolt

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
	"postferry/store/seal"
)

// PutAccounts implements store.Store.
func (b accounts) PutAccounts(ctx context.Context, accounts []store.Account) (stored []store.Account, put []store.AccountPut, err error) {
	for i := range accounts {
		if err := store.CheckAccount(&accounts[i]); err != nil {
			return nil, nil, err
		}
	}
	return b.putAccounts(ctx, accounts, func(*bbolt.Tx) error { return nil })
}

// PutEnrolled implements store.Store.
func (b accounts) PutEnrolled(ctx context.Context, a store.Account, at *store.Domain) (store.Account, error) {
	if err := store.CheckAccount(&a); err != nil {
		return a, err
	}
	stored, _, err := b.putAccounts(ctx, []store.Account{a}, func(tx *bbolt.Tx) error { return checkEnrolment(tx, at) })
	if err != nil {
		return a, err
	}
	return stored[0], nil
}

// checkEnrolment wants a domain to be what it was when its old server was asked. nil is one
// that doesn't change.
func checkEnrolment(tx *bbolt.Tx, at *store.Domain) error {
	if at == nil {
		return nil
	}
	now, err := getDomain(tx, at.Name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Invalid("domain %q is gone", at.Name)
	case err != nil:
		return err
	case !now.Enrol:
		return store.Invalid("domain %q: nobody may enrol any more", at.Name)
	case now.Old != at.Old || !bytes.Equal(now.OldFingerprint, at.OldFingerprint):
		return store.Invalid("domain %q has another old server than the one that was asked", at.Name)
	}
	return nil
}

// putAccounts puts accounts if check has nothing against it.
func (b accounts) putAccounts(ctx context.Context, accounts []store.Account, check func(*bbolt.Tx) error) (stored []store.Account, put []store.AccountPut, err error) {
	now := time.Now()
	err = b.data.update(ctx, 3*len(accounts), func(tx *bbolt.Tx) (err error) {
		if err := check(tx); err != nil {
			return err
		}
		for _, bucket := range []string{bucketAccounts, bucketLogins, bucketSummaries} {
			root(tx, bucket).FillPercent = accountFill
		}
		w := accountWriter{tx: tx, sealer: b.data.sealer, now: now, logins: make(map[string]store.AccountID)}
		stored, put = make([]store.Account, len(accounts)), make([]store.AccountPut, len(accounts))
		for i, a := range accounts {
			if stored[i], put[i], err = w.put(a); err != nil {
				return err
			}
		}
		return w.finish()
	})
	if err != nil {
		return nil, nil, err
	}
	return stored, put, nil
}

// accountFill is how full new pages of accounts are packed: they come in
// order, but may grow later.
const accountFill = 0.9

// accountWriter puts accounts within a transaction.
type accountWriter struct {
	tx     *bbolt.Tx
	sealer *seal.Sealer
	now    time.Time
	// logins has the folded logins that lead to another account than before, most
	// of them to new ones. They are written by finish in their order: bbolt's cost of
	// inserting many keys in one transaction in random order grows with the square
	// of their number.
	logins map[string]store.AccountID
	// displaced has the accounts, by displacedKey, whose logins lead to another domain's;
	// nil until one is looked for.
	displaced map[string]store.AccountID
}

// put adds an account, or gives the one that is known the credentials.
func (w *accountWriter) put(a store.Account) (store.Account, store.AccountPut, error) {
	known, err := w.find(&a)
	if errors.Is(err, store.ErrNotFound) {
		if err := w.number(&a); err != nil {
			return a, store.AccountPut{}, err
		}
		return a, store.AccountPut{Added: true}, w.write(&a)
	}
	if err != nil {
		return a, store.AccountPut{}, err
	}
	changed := known.ReplaceCredentials(a.Old, a.New, a.OldOpens)
	return known, store.AccountPut{Changed: changed}, w.write(&known)
}

func (w *accountWriter) write(a *store.Account) error {
	return root(w.tx, bucketAccounts).Put(rows.AccountKey(a.ID), rows.EncodeAccount(a, w.sealer))
}

// find reads the account that has a's login in a's domain.
func (w *accountWriter) find(a *store.Account) (store.Account, error) {
	id, ok := w.logins[string(store.FoldLogin(a.Login))]
	if !ok {
		var err error
		if id, err = findLogin(w.tx, a.Login); err != nil {
			return store.Account{}, err
		}
	}
	known, err := getAccount(w.tx, id, w.sealer)
	if err != nil || known.Domain == a.Domain {
		return known, err
	}
	return w.findDisplaced(a)
}

// findDisplaced finds the account of a login that has led to another domain's account
// since, and lets it lead there again.
func (w *accountWriter) findDisplaced(a *store.Account) (store.Account, error) {
	if w.displaced == nil {
		w.displaced = make(map[string]store.AccountID)
		if err := eachAccount(w.tx, func(o *store.Account) error {
			w.displaced[displacedKey(o)] = o.ID
			return nil
		}); err != nil {
			return store.Account{}, err
		}
	}
	id, ok := w.displaced[displacedKey(a)]
	if !ok {
		return store.Account{}, store.ErrNotFound
	}
	w.logins[string(store.FoldLogin(a.Login))] = id
	return getAccount(w.tx, id, w.sealer)
}

// displacedKey is an account's login within its domain.
func displacedKey(a *store.Account) string {
	return a.Domain + "\x00" + string(store.FoldLogin(a.Login))
}

// number makes a the next account.
func (w *accountWriter) number(a *store.Account) error {
	number, err := root(w.tx, bucketAccounts).NextSequence()
	if err != nil {
		return err
	}
	a.ID = store.AccountID(number)
	if a.Created.IsZero() {
		a.Created = w.now
	}
	a.Created = a.Created.Round(0).UTC() // as it will be read
	w.logins[string(store.FoldLogin(a.Login))] = a.ID
	if w.displaced != nil {
		w.displaced[displacedKey(a)] = a.ID
	}
	return root(w.tx, bucketSummaries).Put(rows.AccountKey(a.ID), rows.EncodeSummary(&store.Summary{}))
}

func (w *accountWriter) finish() error {
	logins := root(w.tx, bucketLogins)
	for _, login := range slices.Sorted(maps.Keys(w.logins)) {
		if err := logins.Put([]byte(login), rows.AccountKey(w.logins[login])); err != nil {
			return err
		}
	}
	return nil
}

func findLogin(tx *bbolt.Tx, login string) (store.AccountID, error) {
	key := store.FoldLogin(login)
	row := root(tx, bucketLogins).Get(key)
	if row == nil {
		return 0, store.ErrNotFound
	}
	id, err := rows.DecodeNumber(row)
	if err != nil {
		return 0, rows.Damaged(bucketLogins, key, err)
	}
	return store.AccountID(id), nil
}

// getAccount reads an account, with its passwords if s is given.
func getAccount(tx *bbolt.Tx, id store.AccountID, s *seal.Sealer) (store.Account, error) {
	key := rows.AccountKey(id)
	row := root(tx, bucketAccounts).Get(key)
	if row == nil {
		return store.Account{}, store.ErrNotFound
	}
	a, err := rows.DecodeAccount(id, row, s)
	if err != nil {
		return store.Account{}, rows.Damaged(bucketAccounts, key, err)
	}
	return a, nil
}

// Account implements store.Store.
func (b accounts) Account(ctx context.Context, login string) (store.Account, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) (store.Account, error) {
		id, err := findLogin(tx, login)
		if err != nil {
			return store.Account{}, err
		}
		return getAccount(tx, id, b.data.sealer)
	})
}

// AccountByID implements store.Store.
func (b accounts) AccountByID(ctx context.Context, id store.AccountID) (store.Account, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) (store.Account, error) { return getAccount(tx, id, b.data.sealer) })
}

// Accounts implements store.Store.
func (b accounts) Accounts(ctx context.Context) (accounts []store.Account, err error) {
	err = b.data.view(ctx, func(tx *bbolt.Tx) error {
		accounts = make([]store.Account, 0, accountsMost(tx))
		return eachAccount(tx, func(a *store.Account) error {
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
func eachAccount(tx *bbolt.Tx, fn func(*store.Account) error) error { return eachAccountOf(tx, "", fn) }

// eachAccountOf is eachAccount for those of a domain; of all if it is "".
func eachAccountOf(tx *bbolt.Tx, domain string, fn func(*store.Account) error) error {
	var a store.Account // one for all of them: fn copies what it keeps
	return root(tx, bucketAccounts).ForEach(func(key, row []byte) error {
		if domain != "" && !rows.IsOfDomain(row, domain) {
			return nil
		}
		id, err := rows.DecodeNumber(key)
		if err != nil {
			return rows.Damaged(bucketAccounts, key, err)
		}
		if a, err = rows.DecodeAccount(store.AccountID(id), row, nil); err != nil {
			return rows.Damaged(bucketAccounts, key, err)
		}
		return fn(&a)
	})
}

// minAccountRow is what an account takes on disk at least: the sealed
// passwords. It bounds what a damaged counter can make us allocate.
const minAccountRow = 80

// accountsMost is how many accounts there are at most.
func accountsMost(tx *bbolt.Tx) uint64 {
	return min(root(tx, bucketAccounts).Sequence(), uint64(tx.Size()/minAccountRow))
}

// countAccounts is how many accounts of a domain there are, or of all at most if domain is "".
func countAccounts(tx *bbolt.Tx, domain string) (n uint64) {
	if domain == "" {
		return accountsMost(tx)
	}
	c := root(tx, bucketAccounts).Cursor()
	for key, row := c.First(); key != nil; key, row = c.Next() {
		if rows.IsOfDomain(row, domain) {
			n++
		}
	}
	return n
}

// SetProblem implements store.Store.
func (b accounts) SetProblem(ctx context.Context, id store.AccountID, p *store.Problem) error {
	if err := store.CheckProblem(p); err != nil {
		return err
	}
	return b.changeAccount(ctx, id, func(a *store.Account) { a.Problem = p })
}

// SetState implements store.Store.
func (b accounts) SetState(ctx context.Context, id store.AccountID, s store.State) error {
	if err := store.CheckState(s); err != nil {
		return err
	}
	return b.changeAccount(ctx, id, func(a *store.Account) { a.State = s })
}

func (b accounts) changeAccount(ctx context.Context, id store.AccountID, set func(*store.Account)) error {
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		return changeAccount(tx, b.data.sealer, id, set)
	})
}

func changeAccount(tx *bbolt.Tx, s *seal.Sealer, id store.AccountID, set func(*store.Account)) error {
	a, err := getAccount(tx, id, s)
	if err != nil {
		return err
	}
	set(&a)
	return root(tx, bucketAccounts).Put(rows.AccountKey(id), rows.EncodeAccount(&a, s))
}

// ForgetProblems implements store.Store.
func (b accounts) ForgetProblems(ctx context.Context, ids []store.AccountID) error {
	return b.data.update(ctx, len(ids), func(tx *bbolt.Tx) error {
		for _, id := range ids {
			a, err := getAccount(tx, id, nil)
			if err == nil && a.Problem != nil {
				err = changeAccount(tx, b.data.sealer, id, func(a *store.Account) { a.Problem = nil })
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// MoveStates implements store.Store.
func (b accounts) MoveStates(ctx context.Context, ids []store.AccountID, from []store.State, to store.State) (moved []store.AccountID, err error) {
	if err := store.CheckState(to); err != nil {
		return nil, err
	}
	err = b.data.update(ctx, len(ids), func(tx *bbolt.Tx) error {
		moved = nil
		for _, id := range ids {
			a, err := getAccount(tx, id, nil)
			if err != nil {
				return err
			}
			if !slices.Contains(from, a.State) || a.State == to {
				continue
			}
			if err := changeAccount(tx, b.data.sealer, id, func(a *store.Account) { a.State = to }); err != nil {
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

// RemoveAccounts implements store.Store.
func (b accounts) RemoveAccounts(ctx context.Context, ids []store.AccountID) error {
	return b.data.update(ctx, 3*len(ids), func(tx *bbolt.Tx) error {
		removed := make(map[store.AccountID]bool, len(ids))
		for _, id := range ids {
			removed[id] = true
			a, err := getAccount(tx, id, nil)
			switch {
			case err != nil:
				return err
			case a.State != store.Waiting:
				return store.Invalid("account %q is not waiting but %s", a.Login, a.State)
			}
			if err := b.data.removeAccount(tx, &a); err != nil {
				return err
			}
		}
		return b.leadAll(tx, removed, 0, false)
	})
}

// removeAccount removes an account of which nothing was copied. Its number is not used again.
func (b *database) removeAccount(tx *bbolt.Tx, a *store.Account) error {
	folder, _ := lastWithPrefix(root(tx, bucketFolders), a.ID)
	pass, _ := lastWithPrefix(root(tx, bucketPasses), a.ID)
	if folder != nil || pass != nil {
		return store.Invalid("account %q has a history", a.Login)
	}
	if err := removeLogin(tx, a); err != nil {
		return err
	}
	return errors.Join(
		root(tx, bucketAccounts).Delete(rows.AccountKey(a.ID)),
		root(tx, bucketSummaries).Delete(rows.AccountKey(a.ID)),
		root(tx, bucketUsage).Delete(rows.AccountKey(a.ID)),
		b.removeConsents(tx, a),
	)
}

// removeLogin lets an account's login lead nowhere, unless it leads to another account.
func removeLogin(tx *bbolt.Tx, a *store.Account) error {
	id, err := findLogin(tx, a.Login)
	if errors.Is(err, store.ErrNotFound) || err == nil && id != a.ID {
		return nil
	}
	return errors.Join(err, root(tx, bucketLogins).Delete(store.FoldLogin(a.Login)))
}
