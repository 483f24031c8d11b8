package bolt

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"go.etcd.io/bbolt"

	"postferry/report/reason"
	"postferry/store"
	"postferry/store/bolt/statedir"
	"postferry/store/seal"
)

// Databases of every version of the schema lie in testdata and must open for
// ever. After the schema has changed, and its number with it, add one more:
//
//	go test ./store/bolt -run TestOldDatabases -update
//
// It writes the file of the current version only if there is none.
var update = flag.Bool("update", false, "write the database of this schema version to testdata")

const oldDatabases = "../../testdata/store"

func TestOldDatabases(t *testing.T) {
	if *update {
		writeDatabase(t)
	}
	for version := 1; version <= schemaVersion; version++ {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			dir := t.TempDir()
			copyFile(t, filepath.Join(oldDatabases, fmt.Sprintf("v%d.db", version)), filepath.Join(dir, statedir.DatabaseFile))
			copyFile(t, filepath.Join(oldDatabases, fmt.Sprintf("v%d.key", version)), filepath.Join(dir, seal.KeyFile))
			b := open(t, dir)
			for i, want := range sampleMailboxes() {
				checkMailbox(t, b, store.AccountID(i+1), want.at(version))
			}
			checkMove(t, b, sampleMove().at(version))
			if accounts, err := b.Accounts(t.Context()); err != nil || len(accounts) != len(sampleMailboxes()) {
				t.Errorf("%d accounts, %v", len(accounts), err)
			}
		})
	}
}

// TestOldDatabaseGrows: what joined without a change of the version can be
// written to a database that was made before.
func TestOldDatabaseGrows(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, filepath.Join(oldDatabases, "v1.db"), filepath.Join(dir, statedir.DatabaseFile))
	copyFile(t, filepath.Join(oldDatabases, "v1.key"), filepath.Join(dir, seal.KeyFile))
	want := store.Repaired{Key: "key", What: reason.Of(reason.EndAdded), Size: 7, When: time.Unix(1, 2).UTC()}
	b := open(t, dir)
	if err := b.Commit(t.Context(), store.Batch{Account: 1, Folder: 1, Repaired: []store.Repaired{want}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutAdmin(t.Context(), store.Admin{Name: "anna", Hash: "hash"}, true); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir)
	if l, err := b.Ledger(t.Context(), 1, 1); err != nil || len(l.Repaired) != 1 || l.Repaired[0] != want {
		t.Errorf("%+v, %v", l.Repaired, err)
	}
	if a, err := b.Admin(t.Context(), "anna"); err != nil || a.Hash.Reveal() != "hash" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestUpgradeCounts: summaries of a database that had none are those that its rows give.
func TestUpgradeCounts(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, filepath.Join(oldDatabases, "v1.db"), filepath.Join(dir, statedir.DatabaseFile))
	copyFile(t, filepath.Join(oldDatabases, "v1.key"), filepath.Join(dir, seal.KeyFile))
	overview, err := open(t, dir).Overview(t.Context(), "")
	if err != nil || len(overview) != 2 {
		t.Fatalf("%d accounts, %v", len(overview), err)
	}
	at := func(sec int64) time.Time { return time.Unix(1_700_000_000+sec, 987_654_321).UTC() }
	wantSame(t, "jane's summary", overview[0].Summary, store.Summary{Messages: 77, Folders: 2, Copied: 4, Quarantined: 1,
		Bytes: math.MaxUint32 + 308, Passes: 2, LastPass: at(10), Complete: true, Completed: at(10)}, nil)
	wantSame(t, "john's summary", overview[1].Summary, store.Summary{Folders: 1, Copied: 1}, nil)
}

