package bolt

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/store/bolt/pages"
	"postferry/store/bolt/statedir"
)

// BenchmarkOpen opens states of many accounts, and of many messages; what it costs to
// look at their pages is told besides.
func BenchmarkOpen(b *testing.B) {
	for _, size := range []struct{ accounts, messages int }{{100_000, 0}, {1, 1_000_000}} {
		dir := b.TempDir()
		st := open(b, dir)
		accounts := make([]store.Account, size.accounts)
		for i := range accounts {
			login := fmt.Sprintf("person%06d@example.com", i)
			accounts[i] = store.Account{Domain: "example.com", Login: login, Origin: store.Imported, State: store.Active, Old: store.Credentials{Login: login, Password: "a password"}, New: store.Credentials{Login: login, Password: "a password"}}
		}
		if _, _, err := st.PutAccounts(b.Context(), accounts); err != nil {
			b.Fatal(err)
		}
		if size.messages > 0 {
			mailboxes{accounts: 1, folders: []int{size.messages}, atOnce: 1}.fill(b, st)
		}
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, statedir.DatabaseFile))
		if err != nil {
			b.Fatal(err)
		}
		name := fmt.Sprintf("%d accounts, %d messages", size.accounts, size.messages)
		b.Run("Open/"+name, func(b *testing.B) {
			for b.Loop() {
				st, err := Open(dir, Options{Command: "test", Log: zerolog.Nop()})
				if err != nil {
					b.Fatal(err)
				}
				if err := st.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(info.Size())/(1<<20), "MiB")
		})
		b.Run("checkPages/"+name, func(b *testing.B) {
			file, err := os.Open(filepath.Join(dir, statedir.DatabaseFile))
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			for b.Loop() {
				if _, err := pages.Check(file, info.Size()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
