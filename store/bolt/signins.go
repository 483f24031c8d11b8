package bolt

import (
	"bytes"
	"context"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
	"postferry/store/seal"
)

// SignIns implements store.SignIns.
func (b signIns) SignIns(ctx context.Context) ([]store.SignIn, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) ([]store.SignIn, error) {
		return allRows(tx, bucketSignIns, func(key, row []byte) (store.SignIn, error) { return rows.DecodeSignIn(key, row, b.data.sealer) })
	})
}

// eachSignIn calls fn for each way to sign in. Without a sealer it has no secret.
func eachSignIn(tx *bbolt.Tx, sealer *seal.Sealer, fn func(key []byte, s *store.SignIn) error) error {
	return root(tx, bucketSignIns).ForEach(func(key, row []byte) error {
		s, err := rows.DecodeSignIn(key, row, sealer)
		if err != nil {
			return rows.Damaged(bucketSignIns, key, err)
		}
		return fn(key, &s)
	})
}

// PutSignIn implements store.SignIns.
func (b signIns) PutSignIn(ctx context.Context, s store.SignIn) error {
	if err := store.CheckSignIn(&s); err != nil {
		return err
	}
	if s.Created.IsZero() {
		s.Created = time.Now()
	}
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		if _, err := getDomain(tx, s.Domain); err != nil {
			return err
		}
		key := rows.SignInKey(s.Domain, s.Side)
		return root(tx, bucketSignIns).Put(key, rows.EncodeSignIn(key, &s, b.data.sealer))
	})
}

// DeleteSignIn implements store.SignIns.
func (b signIns) DeleteSignIn(ctx context.Context, domain string, side store.Side) error {
	return b.data.update(ctx, 2, func(tx *bbolt.Tx) error {
		if root(tx, bucketSignIns).Get(rows.SignInKey(domain, side)) == nil {
			return store.ErrNotFound
		}
		return b.data.deleteSignIn(tx, domain, side)
	})
}

// deleteSignIn removes how Postferry signs in at a server, and what people have agreed to there.
func (b *database) deleteSignIn(tx *bbolt.Tx, domain string, side store.Side) error {
	_, err := b.deleteConsents(tx, domain, side)
	return errors.Join(err, root(tx, bucketSignIns).Delete(rows.SignInKey(domain, side)))
}

// deleteConsents removes what people have agreed to at a server, or are about to.
func (b *database) deleteConsents(tx *bbolt.Tx, domain string, side store.Side) (deleted int, err error) {
	place := rows.SignInKey(domain, side)
	b.ended.note(place)
	prefix := append(bytes.Clone(place), 0)
	consents := root(tx, bucketConsents)
	var gone [][]byte
	c := consents.Cursor()
	for key, _ := c.Seek(prefix); bytes.HasPrefix(key, prefix); key, _ = c.Next() {
		gone = append(gone, bytes.Clone(key))
	}
	for _, key := range gone {
		if err := consents.Delete(key); err != nil {
			return 0, err
		}
	}
	return len(gone), nil
}

// DeleteConsents implements store.SignIns.
func (b signIns) DeleteConsents(ctx context.Context, domain string, side store.Side) (deleted int, err error) {
	err = b.data.update(ctx, 2, func(tx *bbolt.Tx) (err error) {
		deleted, err = b.data.deleteConsents(tx, domain, side)
		return err
	})
	return deleted, err
}

// Consent implements store.SignIns.
func (b signIns) Consent(ctx context.Context, m store.Mailbox) (c store.Consent, err error) {
	err = b.data.view(ctx, func(tx *bbolt.Tx) error {
		c, err = getConsent(tx, m, b.data.sealer)
		return err
	})
	return c, err
}

// getConsent reads a consent.
func getConsent(tx *bbolt.Tx, m store.Mailbox, sealer *seal.Sealer) (store.Consent, error) {
	key := rows.ConsentKey(m)
	row := root(tx, bucketConsents).Get(key)
	if row == nil {
		return store.Consent{}, store.ErrNotFound
	}
	c, err := rows.DecodeConsent(key, row, sealer)
	if err != nil {
		return store.Consent{}, rows.Damaged(bucketConsents, key, err)
	}
	return c, nil
}

