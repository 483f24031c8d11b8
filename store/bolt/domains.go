package bolt

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
	"postferry/store/seal"
)

// Domains implements store.Store.
func (b domains) Domains(ctx context.Context) ([]store.Domain, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) ([]store.Domain, error) {
		return allRows(tx, bucketDomains, func(key, row []byte) (store.Domain, error) { return rows.DecodeDomain(string(key), row, b.data.sealer) })
	})
}

// PutDomain implements store.Store.
func (b domains) PutDomain(ctx context.Context, d store.Domain) error {
	return b.putDomain(ctx, d, func(*bbolt.Tx) error { return nil })
}

// PutVacantDomain implements store.Store.
func (b domains) PutVacantDomain(ctx context.Context, d store.Domain) error {
	return b.putDomain(ctx, d, func(tx *bbolt.Tx) error { return checkVacant(tx, d.Name) })
}

// putDomain stores a domain if check has nothing against it.
func (b domains) putDomain(ctx context.Context, d store.Domain, check func(*bbolt.Tx) error) error {
	if err := store.CheckDomain(&d); err != nil {
		return err
	}
	if d.Created.IsZero() {
		d.Created = time.Now()
	}
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		key, d := []byte(d.Name), d
		if err := check(tx); err != nil {
			return err
		}
		known, err := getDomain(tx, d.Name)
		if err == nil {
			d.Created = known.Created
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return root(tx, bucketDomains).Put(key, rows.EncodeDomain(&d, b.data.sealer))
	})
}

// DeleteDomain implements store.Store.
func (b domains) DeleteDomain(ctx context.Context, name string) error {
	return b.data.update(ctx, 2, func(tx *bbolt.Tx) error {
		key := []byte(name)
		if root(tx, bucketDomains).Get(key) == nil {
			return store.ErrNotFound
		}
		if err := checkVacant(tx, name); err != nil {
			return err
		}
		return errors.Join(root(tx, bucketDomains).Delete(key), root(tx, bucketSchedules).Delete(key), deleteAccess(tx, name),
			b.data.deleteSignIn(tx, name, store.OldSide), b.data.deleteSignIn(tx, name, store.NewSide), forgetNotices(tx, name))
	})
}

// deleteAccess removes the administrators of one domain, with their sessions, and
// the domain's tokens: who sets up a domain of that name again is somebody else.
func deleteAccess(tx *bbolt.Tx, domain string) error {
	tokens, err := allTokens(tx)
	if err != nil {
		return err
	}
	others := func(t store.Token) bool { return t.Scope != domain }
	if err := deleteTokens(tx, slices.DeleteFunc(tokens, others)); err != nil {
		return err
	}
	admins, err := allAdmins(tx)
	if err != nil {
		return err
	}
	for _, a := range admins {
		if a.Scope != domain {
			continue
		}
		if err := deleteAdmin(tx, store.FoldLogin(a.Name)); err != nil {
			return err
		}
	}
	return nil
}

// resealDomains seals the webhooks of domains with another key.
func resealDomains(tx *bbolt.Tx, from, to *seal.Sealer) error {
	all, err := allRows(tx, bucketDomains, func(key, row []byte) (store.Domain, error) { return rows.DecodeDomain(string(key), row, from) })
	for i := range all {
		err = errors.Join(err, root(tx, bucketDomains).Put([]byte(all[i].Name), rows.EncodeDomain(&all[i], to)))
	}
	return err
}

// getDomain reads a domain, without its webhooks.
func getDomain(tx *bbolt.Tx, name string) (store.Domain, error) {
	key := []byte(name)
	row := root(tx, bucketDomains).Get(key)
	if row == nil {
		return store.Domain{}, store.ErrNotFound
	}
	d, err := rows.DecodeDomain(name, row, nil)
	if err != nil {
		return store.Domain{}, rows.Damaged(bucketDomains, key, err)
	}
	return d, nil
}

// checkVacant wants a domain to have no accounts.
func checkVacant(tx *bbolt.Tx, name string) error {
	return eachAccount(tx, func(a *store.Account) error {
		if a.Domain == name {
			return store.Invalid("domain %q has accounts", name)
		}
		return nil
	})
}

// Schedules implements store.Store.
func (b domains) Schedules(ctx context.Context) ([]store.Schedule, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) ([]store.Schedule, error) {
		return allRows(tx, bucketSchedules, func(key, row []byte) (store.Schedule, error) { return rows.DecodeSchedule(string(key), row) })
	})
}

// PutSchedule implements store.Store.
func (b domains) PutSchedule(ctx context.Context, s store.Schedule) error {
	if err := store.CheckSchedule(&s); err != nil {
		return err
	}
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		if s.Every == 0 {
			return root(tx, bucketSchedules).Delete([]byte(s.Domain))
		}
		return root(tx, bucketSchedules).Put([]byte(s.Domain), rows.EncodeSchedule(&s))
	})
}
