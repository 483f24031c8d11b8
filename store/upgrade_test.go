package store

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
)

// Databases of every version of the schema lie in testdata and must open for
// ever. After the schema has changed, and its number with it, add one more:
//
//	go test ./store -run TestOldDatabases -update
//
// It writes the file of the current version only if there is none.
var update = flag.Bool("update", false, "write the database of this schema version to testdata")

const oldDatabases = "../testdata/store"

func TestOldDatabases(t *testing.T) {
	if *update {
		writeDatabase(t)
	}
	for version := 1; version <= schemaVersion; version++ {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			dir := t.TempDir()
			copyFile(t, filepath.Join(oldDatabases, fmt.Sprintf("v%d.db", version)), filepath.Join(dir, databaseFile))
			copyFile(t, filepath.Join(oldDatabases, fmt.Sprintf("v%d.key", version)), filepath.Join(dir, keyFile))
			b := open(t, dir)
			for i, want := range sampleMailboxes() {
				checkMailbox(t, b, AccountID(i+1), want.at(version))
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
	copyFile(t, filepath.Join(oldDatabases, "v1.db"), filepath.Join(dir, databaseFile))
	copyFile(t, filepath.Join(oldDatabases, "v1.key"), filepath.Join(dir, keyFile))
	want := Repaired{Key: "key", What: "final line end added", Size: 7, When: time.Unix(1, 2).UTC()}
	b := open(t, dir)
	if err := b.Commit(t.Context(), Batch{Account: 1, Folder: 1, Repaired: []Repaired{want}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutAdmin(t.Context(), Admin{Name: "anna", Hash: "hash"}, true); err != nil {
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
	copyFile(t, filepath.Join(oldDatabases, "v1.db"), filepath.Join(dir, databaseFile))
	copyFile(t, filepath.Join(oldDatabases, "v1.key"), filepath.Join(dir, keyFile))
	overview, err := open(t, dir).Overview(t.Context(), "")
	if err != nil || len(overview) != 2 {
		t.Fatalf("%d accounts, %v", len(overview), err)
	}
	at := func(sec int64) time.Time { return time.Unix(1_700_000_000+sec, 987_654_321).UTC() }
	wantSame(t, "jane's summary", overview[0].Summary, Summary{Messages: 77, Folders: 2, Copied: 4, Quarantined: 1,
		Bytes: math.MaxUint32 + 308, Passes: 2, LastPass: at(10), Complete: true, Completed: at(10)}, nil)
	wantSame(t, "john's summary", overview[1].Summary, Summary{Folders: 1, Copied: 1}, nil)
}

// TestUpgradeOnce: a database that was brought up to date opens again, and an
// earlier version refuses it.
func TestUpgradeOnce(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, filepath.Join(oldDatabases, "v1.db"), filepath.Join(dir, databaseFile))
	copyFile(t, filepath.Join(oldDatabases, "v1.key"), filepath.Join(dir, keyFile))
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
	copyFile(t, filepath.Join(dir, keyFile), name+".key")
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
	account Account
	folders []Folder
	ledgers []Ledger // of the folders
	passes  []Pass
}

func (m sampleMailbox) store(t *testing.T, b *Bolt) {
	t.Helper()
	stored, _, err := b.PutAccounts(t.Context(), []Account{m.account})
	if err != nil {
		t.Fatal(err)
	}
	id := stored[0].ID
	folders, err := b.PutFolders(t.Context(), id, m.folders)
	for i, f := range folders {
		err = errors.Join(err, b.Commit(t.Context(), Batch{Account: id, Folder: f.ID, Intents: m.ledgers[i].Intents,
			Proofs: m.ledgers[i].Entries, Quarantine: m.ledgers[i].Quarantine, Checkpoint: &m.folders[i].Checkpoint}))
	}
	for _, p := range m.passes {
		err = errors.Join(err, b.AddPass(t.Context(), id, p))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func checkMailbox(t *testing.T, b *Bolt, id AccountID, want sampleMailbox) {
	t.Helper()
	account, err := b.Account(t.Context(), want.account.Login)
	want.account.ID = id
	wantSame(t, "account", account, want.account, err)
	folders, err := b.Folders(t.Context(), id)
	for i := range want.folders {
		want.folders[i].ID = FolderID(i + 1)
		want.folders[i].Copied = uint64(len(want.ledgers[i].Entries))
		want.folders[i].Quarantined = uint64(len(want.ledgers[i].Quarantine))
	}
	wantSame(t, "folders", folders, want.folders, err)
	for i, l := range want.ledgers {
		got, err := b.Ledger(t.Context(), id, FolderID(i+1))
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
	problem := &Problem{Summary: "the old server refuses the password", Cause: "NO [AUTHENTICATIONFAILED] \xe4",
		Advice: NeedsFix, Folder: "INBOX", Since: at(1), Retry: at(2), Kind: LoginRefused, Server: OldSide, Host: "old.example"}
	jane := sampleMailbox{
		account: Account{Domain: "example.com", Login: "Jane.Döe@Example.com",
			Old: Credentials{"jane \"quoted\"", "p@ss wörd\\ %§"}, New: Credentials{"jane@new.example", "\xff\x00 not UTF-8"},
			Origin: Imported, State: Active, Problem: problem, Created: at(0)},
		folders: []Folder{
			{Old: "INBOX", New: "INBOX", Title: "INBOX", State: FolderPresent, Subscribed: true,
				NewUIDValidity: 1_700_000_001,
				Checkpoint:     Checkpoint{1_600_000_000, 4_294_967_295, math.MaxUint64, 77, at(3), 1_700_000_001, 4_294_967_295, math.MaxUint64}},
			{Old: "INBOX.Entw&APw-rfe", New: "Entw&APw-rfe", Title: "INBOX/Entwürfe", State: FolderPlanned},
			{Old: "INBOX.M\xfcll", Title: "INBOX/M\ufffdll", State: FolderSkipped, LeftOut: math.MaxUint64},
			{Old: "Lost", New: "Lost", Title: "Lost", State: FolderMissing, NewUIDValidity: math.MaxUint32, Missing: Missing{at(12), 3, at(13)}},
		},
		ledgers: []Ledger{
			{
				Entries: []Entry{
					{"\x5f\x5e\x10\x00\x00\x00\x00\x01", 1_700_000_001, 1, []imap.Flag{imap.FlagAnswered, imap.FlagSeen}, Fingerprint{1, 2, 3, 4, 5, 6, 7, 8}, 0},
					{"\x5f\x5e\x10\x00\x00\x00\x00\x02", 1_700_000_001, 0, nil, Fingerprint{}, math.MaxUint32},
					{"\x5f\x5e\x10\x00\x00\x00\x00\x03", 1_600_000_000, 4_294_967_295, []imap.Flag{"$Forwarded", "with space"}, Fingerprint{255}, 300},
				},
				Intents: []Intent{{"\x5f\x5e\x10\x00\x00\x00\x00\x04", Fingerprint{9}, 40_000, []imap.Flag{imap.FlagDraft}, 1_700_000_001, 2, at(4), false, 0, 0, false}},
				Quarantine: []Quarantined{{"\x5f\x5e\x10\x00\x00\x00\x00\x05", "the new server takes no NUL bytes",
					"NO Message contains NUL characters", 3, at(5), at(6), false}},
			},
			{Entries: []Entry{{"UIDL of a POP3 server", 5, 6, []imap.Flag{imap.FlagAnswered, imap.FlagSeen}, Fingerprint{7}, 8}}},
			{},
			{},
		},
		passes: []Pass{
			{Started: at(7), Ended: at(8), Copied: 1, Adopted: 2, FlagChanges: 3, Bytes: 1 << 40, Quarantined: 5, Error: "the old server hung up"},
			{Started: at(9), Ended: at(10), Complete: true},
		},
	}
	john := sampleMailbox{
		account: Account{Login: "john", Origin: Enrolled, State: Finished, Created: at(11), OldOpens: true, Alias: 1},
		folders: []Folder{{Old: "INBOX", New: "INBOX", Title: "INBOX", State: FolderDeleted}},
		ledgers: []Ledger{{Entries: []Entry{{Key: "k", UIDValidity: 1, UID: 1}}}},
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
	domains   []Domain
	schedules []Schedule
	runs      []Run // newest first
	parts     []RunAccount
}

func sampleMove() move {
	at := func(sec int64) time.Time { return time.Unix(1_700_000_000+sec, 987_654_321).UTC() }
	figures := Figures{1, 2, 3, math.MaxUint64, 5}
	problem := &Problem{Summary: "full", Advice: NeedsFix, Kind: OverQuota, Server: NewSide, Host: "new.example", Since: at(0), Retry: at(1)}
	return move{
		domains: []Domain{{Name: "example.org", Old: "imap+insecure://old:1143", New: "imaps://new", Created: at(20), Enrol: true,
			NewFingerprint: []byte("01234567890123456789012345678901")}},
		schedules: []Schedule{{"example.com", 6 * time.Hour, at(21), at(22)}},
		runs: []Run{{ID: 1, Domain: "example.com", Kind: AgainRun, By: "root", Started: at(23), Ended: at(24), State: RunStopped,
			Accounts: 2, Complete: 1, Failed: 1, Stopped: 3, Figures: figures}},
		parts: []RunAccount{
			{Account: 1, Outcome: OutcomeComplete, Ended: at(25), Passes: 3, Figures: figures},
			{Account: 2, Outcome: OutcomeFailed, Ended: at(26), Problem: problem},
		},
	}
}

func (m move) at(version int) move {
	if version < 2 {
		return move{}
	}
	return m
}

func (m move) store(t *testing.T, b *Bolt) {
	t.Helper()
	err := errors.Join(b.PutDomain(t.Context(), m.domains[0]), b.PutSchedule(t.Context(), m.schedules[0]))
	run, addErr := b.AddRun(t.Context(), m.runs[0], []AccountID{1, 2})
	if err := errors.Join(err, addErr, b.PutRun(t.Context(), run, m.parts)); err != nil {
		t.Fatal(err)
	}
}

func checkMove(t *testing.T, b *Bolt, want move) {
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
