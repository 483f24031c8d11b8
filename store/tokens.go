package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// AddToken implements Access.
func (b *Bolt) AddToken(ctx context.Context, t Token) (Token, error) {
	if t.Name == "" || len(t.Name) > maxName {
		return Token{}, invalid("a token's name of %d octets: 1 to %d are allowed", len(t.Name), maxName)
	}
	err := b.update(ctx, 1, func(tx *bbolt.Tx) error {
		tokens := root(tx, bucketTokens)
		if countRows(tokens) >= maxTokens {
			return invalid("there are %d tokens already", maxTokens)
		}
		id, err := tokens.NextSequence()
		if err != nil {
			return err
		}
		t.ID = id
		return tokens.Put(t.Digest[:], encodeToken(&t))
	})
	if err != nil {
		return Token{}, err
	}
	return t, nil
}

func getToken(tx *bbolt.Tx, digest Digest) (Token, error) {
	row := root(tx, bucketTokens).Get(digest[:])
	if row == nil {
		return Token{}, ErrNotFound
	}
	t, err := decodeToken(digest, row)
	if err != nil {
		return Token{}, damaged(bucketTokens, digest[:], err)
	}
	return t, nil
}

func allTokens(tx *bbolt.Tx) (tokens []Token, err error) {
	err = root(tx, bucketTokens).ForEach(func(key, _ []byte) error {
		if len(key) != len(Digest{}) {
			return damaged(bucketTokens, key, errKey)
		}
		t, err := getToken(tx, Digest(key))
		tokens = append(tokens, t)
		return err
	})
	slices.SortFunc(tokens, func(x, y Token) int { return cmp.Compare(x.ID, y.ID) })
	return tokens, err
}

// Token implements Access.
func (b *Bolt) Token(ctx context.Context, digest Digest) (t Token, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		t, err = getToken(tx, digest)
		return err
	})
	return t, err
}

// UseToken implements Access.
func (b *Bolt) UseToken(ctx context.Context, digest Digest, when time.Time) error {
	return b.update(ctx, 1, func(tx *bbolt.Tx) error {
		t, err := getToken(tx, digest)
		if err != nil {
			return err
		}
		t.Used = when
		return root(tx, bucketTokens).Put(digest[:], encodeToken(&t))
	})
}

// Tokens implements Access.
func (b *Bolt) Tokens(ctx context.Context) (tokens []Token, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		tokens, err = allTokens(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return tokens, nil
}

// DeleteToken implements Access.
func (b *Bolt) DeleteToken(ctx context.Context, id uint64) error {
	return b.update(ctx, 1, func(tx *bbolt.Tx) error {
		tokens, err := allTokens(tx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(tokens, func(t Token) bool { return t.ID == id })
		if i < 0 {
			return ErrNotFound
		}
		return root(tx, bucketTokens).Delete(tokens[i].Digest[:])
	})
}

func encodeToken(t *Token) []byte {
	var e encoder
	e.uint(t.ID)
	e.text(t.Name)
	e.text(t.Scope)
	e.text(t.By)
	e.time(t.Created)
	e.time(t.Used)
	return e
}

func decodeToken(digest Digest, row []byte) (Token, error) {
	d := decoder{rest: row}
	t := Token{
		Digest:  digest,
		ID:      d.uint64(),
		Name:    d.text(),
		Scope:   d.text(),
		By:      d.text(),
		Created: d.time(),
		Used:    d.time(),
	}
	return t, d.done()
}
