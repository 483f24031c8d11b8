package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"postferry/store"
)

// openState opens a state of its own for a test.
func openState(t *testing.T, dir string) store.Store {
	t.Helper()
	st, err := store.Open(dir, store.Options{Command: serveCommand})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// startControl answers on dir's control socket until the test ends.
func startControl(t *testing.T, dir string, b *local, log zerolog.Logger) {
	t.Helper()
	l, err := listenControl(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serveControl(ctx, l, b, log) }()
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
			startControl(t, dir, &local{store: st}, zerolog.New(zerolog.SyncWriter(&log)))

			info, err := os.Stat(filepath.Join(dir, socketName))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != fs.ModeSocket|0o600 {
				t.Errorf("the socket has mode %s", info.Mode())
			}
			r, err := dialRemote(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			testImport(t, r, st)
			testStatus(t, r)
		})
	}
}

func testImport(t *testing.T, r *remote, st store.Store) {
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

func testStatus(t *testing.T, r *remote) {
	var logins []string
	var totals *statusTotals
	err := r.Status(t.Context(), statusQuery{}, func(rec statusRecord) error {
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

	err = r.Status(t.Context(), statusQuery{Logins: []string{"nobody", "user001@example.com", "none"}}, func(statusRecord) error {
		t.Error("a record in spite of the unknown logins")
		return nil
	})
	if exitCode(err, false) != exitUsage || err.Error() != unknownLogins([]string{"nobody", "none"}).Error() {
		t.Errorf("unknown logins: %v", err)
	}

	stop := errors.New("enough")
	if err := r.Status(t.Context(), statusQuery{}, func(statusRecord) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a reader that had enough: %v", err)
	}
}

// TestImportKeepsDecisions wants a stopped account to stay stopped.
func TestImportKeepsDecisions(t *testing.T) {
	st := openState(t, t.TempDir())
	b := &local{store: st}
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
		st.SetProblem(t.Context(), before.ID, &store.Problem{Summary: "refused", Advice: store.NeedsFix}),
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

// TestControlOtherVersion wants a daemon that does not know a request to be
// told apart from one that fails.
func TestControlOtherVersion(t *testing.T) {
	dir := t.TempDir()
	startControl(t, dir, &local{store: openState(t, dir)}, zerolog.Nop())
	r, err := dialRemote(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = r.ask(t.Context(), "/v9/unknown", struct{}{}, nil)
	if err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("got %v", err)
	}
	resp, err := r.http.Post("http://postferry"+pathAccounts, "application/json", strings.NewReader(`{"accounts": "s3cret"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a malformed request got %s", resp.Status)
	}
}

// TestControlLeavesFilesAlone wants what is no socket to stay.
func TestControlLeavesFilesAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, socketName)
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := listenControl(t.Context(), dir); err == nil {
		l.Close()
		t.Error("listened over a file")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("the file is %q, %v", text, err)
	}
}
