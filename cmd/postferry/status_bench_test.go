package main

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"postferry/internal/backend"
	"postferry/internal/control"
	"postferry/store"
	"postferry/store/bolt"
)

// BenchmarkStatus collects the status of 100,000 accounts with a pass each.
func BenchmarkStatus(b *testing.B) {
	const accounts, together = 100_000, 5_000
	st, err := bolt.Open(b.TempDir(), bolt.Options{Command: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	now := time.Now()
	for from := 0; from < accounts; from += together {
		rows := make([]store.Account, together)
		for i := range rows {
			c := store.Credentials{Login: fmt.Sprintf("user%06d@example.com", from+i), Password: "secret"}
			rows[i] = store.Account{Domain: "example.com", Login: c.Login, Old: c, New: c, Origin: store.Imported, State: store.Active}
		}
		put, _, err := st.PutAccounts(b.Context(), rows)
		if err != nil {
			b.Fatal(err)
		}
		var g errgroup.Group // they share transactions
		for _, a := range put {
			g.Go(func() error {
				return st.AddPass(b.Context(), a.ID, store.Pass{Started: now, Ended: now, Complete: true, Copied: 20, Bytes: 40_000})
			})
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	l := &backend.Local{Store: st}
	for b.Loop() {
		told := 0
		err := l.Status(b.Context(), control.StatusQuery{}, func(r control.StatusRecord) error {
			if r.Account != nil && r.Account.Pass != nil {
				told++
			}
			return nil
		})
		if err != nil || told != accounts {
			b.Fatalf("%d accounts, %v", told, err)
		}
	}
}
