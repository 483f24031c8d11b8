package bolt

import (
	"bytes"
	"context"
	"errors"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// forgetAtOnce is how many accounts are removed in one transaction, which bbolt keeps in
// memory until it is written.
const forgetAtOnce = 20

// Forget implements store.Store.
func (b *Store) Forget(ctx context.Context, domain string) error {
	if err := store.CheckMoveOf(domain); err != nil {
		return err
	}
	for {
		left := 0
		err := b.update(ctx, maxGroup, func(tx *bbolt.Tx) (err error) {
			left, err = b.forgetSome(tx, domain)
			return err
		})
		switch {
		case err != nil:
			return err
		case left == 0:
			return b.scrubNow(ctx)
		}
	}
}

// forgetSome removes some of a domain's accounts, with the last of them the domain itself, and
// returns how many are left.
func (b *Store) forgetSome(tx *bbolt.Tx, domain string) (left int, err error) {
	var accounts []store.Account
	if err := eachAccount(tx, func(a *store.Account) error {
		if a.Domain != domain {
			return nil
		}
		if a.State == store.Active {
			return store.Invalid("account %q of domain %q is active", a.Login, domain)
		}
		accounts = append(accounts, *a)
		return nil
	}); err != nil {
		return 0, err
	}
	if err := markScrub(tx); err != nil {
		return 0, err
	}
	some := accounts[:min(len(accounts), forgetAtOnce)]
	removed := make(map[store.AccountID]bool, len(some))
	for i := range some {
		removed[some[i].ID] = true
		if err := errors.Join(removeLogin(tx, &some[i]), removeAll(tx, some[i].ID)); err != nil {
			return 0, err
		}
	}
	if err := b.leadAll(tx, removed, 0, false); err != nil {
		return 0, err
	}
	if left = len(accounts) - len(some); left > 0 {
		return left, nil
	}
	return 0, b.forgetDomain(tx, domain)
}

// removeAll removes all that is kept of an account.
func removeAll(tx *bbolt.Tx, id store.AccountID) error {
	for _, name := range []string{bucketFolders, bucketProgress, bucketIntents, bucketQuarantine, bucketRepaired, bucketLost, bucketAway, bucketAwayIn, bucketPasses, bucketReturns, bucketFlagSets, bucketFlagIndex} {
		if err := removePrefix(root(tx, name), rows.AccountKey(id)); err != nil {
			return err
		}
	}
	if root(tx, bucketLedger).Bucket(rows.AccountKey(id)) != nil {
		if err := root(tx, bucketLedger).DeleteBucket(rows.AccountKey(id)); err != nil {
			return err
		}
	}
	return errors.Join(
		root(tx, bucketAccounts).Delete(rows.AccountKey(id)),
		root(tx, bucketSummaries).Delete(rows.AccountKey(id)),
		root(tx, bucketUsage).Delete(rows.AccountKey(id)),
	)
}

// removePrefix removes all rows whose keys begin with prefix.
func removePrefix(b *bbolt.Bucket, prefix []byte) error {
	var keys [][]byte
	if err := eachWithPrefix(b, prefix, func(key, _ []byte) error {
		keys = append(keys, bytes.Clone(key))
		return nil
	}); err != nil {
		return err
	}
	for _, key := range keys {
		if err := b.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// forgetDomain removes what is kept of a domain itself.
func (b *database) forgetDomain(tx *bbolt.Tx, domain string) error {
	runs, err := readRuns(tx, domain)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if err := removeRun(tx, r.ID); err != nil {
			return err
		}
	}
	key := []byte(domain)
	return errors.Join(root(tx, bucketDomains).Delete(key), root(tx, bucketSchedules).Delete(key), root(tx, bucketMoves).Delete(key), deleteAccess(tx, domain),
		b.deleteSignIn(tx, domain, store.OldSide), b.deleteSignIn(tx, domain, store.NewSide), forgetNotices(tx, domain))
}

// markScrub says that what the transaction deletes has to be overwritten.
func markScrub(tx *bbolt.Tx) error { return root(tx, bucketMeta).Put([]byte(metaScrub), []byte{1}) }
