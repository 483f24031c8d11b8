package bolt

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// AddToken implements store.Access.
func (b access) AddToken(ctx context.Context, t store.Token) (store.Token, error) {
	if err := store.CheckToken(&t); err != nil {
		return store.Token{}, err
	}
	err := b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		tokens := root(tx, bucketTokens)
		if err := roomForToken(tx, &t); err != nil {
			return err
		}
		id, err := tokens.NextSequence()
		if err != nil {
			return err
		}
		t.ID = id
		return tokens.Put(t.Digest[:], rows.EncodeToken(&t))
	})
	if err != nil {
		return store.Token{}, err
	}
	return t, nil
}

// roomForToken refuses a token too many, and one whose maker is gone. Those for all
// domains are counted apart, so that no number of domains takes their places.
func roomForToken(tx *bbolt.Tx, t *store.Token) error {
	known, err := allTokens(tx)
	if err != nil {
		return err
	}
	all, same := 0, 0
	for _, o := range known {
		if o.Scope == store.ScopeAll {
			all++
		}
		if o.Scope == t.Scope {
			same++
		}
	}
	switch {
	case t.Parent != 0 && !slices.ContainsFunc(known, func(o store.Token) bool { return o.ID == t.Parent }):
		return store.ErrNotFound
	case t.Scope == store.ScopeAll && all >= maxTokensAll:
		return store.Invalid("there are %d tokens for all domains already", all)
	case t.Scope != store.ScopeAll && same >= maxTokensEach:
		return store.Invalid("there are %d tokens for %s already", same, t.Scope)
	case t.Scope != store.ScopeAll && len(known)-all >= maxTokens-maxTokensAll:
		return store.Invalid("there are %d tokens for single domains already", len(known)-all)
	}
	return nil
}

func getToken(tx *bbolt.Tx, digest store.Digest) (store.Token, error) {
	row := root(tx, bucketTokens).Get(digest[:])
	if row == nil {
		return store.Token{}, store.ErrNotFound
	}
	t, err := rows.DecodeToken(digest, row)
	if err != nil {
		return store.Token{}, rows.Damaged(bucketTokens, digest[:], err)
	}
	return t, nil
}

func allTokens(tx *bbolt.Tx) (tokens []store.Token, err error) {
	err = root(tx, bucketTokens).ForEach(func(key, _ []byte) error {
		if len(key) != len(store.Digest{}) {
			return rows.Damaged(bucketTokens, key, rows.ErrKey)
		}
		t, err := getToken(tx, store.Digest(key))
		tokens = append(tokens, t)
		return err
	})
	slices.SortFunc(tokens, func(x, y store.Token) int { return cmp.Compare(x.ID, y.ID) })
	return tokens, err
}

// Token implements store.Access.
func (b access) Token(ctx context.Context, digest store.Digest) (store.Token, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) (store.Token, error) { return getToken(tx, digest) })
}

// UseToken implements store.Access.
func (b access) UseToken(ctx context.Context, digest store.Digest, when time.Time) error {
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		t, err := getToken(tx, digest)
		if err != nil {
			return err
		}
		t.Used = when
		return root(tx, bucketTokens).Put(digest[:], rows.EncodeToken(&t))
	})
}

// Tokens implements store.Access.
func (b access) Tokens(ctx context.Context) ([]store.Token, error) {
	return read(ctx, b.data, allTokens)
}

// DeleteToken implements store.Access.
func (b access) DeleteToken(ctx context.Context, id uint64) (gone []store.Token, err error) {
	err = b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		tokens, err := allTokens(tx)
		if err != nil {
			return err
		}
		if gone = descent(tokens, id); len(gone) == 0 {
			return store.ErrNotFound
		}
		return deleteTokens(tx, gone)
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// descent is the token of an ID and all that exist because of it, parents before children.
func descent(tokens []store.Token, id uint64) (line []store.Token) {
	if i := slices.IndexFunc(tokens, func(t store.Token) bool { return t.ID == id }); i >= 0 {
		line = append(line, tokens[i])
	}
	for i := 0; i < len(line); i++ {
		for _, t := range tokens {
			if madeBy(&t, &line[i]) && !slices.ContainsFunc(line, func(o store.Token) bool { return o.ID == t.ID }) {
				line = append(line, t)
			}
		}
	}
	return line
}

// madeBy reports whether a token was made by another one. Those of before schema 3
// know only its name; if two had the same, both count, because a token that should
// have gone must not stay. Makers are older, so nothing goes round in a circle.
func madeBy(t, maker *store.Token) bool {
	if t.ID <= maker.ID {
		return false
	}
	return t.Parent == maker.ID || t.Parent == 0 && t.By == "token "+maker.Name
}

func deleteTokens(tx *bbolt.Tx, gone []store.Token) error {
	for _, t := range gone {
		if err := root(tx, bucketTokens).Delete(t.Digest[:]); err != nil {
			return err
		}
	}
	return nil
}
