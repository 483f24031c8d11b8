package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"postferry/internal/backend"
	"postferry/internal/control"
	"postferry/report/reason"
	"postferry/store"
	"postferry/store/bolt"
)

// openState opens a state of its own for a test.
func openState(t *testing.T, dir string) store.Store {
	t.Helper()
	st, err := bolt.Open(dir, bolt.Options{Command: serveCommand})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// startControl answers on dir's control socket until the test ends.
func startControl(t *testing.T, dir string, b *backend.Local, log zerolog.Logger) {
	t.Helper()
	l, err := control.Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- control.Serve(ctx, l, b, log) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestControlRoundTrip imports and asks over the socket, in directories with
// names of every length, and wants what the state itself says.
func TestControlRoundTrip(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, name := range []string{"s", strings.Repeat("long", 40)} {
		t.Run(fmt.Sprint(len(name)), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			st := openState(t, dir)
			var log strings.Builder
			t.Cleanup(func() { // when nobody writes to it any more
				if strings.Contains(log.String(), "s3cret") {
					t.Errorf("a password in the log: %s", &log)
				}
			})
			startControl(t, dir, &backend.Local{Store: st}, zerolog.New(zerolog.SyncWriter(&log)))

			info, err := os.Stat(filepath.Join(dir, control.SocketName))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != fs.ModeSocket|0o600 {
				t.Errorf("the socket has mode %s", info.Mode())
			}
			r, err := control.Connect(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			testImport(t, r, st)
			testStatus(t, r)
		})
	}
}

func testImport(t *testing.T, r *control.Client, st store.Store) {
	var list []store.Account
	for i := range 300 {
		login := fmt.Sprintf("user%03d@example.com", i)
		list = append(list, store.Account{
			Domain: "example.com", Login: login,
			Old: store.Credentials{Login: login, Password: "s3cret \"§\\"},
			New: store.Credentials{Login: "new-" + login, Password: "other s3cret"},
		})
	}
	for _, want := range []struct{ added, updated int }{{300, 0}, {0, 300}} {
		added, updated, err := r.Import(t.Context(), list)
		if err != nil || added != want.added || updated != want.updated {
			t.Fatalf("added %d, updated %d, %v; want %+v", added, updated, err, want)
		}
	}
	a, err := st.Account(t.Context(), "user007@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if a.Old != list[7].Old || a.New != list[7].New || a.Origin != store.Imported || a.State != store.Active {
		t.Errorf("stored as %+v", a)
	}
}

func testStatus(t *testing.T, r *control.Client) {
	var logins []string
	var totals *control.StatusTotals
	err := r.Status(t.Context(), control.StatusQuery{}, func(rec control.StatusRecord) error {
		switch {
		case rec.Totals != nil:
			if len(logins) > 0 {
				t.Error("the totals do not come first")
			}
			totals = rec.Totals
		case rec.Account != nil:
			logins = append(logins, rec.Account.Login)
		}
		return nil
	})
	if err != nil || totals == nil || totals.Accounts != 300 || len(logins) != 300 || !slices.IsSorted(logins) {
		t.Fatalf("totals %+v, %d accounts, %v", totals, len(logins), err)
	}

	err = r.Status(t.Context(), control.StatusQuery{Logins: []string{"nobody", "user001@example.com", "none"}}, func(control.StatusRecord) error {
		t.Error("a record in spite of the unknown logins")
		return nil
	})
	if exitCode(err, false) != exitUsage || err.Error() != `no such account: "nobody", "none" (postferry status lists the accounts there are)` {
		t.Errorf("unknown logins: %v", err)
	}

	stop := errors.New("enough")
	if err := r.Status(t.Context(), control.StatusQuery{}, func(control.StatusRecord) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a reader that had enough: %v", err)
	}
}

// TestImportKeepsDecisions wants a stopped account to stay stopped.
func TestImportKeepsDecisions(t *testing.T) {
	st := openState(t, t.TempDir())
	b := &backend.Local{Store: st}
	list := []store.Account{{Domain: "example.com", Login: "Anna@example.com"}}
	if _, _, err := b.Import(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	before, err := st.Account(t.Context(), "anna@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		st.SetState(t.Context(), before.ID, store.Stopped),
		st.SetProblem(t.Context(), before.ID, &store.Problem{Summary: reason.Said("refused"), Advice: store.NeedsFix}),
	); err != nil {
		t.Fatal(err)
	}
	list[0].Login = "ANNA@example.com"
	if _, _, err := b.Import(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	after, err := st.Account(t.Context(), "anna@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if after.ID != before.ID || after.State != store.Stopped || after.Problem != nil {
		t.Errorf("after the second import: %+v", after)
	}
}
