package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"postferry/internal/private"
	"postferry/store"
	"postferry/store/bolt/rows"
	"postferry/store/bolt/statedir"
	"postferry/store/seal"
)

// newKeyVariable may hold the next key.
const newKeyVariable = "POSTFERRY_NEW_KEY"

// KeyElsewhereError says that the key comes from where no other can be put, so
// that the next one must be given.
type KeyElsewhereError struct{ From string }

func (e *KeyElsewhereError) Error() string {
	return fmt.Sprintf("the key comes from %s, where Postferry can't put another: make one (openssl rand -base64 32), keep it, and give it in the environment variable %s",
		e.From, newKeyVariable)
}

// Rotated is what RotateKey has done.
type Rotated struct {
	Accounts int
	// Key is the file that the new key is in; "" if the key comes from elsewhere, where
	// it has to be put now.
	Key string
}

// RotateKey seals everything with another key: that of the environment variable
// POSTFERRY_NEW_KEY, or one that it makes. What was sealed with the key before is
// nowhere in the database afterwards. Wherever it is interrupted, the state can be
// opened: in the state directory the next key lies beside the one before until it
// counts, and Open goes on from there; of a key from elsewhere the one or the other
// opens it. No other call may be under way.
func (b *Store) RotateKey(ctx context.Context) (Rotated, error) {
	b.gate.Lock()
	defer b.gate.Unlock()
	if b.closed {
		return Rotated{}, store.ErrClosed
	}
	r, err := b.newRotation()
	if err != nil {
		return Rotated{}, err
	}
	for _, step := range r.steps() {
		err := errors.Join(ctx.Err(), b.LostError())
		if err == nil {
			err = b.rowsDamaged(b.guard(step))
		}
		if err != nil {
			return Rotated{}, fmt.Errorf("cannot change the key: %w", err)
		}
	}
	return r.done, nil
}

// rotation is one change of the key.
type rotation struct {
	bolt *Store
	next seal.Key
	file bool // the key is in the state directory
	done Rotated
}

func (b *Store) newRotation() (*rotation, error) {
	r := &rotation{bolt: b, file: b.key.From == filepath.Join(b.dir, seal.KeyFile)}
	var err error
	switch text := os.Getenv(newKeyVariable); {
	case text != "":
		r.next, err = seal.ParseKey(text, "the environment variable "+newKeyVariable)
	case r.file:
		r.next = seal.NewKey()
	default:
		err = &KeyElsewhereError{From: b.key.From}
	}
	if err == nil && bytes.Equal(r.next.Bytes, b.key.Bytes) {
		err = errors.New("the new key is the one that is in use")
	}
	if err != nil {
		return nil, err
	}
	if r.file {
		r.done.Key = b.key.From
	}
	r.next.From = b.key.From
	return r, nil
}

// steps are what is done one after the other. After each of them, and in the
// middle of each, the state can be opened.
func (r *rotation) steps() []func() error {
	if !r.file {
		return []func() error{r.reseal, r.bolt.scrub}
	}
	return []func() error{r.keep, r.reseal, r.bolt.scrub, r.bolt.useNewKey}
}

// keep puts the next key beside the one before.
func (r *rotation) keep() error {
	path := filepath.Join(r.bolt.dir, statedir.NewKeyFile)
	if err := private.WriteFile(path, []byte(r.next.Text()+"\n")); err != nil {
		return err
	}
	return private.SameOwner(path, filepath.Join(r.bolt.dir, seal.KeyFile))
}

// reseal seals everything with the next key, in one transaction.
func (r *rotation) reseal() error {
	next, err := seal.New(r.next.Bytes)
	if err != nil {
		return err
	}
	err = r.bolt.db.Update(func(tx *bbolt.Tx) error {
		r.done.Accounts, err = resealAccounts(tx, r.bolt.sealer, next)
		return errors.Join(err, resealSignIns(tx, r.bolt.sealer, next), resealDomains(tx, r.bolt.sealer, next), putKeyCheck(tx, next))
	})
	if err == nil {
		r.bolt.sealer, r.bolt.key = next, r.next
	}
	return err
}

func resealAccounts(tx *bbolt.Tx, from, to *seal.Sealer) (n int, err error) {
	var ids []store.AccountID
	if err := eachAccount(tx, func(a *store.Account) error {
		ids = append(ids, a.ID)
		return nil
	}); err != nil {
		return 0, err
	}
	accounts := root(tx, bucketAccounts)
	accounts.FillPercent = accountFill
	for _, id := range ids {
		a, err := getAccount(tx, id, from)
		if err != nil {
			return 0, err
		}
		if err := accounts.Put(rows.AccountKey(id), rows.EncodeAccount(&a, to)); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// useNewKey makes the next key the one in use.
func (b *Store) useNewKey() error {
	if err := os.Rename(filepath.Join(b.dir, statedir.NewKeyFile), filepath.Join(b.dir, seal.KeyFile)); err != nil {
		return err
	}
	return private.SyncDir(b.dir)
}

// finishRotation goes on where a change of the key was interrupted after everything
// had been sealed with the next one, and reports whether there was such a change.
func (b *Store) finishRotation() (bool, error) {
	path := filepath.Join(b.dir, statedir.NewKeyFile)
	key, err := seal.ReadKey(path)
	if err != nil || key.Bytes == nil {
		return false, err
	}
	if err := b.tryKey(key); err != nil {
		return false, nil // it was interrupted before that: the key in use is the one to ask for
	}
	if err := errors.Join(b.scrub(), b.useNewKey()); err != nil {
		return false, fmt.Errorf("cannot finish changing the key: %w", err)
	}
	b.key.From = filepath.Join(b.dir, seal.KeyFile)
	b.log.Info().Str("key", b.key.From).Msg("finished a change of the key that had been interrupted")
	return true, nil
}
