package bolt

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
	"postferry/store/bolt/statedir"
	"postferry/store/seal"
)

// fillAudit puts as many entries of a domain as are kept, numbered from 0, in one transaction.
func fillAudit(t *testing.T, b *Store, domain string, n int) {
	t.Helper()
	if err := b.db.Update(func(tx *bbolt.Tx) error {
		audit := root(tx, bucketAudit)
		for i := range n {
			id, err := audit.NextSequence()
			if err != nil {
				return err
			}
			e := store.AuditEntry{When: time.Unix(int64(i), 0), Action: "begin", Domain: domain, Detail: fmt.Sprint(i)}
			if err := audit.Put(rows.EncodeNumber(id), rows.EncodeAudit(&e)); err != nil {
				return err
			}
			if err := indexAudit(tx, domain, id); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// The newest entries stay, each domain's and those of none, whatever others do.
func TestAuditIsBounded(t *testing.T) {
	b := open(t, t.TempDir())
	fillAudit(t, b, "quiet.example", 2)
	fillAudit(t, b, "", 2)
	fillAudit(t, b, "loud.example", maxAuditEach+10)
	fillAudit(t, b, "", maxAudit+10)
	if err := b.AddAudit(t.Context(), store.AuditEntry{Action: "login", Domain: "loud.example", Detail: "last"}); err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]struct {
		n      int
		oldest string
	}{"quiet.example": {2, "0"}, "loud.example": {maxAuditEach, "11"}, "": {maxAudit + maxAuditEach + 2, "0"}} {
		got, err := b.Audit(t.Context(), store.AuditQuery{Domain: domain, Limit: 100_000})
		if err != nil || len(got) != want.n || got[len(got)-1].Detail != want.oldest {
			t.Errorf("%q: %d entries, the oldest %+v, %v; want %+v", domain, len(got), got[len(got)-1], err, want)
		}
	}
	if err := b.db.View(func(tx *bbolt.Tx) error {
		rows := countRows(root(tx, bucketAudit))
		if rows != maxAudit+maxAuditEach+2 {
			t.Errorf("%d rows are kept", rows)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A database from before there were indexes gets them when it is opened, and loses no entry.
func TestAuditIsIndexed(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, filepath.Join(oldDatabases, "v3.db"), filepath.Join(dir, statedir.DatabaseFile))
	copyFile(t, filepath.Join(oldDatabases, "v3.key"), filepath.Join(dir, seal.KeyFile))
	changeDatabase(t, dir, func(tx *bbolt.Tx) error {
		for i, domain := range []string{"a.example", "", "b.example", "a.example"} {
			e := store.AuditEntry{Action: "begin", Domain: domain, Detail: fmt.Sprint(i)}
			id, err := root(tx, bucketAudit).NextSequence()
			if err != nil {
				return err
			}
			if err := root(tx, bucketAudit).Put(rows.EncodeNumber(id), rows.EncodeAudit(&e)); err != nil {
				return err
			}
		}
		return nil
	})
	for range 2 {
		b := open(t, dir)
		for domain, want := range map[string]string{"": "3210", "a.example": "30", "b.example": "2"} {
			entries, err := b.Audit(t.Context(), store.AuditQuery{Domain: domain, Limit: 10})
			got := ""
			for _, e := range entries {
				got += e.Detail
			}
			if err != nil || got != want {
				t.Errorf("%q: %s, %v; want %s", domain, got, err, want)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Tokens of before schema 3 don't say which token made them, but they say its name.
func TestOldTokensGoWithTheirMaker(t *testing.T) {
	b := open(t, t.TempDir())
	tokens := []store.Token{{Name: "panel", By: "anna"}, {Name: "child", By: "token panel"}, {Name: "other", By: "anna"},
		{Name: "grandchild", By: "token child"}, {Name: "panel", By: "token other"}}
	for i, x := range tokens {
		x.Digest = store.DigestOf(store.Secret(fmt.Sprint(i)))
		if _, err := b.AddToken(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := b.DeleteToken(t.Context(), 1)
	if err != nil || len(gone) != 3 || gone[1].Name != "child" || gone[2].Name != "grandchild" {
		t.Errorf("%+v, %v", gone, err)
	}
}

// However many domains have all the tokens they may, administrators of everything get theirs.
func TestTokensOfAllHavePlaces(t *testing.T) {
	b := open(t, t.TempDir())
	if err := b.db.Update(func(tx *bbolt.Tx) error {
		for i := range maxTokens - maxTokensAll {
			x := store.Token{ID: uint64(i), Name: "x", Digest: store.DigestOf(store.Secret(fmt.Sprint(i))), Scope: fmt.Sprintf("d%d.example", i/maxTokensEach)}
			if err := root(tx, bucketTokens).Put(x.Digest[:], rows.EncodeToken(&x)); err != nil {
				return err
			}
		}
		return root(tx, bucketTokens).SetSequence(maxTokens)
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AddToken(t.Context(), store.Token{Name: "more", Scope: "more.example"}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("one more domain: %v", err)
	}
	if _, err := b.AddToken(t.Context(), store.Token{Name: "more", Scope: store.ScopeAll}); err != nil {
		t.Errorf("one for everything: %v", err)
	}
}

// A token's row as schema 2 wrote it is read as one that a person made.
func TestOldTokenRow(t *testing.T) {
	want := store.Token{ID: 7, Name: "panel", Scope: "a.example", By: "anna", Created: time.Unix(5, 0).UTC(), Used: time.Unix(6, 0).UTC()}
	row := rows.EncodeToken(&want)
	got, err := rows.DecodeToken(want.Digest, row[:len(row)-1])
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	want.Parent = 1 << 40
	if got, err := rows.DecodeToken(want.Digest, rows.EncodeToken(&want)); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}
