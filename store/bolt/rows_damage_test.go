package bolt

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// TestDamage spoils one row of each bucket and reads it through the store: the
// error names the bucket and the key.
func TestDamage(t *testing.T) {
	tests := []struct {
		bucket string
		key    []byte
		read   func(b *Store) error
	}{
		{bucketLogins, store.FoldLogin(sealedLogin), func(b *Store) error { _, err := b.Account(t.Context(), sealedLogin); return err }},
		{bucketAccounts, rows.AccountKey(1), func(b *Store) error { _, err := b.AccountByID(t.Context(), 1); return err }},
		{bucketAccounts, rows.AccountKey(1), func(b *Store) error { _, err := b.Accounts(t.Context()); return err }},
		{bucketFolders, rows.FolderKey(1, 1), func(b *Store) error { _, err := b.Folders(t.Context(), 1); return err }},
		{bucketProgress, rows.FolderKey(1, 1), func(b *Store) error { _, err := b.Folders(t.Context(), 1); return err }},
		{bucketProgress, rows.FolderKey(1, 1), func(b *Store) error { return b.Commit(t.Context(), store.Batch{Account: 1, Folder: 1}) }},
		{bucketLedger + "/1", rows.TailKey(1), readLedger},
		{bucketFlagSets, rows.FlagSetKey(1, 1), readLedger},
		{bucketFlagIndex, nil, func(b *Store) error {
			return b.Commit(t.Context(), store.Batch{Account: 1, Folder: 1, Proofs: []store.Entry{{Key: "f", Flags: []imap.Flag{imap.FlagSeen}}}})
		}},
		{bucketIntents, rows.MessageKey(1, 1, "i"), readLedger},
		{bucketQuarantine, rows.MessageKey(1, 1, "q"), readLedger},
		{bucketRepaired, rows.MessageKey(1, 1, "r"), readLedger},
		{bucketAway, rows.MessageKey(1, 2, "e"), readLedger},
		{bucketPasses, rows.PassKey(1, 1), func(b *Store) error { _, err := b.Passes(t.Context(), 1); return err }},
		{bucketSummaries, rows.AccountKey(1), func(b *Store) error { _, err := b.Overview(t.Context(), ""); return err }},
		{bucketSummaries, rows.AccountKey(1), func(b *Store) error { return b.AddPass(t.Context(), 1, store.Pass{}) }},
		{bucketDomains, []byte("example.com"), func(b *Store) error { _, err := b.Domains(t.Context()); return err }},
		{bucketSchedules, []byte("example.com"), func(b *Store) error { _, err := b.Schedules(t.Context()); return err }},
		{bucketMoves, []byte("example.com"), func(b *Store) error { _, err := b.Moves(t.Context()); return err }},
		{bucketMoves, []byte("example.com"), func(b *Store) error { return b.NoteChecked(t.Context(), "example.com", store.Checked{}) }},
		{bucketReports, rows.EncodeNumber(1), func(b *Store) error { _, err := b.Reports(t.Context(), ""); return err }},
		{bucketRuns, rows.RunKey(1), func(b *Store) error { _, err := b.Run(t.Context(), 1); return err }},
		{bucketRuns, rows.RunKey(1), func(b *Store) error { _, err := b.Runs(t.Context(), ""); return err }},
		{bucketRunParts, rows.RunPartKey(1, 1), func(b *Store) error { _, err := b.RunAccounts(t.Context(), 1); return err }},
	}
	for _, test := range tests {
		t.Run(test.bucket, func(t *testing.T) {
			dir, _ := sealedState(t)
			fillSealedState(t, dir)
			key := test.key
			changeDatabase(t, dir, func(tx *bbolt.Tx) error {
				name, nested := strings.CutSuffix(test.bucket, "/1")
				bucket := root(tx, name)
				if nested {
					bucket = bucket.Bucket(rows.AccountKey(1))
				}
				if key == nil {
					first, _ := bucket.Cursor().First()
					key = bytes.Clone(first)
				}
				return bucket.Put(key, []byte{0x80})
			})
			err := test.read(open(t, dir))
			want := rows.Damaged(test.bucket, key, rows.ErrShort).Error()
			var damage *DamagedError
			if !errors.As(err, &damage) || !strings.HasPrefix(damage.Err.Error(), strings.TrimSuffix(want, rows.ErrShort.Error())) {
				t.Errorf("got %v\nwant %s", err, want)
			}
		})
	}
}

