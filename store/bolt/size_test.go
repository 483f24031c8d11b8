package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/sync/errgroup"

	"postferry/store"
	"postferry/store/bolt/statedir"
)

// maxBytesPerMessage is what a copied message may cost on disk.
const maxBytesPerMessage = 64

// mailboxes describes what a size is measured for.
type mailboxes struct {
	name     string
	accounts int
	folders  []int // messages of each folder of an account
	atOnce   int   // accounts at the same time
}

func mixes(total int) []mailboxes {
	return []mailboxes{
		{"half in one folder, half in folders of 250", 1, append([]int{total / 2}, repeat(total/2/250, 250)...), 1},
		{"accounts with 10000 messages in 10 folders", total / 10000, []int{6000, 2000, 1000, 500, 250, 100, 60, 40, 30, 20}, 1},
		{"the same, 32 at once", total / 10000, []int{6000, 2000, 1000, 500, 250, 100, 60, 40, 30, 20}, 32},
		{"folders of 100 only", total / 1000, repeat(10, 100), 1},
		{"folders of 100 only, 32 at once", total / 1000, repeat(10, 100), 32},
		{"one folder", 1, []int{total}, 1},
	}
}

func repeat(n, v int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = v
	}
	return s
}

// fill copies as the engine does: batches of 100, intents first, proofs in
// the next commit. It returns the first account and the number of messages.
func (m mailboxes) fill(tb testing.TB, b *Store) (first store.AccountID, messages int) {
	var group errgroup.Group
	group.SetLimit(m.atOnce)
	for i := range m.accounts {
		id := putTestAccount(tb, b, fmt.Sprintf("user%d@example.com", i))
		if i == 0 {
			first = id
		}
		for _, n := range m.folders {
			messages += n
		}
		group.Go(func() error { return m.fillAccount(tb.Context(), b, id) })
	}
	if err := group.Wait(); err != nil {
		tb.Fatal(err)
	}
	return first, messages
}

func (m mailboxes) fillAccount(ctx context.Context, b *Store, id store.AccountID) error {
	folders := make([]store.Folder, len(m.folders))
	for i := range folders {
		name := fmt.Sprintf("Folder %d", i)
		folders[i] = store.Folder{Old: name, New: name, Title: name, State: store.FolderPresent}
	}
	folders, err := b.PutFolders(ctx, id, folders)
	if err != nil {
		return err
	}
	for i, f := range folders {
		if err := copyMessages(ctx, b, id, f.ID, m.folders[i]); err != nil {
			return err
		}
	}
	return nil
}

func putTestAccount(tb testing.TB, b *Store, login string) store.AccountID {
	tb.Helper()
	stored, _, err := b.PutAccounts(tb.Context(), []store.Account{{
		Domain: "example.com", Login: login, Origin: store.Imported, State: store.Active,
		Old: store.Credentials{Login: login, Password: "old password"}, New: store.Credentials{Login: login, Password: "new password"},
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return stored[0].ID
}

func copyMessages(ctx context.Context, b *Store, id store.AccountID, folder store.FolderID, n int) error {
	now := time.Now()
	for done := 0; done < n; done += 100 {
		intents := store.Batch{Account: id, Folder: folder}
		proofs := store.Batch{Account: id, Folder: folder, Checkpoint: &store.Checkpoint{
			UIDValidity: 1_700_000_000, UIDNext: imap.UID(done + 101), HighestModSeq: 1 << 40, Messages: uint32(n), Checked: now}}
		for i := done; i < min(done+100, n); i++ {
			en := testEntry(i)
			intents.Intents = append(intents.Intents, store.Intent{Key: en.Key, Fingerprint: en.Fingerprint, Size: en.Size,
				Flags: en.Flags, UIDValidity: en.UIDValidity, UIDNext: en.UID, Written: now})
			proofs.Proofs = append(proofs.Proofs, en)
		}
		for _, batch := range []store.Batch{intents, proofs} {
			if err := b.Commit(ctx, batch); err != nil {
				return err
			}
		}
	}
	return nil
}

var testFlags = [][]imap.Flag{
	{imap.FlagSeen}, {imap.FlagSeen}, {imap.FlagSeen}, nil, {imap.FlagAnswered, imap.FlagSeen},
	{imap.FlagFlagged, imap.FlagSeen}, {imap.FlagForwarded, imap.FlagSeen}, {imap.FlagJunk, "invoice", "project x"},
}

func testEntry(i int) store.Entry {
	key := binary.BigEndian.AppendUint32(nil, 1_700_000_000)
	key = binary.BigEndian.AppendUint32(key, uint32(i+1))
	return store.Entry{
		Key: store.Key(key), UIDValidity: 1_710_000_000, UID: imap.UID(i + 1), Flags: testFlags[i%len(testFlags)],
		Fingerprint: store.Fingerprint(binary.BigEndian.AppendUint64(nil, rand.Uint64())), Size: 20_000 + rand.Uint32N(1<<20),
	}
}

func fileSize(tb testing.TB, dir string) int64 {
	tb.Helper()
	info, err := os.Stat(filepath.Join(dir, statedir.DatabaseFile))
	if err != nil {
		tb.Fatal(err)
	}
	return info.Size()
}

func TestSize(t *testing.T) {
	all := mixes(50_000)
	for _, m := range []mailboxes{all[0], all[4]} { // with the one that needs most
		t.Run(m.name, func(t *testing.T) {
			dir := t.TempDir()
			b := open(t, dir)
			b.db.NoSync = true
			empty := fileSize(t, dir)
			_, messages := m.fill(t, b)
			perMessage := float64(fileSize(t, dir)-empty) / float64(messages)
			if perMessage > maxBytesPerMessage {
				t.Errorf("%.1f bytes a message, at most %d are wanted", perMessage, maxBytesPerMessage)
			}
		})
	}
}

// BenchmarkSize fills databases with a million messages and reports their
// size. Run it with -benchtime=1x.
func BenchmarkSize(b *testing.B) {
	for _, m := range mixes(1_000_000) {
		b.Run(m.name, func(b *testing.B) {
			total := 0
			for b.Loop() {
				dir := b.TempDir()
				s := open(b, dir)
				s.db.NoSync = true // the disk is not what is measured
				_, messages := m.fill(b, s)
				b.ReportMetric(float64(fileSize(b, dir))/float64(messages), "bytes/msg")
				total += messages
			}
			b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// BenchmarkLedger reads a folder of half a million messages and reports the
// memory that the result holds.
func BenchmarkLedger(b *testing.B) {
	s := open(b, b.TempDir())
	s.db.NoSync = true
	id, messages := mailboxes{accounts: 1, atOnce: 1, folders: []int{500_000}}.fill(b, s)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	l, err := s.Ledger(b.Context(), id, 1)
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportAllocs()
	for b.Loop() {
		if l, err = s.Ledger(b.Context(), id, 1); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(messages), "heapbytes/msg")
	runtime.KeepAlive(l)
}
