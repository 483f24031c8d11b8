package bolt

import (
	"math/rand/v2"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// ledgerBench is a folder with half a million messages, or one that gets them.
type ledgerBench struct {
	*testing.B
	store  *Store
	dir    string
	id     store.AccountID
	folder store.FolderID
}

const benchMessages = 500_000

func newLedgerBench(b *testing.B, messages int) *ledgerBench {
	dir := b.TempDir()
	s := open(b, dir)
	s.db.NoSync = true
	id, _ := mailboxes{accounts: 1, atOnce: 1, folders: []int{messages}}.fill(b, s)
	return &ledgerBench{B: b, store: s, dir: dir, id: id, folder: 1}
}

func (b *ledgerBench) prove(from, to int) {
	batch := store.Batch{Account: b.id, Folder: b.folder}
	for i := from; i < to; i++ {
		batch.Proofs = append(batch.Proofs, testEntry(i))
	}
	if err := b.store.Commit(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
}

func (b *ledgerBench) report(messages int) {
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(fileSize(b, b.dir))/float64(messages), "bytes/msg")
}

// BenchmarkLedgerChanges measures what changes and reads of a large folder cost, without the disk. Run
// the ones that fill a folder with -benchtime=1x.
func BenchmarkLedgerChanges(b *testing.B) {
	b.Run("append", func(tb *testing.B) {
		b := newLedgerBench(tb, 0)
		for b.Loop() {
			for i := 0; i < benchMessages; i += 100 {
				b.prove(i, i+100)
			}
		}
		b.report(benchMessages)
	})
	b.Run("newest first", func(tb *testing.B) {
		b := newLedgerBench(tb, 0)
		for b.Loop() {
			for i := benchMessages; i > 0; i -= 100 {
				b.prove(i-100, i)
			}
		}
		b.report(benchMessages)
	})
	b.Run("newest window first, then in order", func(tb *testing.B) {
		b := newLedgerBench(tb, 0)
		for b.Loop() {
			b.prove(benchMessages-5000, benchMessages)
			for i := 0; i < benchMessages-5000; i += 100 {
				b.prove(i, i+100)
			}
		}
		b.report(benchMessages)
	})
	b.Run("one by one, newest first", func(tb *testing.B) {
		b := newLedgerBench(tb, 0)
		for b.Loop() {
			for i := 20_000; i > 0; i-- {
				b.prove(i-1, i)
			}
		}
		b.report(20_000)
	})
	for _, n := range []int{1, 100} {
		b.Run(map[int]string{1: "1 change of flags", 100: "100 changes of flags anywhere"}[n], func(tb *testing.B) {
			b := newLedgerBench(tb, benchMessages)
			for b.Loop() {
				batch := store.Batch{Account: b.id, Folder: b.folder}
				for range n {
					en := testEntry(rand.IntN(benchMessages))
					en.Flags = []imap.Flag{imap.FlagDeleted}
					batch.Proofs = append(batch.Proofs, en)
				}
				if err := b.store.Commit(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(fileSize(b, b.dir))/benchMessages, "bytes/msg")
		})
	}
	b.Run("repeat pass", func(tb *testing.B) {
		b := newLedgerBench(tb, benchMessages)
		tb.Run("all", func(tb *testing.B) {
			for tb.Loop() {
				if l, err := b.store.Ledger(tb.Context(), b.id, b.folder); err != nil || len(l.Entries) != benchMessages {
					tb.Fatal(len(l.Entries), err)
				}
			}
		})
		tb.Run("the last 100", func(tb *testing.B) {
			for tb.Loop() {
				if l, err := b.store.LedgerFrom(tb.Context(), b.id, b.folder, testEntry(benchMessages-100).Key); err != nil || len(l.Entries) != 100 {
					tb.Fatal(len(l.Entries), err)
				}
			}
		})
		tb.Run("100 anywhere", func(tb *testing.B) {
			for tb.Loop() {
				var keys []store.Key
				for range 100 {
					keys = append(keys, testEntry(rand.IntN(benchMessages)).Key)
				}
				if l, err := b.store.Entries(tb.Context(), b.id, b.folder, keys); err != nil || len(l) != 100 {
					tb.Fatal(len(l), err)
				}
			}
		})
		tb.Run("every hundredth", func(tb *testing.B) {
			var keys []store.Key
			for i := 0; i < benchMessages; i += 100 {
				keys = append(keys, testEntry(i).Key)
			}
			for tb.Loop() {
				if l, err := b.store.Entries(tb.Context(), b.id, b.folder, keys); err != nil || len(l) != len(keys) {
					tb.Fatal(len(l), err)
				}
			}
		})
	})
	b.Run("100,000 folders of 5", func(tb *testing.B) {
		dir := tb.TempDir()
		s := open(tb, dir)
		s.db.NoSync = true
		for tb.Loop() {
			mailboxes{accounts: 1000, atOnce: 32, folders: repeat(100, 5)}.fill(tb, s)
		}
		tb.ReportMetric(500_000/tb.Elapsed().Seconds(), "msg/s")
		tb.ReportMetric(float64(fileSize(tb, dir))/500_000, "bytes/msg")
	})
}