func readLedger(b *Store) error {
	_, err := b.Ledger(context.Background(), 1, 1)
	return err
}

// fillSealedState puts one row into each bucket.
func fillSealedState(t *testing.T, dir string) {
	t.Helper()
	b := open(t, dir)
	_, err := b.PutFolders(t.Context(), 1, []store.Folder{{Old: "INBOX", State: store.FolderPresent}, {Old: "Work", State: store.FolderPresent}})
	_, runErr := b.AddRun(t.Context(), store.Run{Domain: "example.com", Kind: store.FirstRun, State: store.RunOpen}, []store.AccountID{1})
	err = errors.Join(err, runErr,
		b.PutDomain(t.Context(), store.Domain{Name: "example.com", Old: "imaps://old", New: "imaps://new"}),
		b.NoteChecked(t.Context(), "example.com", store.Checked{Accounts: 1}),
		b.update(t.Context(), 1, func(tx *bbolt.Tx) error {
			return root(tx, bucketReports).Put(rows.EncodeNumber(1), rows.EncodeReport(&store.Report{Domain: "example.com"}))
		}),
		b.PutSchedule(t.Context(), store.Schedule{Domain: "example.com", Every: time.Hour}),
		b.Commit(t.Context(), store.Batch{Account: 1, Folder: 1, Intents: []store.Intent{{Key: "i"}},
			Proofs:     []store.Entry{{Key: "e", Flags: []imap.Flag{imap.FlagSeen}}},
			Quarantine: []store.Quarantined{{Key: "q"}}, Repaired: []store.Repaired{{Key: "r"}}}),
		b.Commit(t.Context(), store.Batch{Account: 1, Folder: 1, Proofs: []store.Entry{{Key: "m", UIDValidity: 1, UID: 1}}}),
		b.Commit(t.Context(), store.Batch{Account: 1, Folder: 2, Proofs: []store.Entry{{Key: "e"}}, Moved: []store.Moved{{Elsewhere: store.Elsewhere{Folder: 1, Key: "m"}, To: "e"}}}),
		b.AddPass(t.Context(), 1, store.Pass{}),
		b.Close())
	if err != nil {
		t.Fatal(err)
	}
}

// TestCountIsNotTrusted: a damaged count makes the reader allocate no more
// than the database could hold.
func TestCountIsNotTrusted(t *testing.T) {
	dir, _ := sealedState(t)
	fillSealedState(t, dir)
	changeDatabase(t, dir, func(tx *bbolt.Tx) error {
		return root(tx, bucketProgress).Put(rows.FolderKey(1, 1), rows.EncodeProgress(&rows.Progress{Copied: 1 << 62}))
	})
	l, err := open(t, dir).Ledger(t.Context(), 1, 1)
	if err != nil || len(l.Entries) != 1 || cap(l.Entries) > 1<<20 {
		t.Errorf("got %d entries in room for %d, %v", len(l.Entries), cap(l.Entries), err)
	}
}

// TestLedgerSharesMemory: equal flag sets are one slice, and reading many
// entries takes few allocations.
func TestLedgerSharesMemory(t *testing.T) {
	b := open(t, t.TempDir())
	id, _ := mailboxes{accounts: 1, atOnce: 1, folders: []int{5000}}.fill(t, b)
	l, err := b.Ledger(t.Context(), id, 1)
	if err != nil {
		t.Fatal(err)
	}
	first := make(map[string]*imap.Flag)
	for _, en := range l.Entries {
		if len(en.Flags) == 0 {
			continue
		}
		set := string(rows.EncodeFlags(en.Flags))
		if first[set] == nil {
			first[set] = &en.Flags[0]
		}
		if first[set] != &en.Flags[0] {
			t.Fatalf("entry %x has flags of its own", en.Key)
		}
	}
	allocations := testing.AllocsPerRun(5, func() { _, err = b.Ledger(t.Context(), id, 1) })
	if err != nil || allocations > 200 {
		t.Errorf("%v allocations for %d entries, %v", allocations, len(l.Entries), err)
	}
}
