package bolt

import (
	"fmt"
	"runtime"
	"testing"

	"golang.org/x/sync/errgroup"

	"postferry/store"
)

// BenchmarkCommit copies 100 batches of 100 messages for each of several
// accounts at once, onto a real disk.
func BenchmarkCommit(b *testing.B) {
	for _, accounts := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("%d accounts", accounts), func(b *testing.B) {
			s := open(b, b.TempDir())
			commits := 0
			for b.Loop() {
				var group errgroup.Group
				for i := range accounts {
					id := putTestAccount(b, s, fmt.Sprintf("user%d-%d@example.com", commits, i))
					folders, err := s.PutFolders(b.Context(), id, []store.Folder{{Old: "INBOX", State: store.FolderPresent}})
					if err != nil {
						b.Fatal(err)
					}
					group.Go(func() error { return copyMessages(b.Context(), s, id, folders[0].ID, 10_000) })
				}
				if err := group.Wait(); err != nil {
					b.Fatal(err)
				}
				commits += accounts * 200
			}
			b.ReportMetric(float64(commits)/b.Elapsed().Seconds(), "commits/s")
			b.ReportMetric(float64(commits)*50/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// BenchmarkPutAccounts imports 100,000 accounts in one call and then reads
// their list. Run it with -benchtime=1x.
func BenchmarkPutAccounts(b *testing.B) {
	accounts := make([]store.Account, 100_000)
	for i := range accounts {
		login := fmt.Sprintf("firstname.lastname%d@example.com", (i*7919)%len(accounts))
		accounts[i] = store.Account{Domain: "example.com", Login: login, Origin: store.Imported, State: store.Active,
			Old: store.Credentials{Login: login, Password: "some password"}, New: store.Credentials{Login: login, Password: "another password"}}
	}
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			dir := b.TempDir()
			s := open(b, dir)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			if _, put, err := s.PutAccounts(b.Context(), accounts); err != nil || !put[len(put)-1].Added {
				b.Fatal(len(put), err)
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.Sys-before.Sys)/(1<<20), "MB-grown")
			b.ReportMetric(float64(fileSize(b, dir))/float64(len(accounts)), "bytes/account")
		}
	})
	b.Run("list", func(b *testing.B) {
		s := open(b, b.TempDir())
		if _, _, err := s.PutAccounts(b.Context(), accounts); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if list, err := s.Accounts(b.Context()); err != nil || len(list) != len(accounts) {
				b.Fatal(len(list), err)
			}
		}
	})
}
