package syncer_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
	"postferry/store/bolt"
	"postferry/syncer"
)

const benchPassword = "hush-0f-the-bench"

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// BenchmarkManyAccounts makes first and repeat passes over many small accounts.
func BenchmarkManyAccounts(b *testing.B) {
	const accounts, messages = 300, 20
	var users []lab.User
	for i := range accounts {
		users = append(users, lab.User{Login: fmt.Sprintf("user%d@example.com", i), Password: benchPassword})
	}
	old := lab.StartDovecot(b, lab.DovecotOptions{Users: users})
	nu := lab.StartDovecot(b, lab.DovecotOptions{Format: "sdbox", Users: users})
	msgs := lab.Generate(1, messages, 2000)
	var rows []store.Account
	for _, u := range users {
		old.FillMaildir(u.Login, "INBOX", msgs)
		c := store.Credentials{Login: u.Login, Password: benchPassword}
		rows = append(rows, store.Account{Domain: "example.com", Login: u.Login, Old: c, New: c, Origin: store.Imported, State: store.Active})
	}
	cfg := config.Default()
	cfg.Domains = []config.Domain{{Name: "example.com", Old: old.Insecure(), New: nu.Insecure()}}
	st, err := bolt.Open(b.TempDir(), bolt.Options{Command: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	if _, _, err := st.PutAccounts(b.Context(), rows); err != nil {
		b.Fatal(err)
	}
	engine, err := syncer.New(&cfg, st, zerolog.Nop())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = engine.Run(ctx, false)
	}()
	pass := func(want uint64) time.Duration {
		began := time.Now()
		results, err := engine.Sync(ctx, nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		copied := uint64(0)
		for _, r := range results {
			if r.Problem != nil || !r.Pass.Complete {
				b.Fatalf("%s: %+v", r.Account.Login, r.Problem)
			}
			copied += r.Pass.Copied
		}
		if copied != want {
			b.Fatalf("copied %d messages, want %d", copied, want)
		}
		return time.Since(began)
	}
	first := pass(accounts * messages)
	var repeat []float64
	for range b.N {
		repeat = append(repeat, accounts/pass(0).Seconds())
	}
	b.StopTimer()
	cancel()
	<-ended
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(accounts/first.Seconds(), "accounts/s")
	b.ReportMetric(median(repeat), "repeat-accounts/s")
}
