package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"postferry/internal/backend"
	"postferry/internal/control"
	"postferry/store"
	"postferry/store/bolt"
)

// audited are the entries of a state's audit log, oldest first, as action, domain, account and detail.
func audited(t *testing.T, st store.Store) (entries [][4]string) {
	t.Helper()
	all, err := st.Audit(t.Context(), store.AuditQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range slices.Backward(all) {
		if e.Who != "command line" {
			t.Errorf("%+v", e)
		}
		entries = append(entries, [4]string{e.Action, e.Domain, e.Account, e.Detail})
	}
	return entries
}

// TestAuditOfCommands: what is done at the machine itself is in the audit log, over the control socket or not.
func TestAuditOfCommands(t *testing.T) {
	account := func(domain, login, password string) store.Account {
		c := store.Credentials{Login: login, Password: store.Secret(password)}
		return store.Account{Domain: domain, Login: login, Old: c, New: c}
	}
	for _, remotely := range []bool{false, true} {
		dir := t.TempDir()
		st := openState(t, dir)
		b := control.Backend(&backend.Local{Store: st, Log: zerolog.Nop(), Closing: func() error { return nil }})
		if remotely {
			startControl(t, dir, b.(*backend.Local), zerolog.Nop())
			r, err := control.Connect(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			b = r
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		imported := func(accounts ...store.Account) {
			t.Helper()
			_, _, err := b.Import(t.Context(), accounts)
			must(err)
		}
		imported(account("b.example", "carla@b.example", "x"), account("a.example", "anna@a.example", "x"), account("a.example", "berta@a.example", "x"))
		imported(account("a.example", "anna@a.example", "x"))
		imported(account("a.example", "anna@a.example", "y"), account("a.example", "dora@a.example", "y"))
		for _, withKey := range []bool{true, false} {
			_, err := b.Backup(t.Context(), withKey, io.Discard)
			must(err)
		}
		want := [][4]string{
			{"add_accounts", "a.example", "", "2"},
			{"add_accounts", "b.example", "carla@b.example", "1"},
			{"update_accounts", "a.example", "anna@a.example", "1"},
			{"add_accounts", "a.example", "dora@a.example", "1"},
			{"update_accounts", "a.example", "anna@a.example", "old_password, new_password"},
			{"backup", "", "", "with the key"},
			{"backup", "", "", ""},
		}
		if got := audited(t, st); !slices.Equal(got, want) {
			t.Errorf("remotely %v: the log says\n%q, want\n%q", remotely, got, want)
		}
	}
}

// TestAuditOfKey: that the key was changed is in the audit log.
func TestAuditOfKey(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	path := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(path, []byte("state = \""+state+"\"\n[[domain]]\nname = \"a.example\"\nold = \"imaps://old.example\"\nnew = \"imaps://new.example\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := bolt.Open(state, bolt.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	c := store.Credentials{Login: "anna@a.example", Password: "x"}
	if _, _, err := st.PutAccounts(context.Background(), []store.Account{{Domain: "a.example", Login: c.Login, Old: c, New: c, Origin: store.Imported, State: store.Active}}); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := postferry(t, "", "key", "rotate", "-c", path); status != 0 || stderr != "" {
		t.Fatalf("status %d, %s", status, stderr)
	}
	if got, want := audited(t, openState(t, state)), [][4]string{{"rotate_key", "", "", "1"}}; !slices.Equal(got, want) {
		t.Errorf("the log says %q, want %q", got, want)
	}
}