// Consents implements store.SignIns.
func (b signIns) Consents(ctx context.Context, domain string) (all []store.Consent, err error) {
	err = b.data.view(ctx, func(tx *bbolt.Tx) error {
		return eachConsent(tx, nil, func(_ []byte, c *store.Consent) error {
			if domain == "" || c.Domain == domain {
				all = append(all, *c)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// eachConsent calls fn for each consent. Without a sealer it has no secret.
func eachConsent(tx *bbolt.Tx, sealer *seal.Sealer, fn func(key []byte, c *store.Consent) error) error {
	return root(tx, bucketConsents).ForEach(func(key, row []byte) error {
		c, err := rows.DecodeConsent(key, row, sealer)
		if err != nil {
			return rows.Damaged(bucketConsents, key, err)
		}
		return fn(key, &c)
	})
}

// PutConsent implements store.SignIns.
func (b signIns) PutConsent(ctx context.Context, c store.Consent) error {
	if err := store.CheckConsent(&c); err != nil {
		return err
	}
	if c.Granted.IsZero() {
		c.Granted = time.Now()
	}
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		if b.data.ended.since(c.Asked, rows.SignInKey(c.Domain, c.Side), rows.ConsentKey(c.Mailbox)) {
			return store.ErrEnded
		}
		if err := checkUnfinished(tx, c.Mailbox); err != nil {
			return err
		}
		return putConsent(tx, &c, b.data.sealer)
	})
}

// checkUnfinished refuses a mailbox of which nothing is copied any more.
func checkUnfinished(tx *bbolt.Tx, m store.Mailbox) error {
	finished, others := false, false
	if err := eachAccountOf(tx, m.Domain, func(a *store.Account) error {
		if m.Of(a) {
			finished, others = finished || a.State == store.Finished, others || a.State != store.Finished
		}
		return nil
	}); err != nil {
		return err
	}
	if finished && !others {
		return store.ErrEnded
	}
	return nil
}

// ConsentMark implements store.SignIns.
func (b signIns) ConsentMark() store.ConsentMark { return b.data.ended.now() }

func putConsent(tx *bbolt.Tx, c *store.Consent, sealer *seal.Sealer) error {
	key := rows.ConsentKey(c.Mailbox)
	return root(tx, bucketConsents).Put(key, rows.EncodeConsent(key, c, sealer))
}

// HoldConsent implements store.SignIns. One process at a time has the state, so that it is enough to wait in this one.
func (b signIns) HoldConsent(ctx context.Context, m store.Mailbox) (release func(), err error) {
	return b.held.take(ctx, string(rows.ConsentKey(m)))
}

// SendConsent implements store.SignIns.
func (b signIns) SendConsent(ctx context.Context, m store.Mailbox, refresh store.Secret, now time.Time) (known bool, err error) {
	return b.changeConsent(ctx, m, refresh, func(c *store.Consent) { c.Sent = now })
}

// RenewConsent implements store.SignIns.
func (b signIns) RenewConsent(ctx context.Context, m store.Mailbox, was, now store.Secret) (known bool, err error) {
	if now == "" {
		return false, store.Invalid("an empty refresh token")
	}
	return b.changeConsent(ctx, m, was, func(c *store.Consent) { c.Refresh, c.Sent = now, time.Time{} })
}

// changeConsent changes a consent that still has a refresh token.
func (b signIns) changeConsent(ctx context.Context, m store.Mailbox, refresh store.Secret, change func(*store.Consent)) (known bool, err error) {
	err = b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		known = false
		c, err := getConsent(tx, m, b.data.sealer)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil || c.Refresh != refresh {
			return err
		}
		known = true
		change(&c)
		return putConsent(tx, &c, b.data.sealer)
	})
	return known && err == nil, err
}

// DeleteConsent implements store.SignIns.
func (b signIns) DeleteConsent(ctx context.Context, m store.Mailbox) error {
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		if root(tx, bucketConsents).Get(rows.ConsentKey(m)) == nil {
			return store.ErrNotFound
		}
		return b.data.deleteConsent(tx, m)
	})
}

// deleteConsent forgets what the owner of a mailbox has agreed to, or is about to.
func (b *database) deleteConsent(tx *bbolt.Tx, m store.Mailbox) error {
	key := rows.ConsentKey(m)
	b.ended.note(key)
	return root(tx, bucketConsents).Delete(key)
}

// removeConsents forgets what the owner of an account has agreed to that is removed or finished.
func (b *database) removeConsents(tx *bbolt.Tx, a *store.Account) error {
	domain := string(store.FoldLogin(a.Domain))
	return errors.Join(
		b.deleteConsent(tx, store.Mailbox{Domain: domain, Side: store.OldSide, Login: a.Old.Login}),
		b.deleteConsent(tx, store.Mailbox{Domain: domain, Side: store.NewSide, Login: a.New.Login}),
	)
}

// resealSignIns seals the secrets of ways to sign in and of consents with another key.
func resealSignIns(tx *bbolt.Tx, from, to *seal.Sealer) error {
	signIns, consents := map[string][]byte{}, map[string][]byte{}
	err := errors.Join(
		eachSignIn(tx, from, func(key []byte, s *store.SignIn) error {
			signIns[string(key)] = rows.EncodeSignIn(key, s, to)
			return nil
		}),
		eachConsent(tx, from, func(key []byte, c *store.Consent) error {
			consents[string(key)] = rows.EncodeConsent(key, c, to)
			return nil
		}),
	)
	for key, row := range signIns {
		err = errors.Join(err, root(tx, bucketSignIns).Put([]byte(key), row))
	}
	for key, row := range consents {
		err = errors.Join(err, root(tx, bucketConsents).Put([]byte(key), row))
	}
	return err
}