// TestUpgradeOnce: a database that was brought up to date opens again, and an
// earlier version refuses it.
func TestUpgradeOnce(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, filepath.Join(oldDatabases, "v1.db"), filepath.Join(dir, statedir.DatabaseFile))
	copyFile(t, filepath.Join(oldDatabases, "v1.key"), filepath.Join(dir, seal.KeyFile))
	for range 2 {
		b := open(t, dir)
		checkMailbox(t, b, 1, sampleMailboxes()[0].at(1))
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	changeDatabase(t, dir, func(tx *bbolt.Tx) error {
		if version, err := readVersion(tx); err != nil || version != schemaVersion {
			t.Errorf("schema %d, %v", version, err)
		}
		return nil
	})
}

// writeDatabase fills a database and packs it.
func writeDatabase(t *testing.T) {
	t.Helper()
	name := filepath.Join(oldDatabases, fmt.Sprintf("v%d", schemaVersion))
	if _, err := os.Stat(name + ".db"); err == nil {
		t.Fatalf("%s.db exists", name)
	}
	dir := t.TempDir()
	b := open(t, dir)
	for _, m := range sampleMailboxes() {
		m.store(t, b)
	}
	sampleMove().store(t, b)
	packed, err := bbolt.Open(name+".db", 0o644, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(bbolt.Compact(packed, b.db, 0), packed.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	copyFile(t, filepath.Join(dir, seal.KeyFile), name+".key")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sampleMailbox is an account with everything that is kept of it.
type sampleMailbox struct {
	account store.Account
	folders []store.Folder
	ledgers []store.Ledger // of the folders
	passes  []store.Pass
}

func (m sampleMailbox) store(t *testing.T, b *Store) {
	t.Helper()
	stored, _, err := b.PutAccounts(t.Context(), []store.Account{m.account})
	if err != nil {
		t.Fatal(err)
	}
	id := stored[0].ID
	folders, err := b.PutFolders(t.Context(), id, m.folders)
	for i, f := range folders {
		err = errors.Join(err, b.Commit(t.Context(), store.Batch{Account: id, Folder: f.ID, Intents: m.ledgers[i].Intents,
			Proofs: m.ledgers[i].Entries, Quarantine: m.ledgers[i].Quarantine, Checkpoint: &m.folders[i].Checkpoint}))
	}
	for _, p := range m.passes {
		err = errors.Join(err, b.AddPass(t.Context(), id, p))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func checkMailbox(t *testing.T, b *Store, id store.AccountID, want sampleMailbox) {
	t.Helper()
	account, err := b.Account(t.Context(), want.account.Login)
	want.account.ID = id
	wantSame(t, "account", account, want.account, err)
	folders, err := b.Folders(t.Context(), id)
	for i := range want.folders {
		want.folders[i].ID = store.FolderID(i + 1)
		want.folders[i].Copied = uint64(len(want.ledgers[i].Entries))
		want.folders[i].Quarantined = uint64(len(want.ledgers[i].Quarantine))
	}
	wantSame(t, "folders", folders, want.folders, err)
	for i, l := range want.ledgers {
		got, err := b.Ledger(t.Context(), id, store.FolderID(i+1))
		wantSame(t, "ledger", got, l, err)
	}
	passes, err := b.Passes(t.Context(), id)
	wantSame(t, "passes", passes, want.passes, err)
}

func wantSame(t *testing.T, what string, got, want any, err error) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v\n got %+v\nwant %+v", what, err, got, want)
	}
}

// sampleMailboxes have each field set to something unusual at least once.
func sampleMailboxes() []sampleMailbox {
	at := func(sec int64) time.Time { return time.Unix(1_700_000_000+sec, 987_654_321).UTC() }
	problem := &store.Problem{Summary: reason.Said("the old server refuses the password"), Cause: "NO [AUTHENTICATIONFAILED] \xe4",
		Advice: store.NeedsFix, Folder: "INBOX", Since: at(1), Retry: at(2), Kind: store.LoginRefused, Server: store.OldSide, Host: "old.example"}
	jane := sampleMailbox{
		account: store.Account{Domain: "example.com", Login: "Jane.Döe@Example.com",
			Old: store.Credentials{Login: "jane \"quoted\"", Password: "p@ss wörd\\ %§"}, New: store.Credentials{Login: "jane@new.example", Password: "\xff\x00 not UTF-8"},
			Origin: store.Imported, State: store.Active, Problem: problem, Created: at(0)},
		folders: []store.Folder{
			{Old: "INBOX", New: "INBOX", Title: "INBOX", State: store.FolderPresent, Subscribed: true,
				NewUIDValidity: 1_700_000_001,
				Checkpoint:     store.Checkpoint{UIDValidity: 1_600_000_000, UIDNext: 4_294_967_295, HighestModSeq: math.MaxUint64, Messages: 77, Checked: at(3), NewUIDValidity: 1_700_000_001, NewUIDNext: 4_294_967_295, NewHighestModSeq: math.MaxUint64}},
			{Old: "INBOX.Entw&APw-rfe", New: "Entw&APw-rfe", Title: "INBOX/Entwürfe", State: store.FolderPlanned},
			{Old: "INBOX.M\xfcll", Title: "INBOX/M\ufffdll", State: store.FolderSkipped, LeftOut: math.MaxUint64},
			{Old: "Lost", New: "Lost", Title: "Lost", State: store.FolderMissing, NewUIDValidity: math.MaxUint32, Missing: store.Missing{Since: at(12), Looks: 3, Last: at(13)}},
		},
		ledgers: []store.Ledger{
			{
				Entries: []store.Entry{
					{Key: "\x5f\x5e\x10\x00\x00\x00\x00\x01", UIDValidity: 1_700_000_001, UID: 1, Flags: []imap.Flag{imap.FlagAnswered, imap.FlagSeen}, Fingerprint: store.Fingerprint{1, 2, 3, 4, 5, 6, 7, 8}, Size: 0},
					{Key: "\x5f\x5e\x10\x00\x00\x00\x00\x02", UIDValidity: 1_700_000_001, UID: 0, Flags: nil, Fingerprint: store.Fingerprint{}, Size: math.MaxUint32},
					{Key: "\x5f\x5e\x10\x00\x00\x00\x00\x03", UIDValidity: 1_600_000_000, UID: 4_294_967_295, Flags: []imap.Flag{"$Forwarded", "with space"}, Fingerprint: store.Fingerprint{255}, Size: 300},
				},
				Intents: []store.Intent{{Key: "\x5f\x5e\x10\x00\x00\x00\x00\x04", Fingerprint: store.Fingerprint{9}, Size: 40_000, Flags: []imap.Flag{imap.FlagDraft}, UIDValidity: 1_700_000_001, UIDNext: 2, Written: at(4), Taken: false, Batch: 0, Place: 0, Together: false}},
				Quarantine: []store.Quarantined{{Key: "\x5f\x5e\x10\x00\x00\x00\x00\x05", Reason: reason.Said("the new server takes no NUL bytes"),
					Cause: "NO Message contains NUL characters", Attempts: 3, Since: at(5), Last: at(6), Again: false}},
			},
			{Entries: []store.Entry{{Key: "UIDL of a POP3 server", UIDValidity: 5, UID: 6, Flags: []imap.Flag{imap.FlagAnswered, imap.FlagSeen}, Fingerprint: store.Fingerprint{7}, Size: 8}}},
			{},
			{},
		},
		passes: []store.Pass{
			{Started: at(7), Ended: at(8), Copied: 1, Adopted: 2, FlagChanges: 3, Bytes: 1 << 40, Quarantined: 5, Error: reason.Said("the old server hung up")},
			{Started: at(9), Ended: at(10), Complete: true},
		},
	}
	john := sampleMailbox{
		account: store.Account{Login: "john", Origin: store.Enrolled, State: store.Finished, Created: at(11), OldOpens: true, Alias: 1},
		folders: []store.Folder{{Old: "INBOX", New: "INBOX", Title: "INBOX", State: store.FolderDeleted}},
		ledgers: []store.Ledger{{Entries: []store.Entry{{Key: "k", UIDValidity: 1, UID: 1}}}},
	}
	return []sampleMailbox{jane, john}
}

// at is the mailbox as a database of an earlier version has it.
func (m sampleMailbox) at(version int) sampleMailbox {
	if version < 2 && m.account.Problem != nil {
		p := *m.account.Problem
		p.Kind, p.Server, p.Host = "", "", ""
		m.account.Problem = &p
	}
	if version < 3 {
		m.account.OldOpens, m.account.Alias = true, 0
		m.folders, m.ledgers = m.folders[:min(3, len(m.folders))], m.ledgers[:min(3, len(m.ledgers))]
		for i := range m.folders {
			f := &m.folders[i]
			f.NewUIDValidity, f.LeftOut = 0, 0
			f.Checkpoint.NewUIDValidity, f.Checkpoint.NewUIDNext, f.Checkpoint.NewHighestModSeq = 0, 0, 0
		}
	}
	return m
}

// move is what there is beside the mailboxes, since version 2.
type move struct {
	domains   []store.Domain
	schedules []store.Schedule
	runs      []store.Run // newest first
	parts     []store.RunAccount
}

func sampleMove() move {
	at := func(sec int64) time.Time { return time.Unix(1_700_000_000+sec, 987_654_321).UTC() }
	figures := store.Figures{Copied: 1, Adopted: 2, FlagChanges: 3, Bytes: math.MaxUint64, Quarantined: 5}
	problem := &store.Problem{Summary: reason.Said("full"), Advice: store.NeedsFix, Kind: store.OverQuota, Server: store.NewSide, Host: "new.example", Since: at(0), Retry: at(1)}
	return move{
		domains: []store.Domain{{Name: "example.org", Old: "imap+insecure://old:1143", New: "imaps://new", Created: at(20), Enrol: true,
			NewFingerprint: []byte("01234567890123456789012345678901")}},
		schedules: []store.Schedule{{Domain: "example.com", Every: 6 * time.Hour, From: at(21), Until: at(22)}},
		runs: []store.Run{{ID: 1, Domain: "example.com", Kind: store.AgainRun, By: "root", Started: at(23), Ended: at(24), State: store.RunStopped,
			Accounts: 2, Complete: 1, Failed: 1, Stopped: 3, Figures: figures}},
		parts: []store.RunAccount{
			{Account: 1, Outcome: store.OutcomeComplete, Ended: at(25), Passes: 3, Figures: figures},
			{Account: 2, Outcome: store.OutcomeFailed, Ended: at(26), Problem: problem},
		},
	}
}

func (m move) at(version int) move {
	if version < 2 {
		return move{}
	}
	return m
}

func (m move) store(t *testing.T, b *Store) {
	t.Helper()
	err := errors.Join(b.PutDomain(t.Context(), m.domains[0]), b.PutSchedule(t.Context(), m.schedules[0]))
	run, addErr := b.AddRun(t.Context(), m.runs[0], []store.AccountID{1, 2})
	if err := errors.Join(err, addErr, b.PutRun(t.Context(), run, m.parts)); err != nil {
		t.Fatal(err)
	}
}

func checkMove(t *testing.T, b *Store, want move) {
	t.Helper()
	domains, err := b.Domains(t.Context())
	wantSame(t, "domains", domains, want.domains, err)
	schedules, err := b.Schedules(t.Context())
	wantSame(t, "schedules", schedules, want.schedules, err)
	runs, err := b.Runs(t.Context(), "")
	wantSame(t, "runs", runs, want.runs, err)
	for _, r := range runs {
		parts, err := b.RunAccounts(t.Context(), r.ID)
		wantSame(t, "a run's accounts", parts, want.parts, err)
	}
}
