package storetest

import (
	"errors"
	"testing"

	"postferry/store"
)

// testSetAlias: whatever leads to an account leads to the one that has the ledger, in one step.
func testSetAlias(t *testing.T, f *fixture) {
	first, second, third := account("a@example.com"), account("b@example.com"), account("c@example.com")
	first.State, first.Problem = store.Stopped, problem()
	stored, _, err := f.PutAccounts(t.Context(), []store.Account{first, second, third})
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := stored[0].ID, stored[1].ID, stored[2].ID
	if err := f.SetMessages(t.Context(), a, 5); err != nil {
		t.Fatal(err)
	}
	aliases := func(want ...store.AccountID) {
		t.Helper()
		for i, id := range []store.AccountID{a, b, c} {
			if got, err := f.AccountByID(t.Context(), id); err != nil || got.Alias != want[i] {
				t.Errorf("account %d leads to %d, want %d (%v)", id, got.Alias, want[i], err)
			}
		}
	}
	set := func(id, of store.AccountID) {
		t.Helper()
		if err := f.SetAlias(t.Context(), id, of); err != nil {
			t.Error(err)
		}
	}
	set(c, b)
	aliases(0, 0, b)
	set(b, a) // and c with it
	aliases(0, a, a)
	set(c, 0)
	set(c, b) // which leads to a
	aliases(0, a, a)
	for _, wrong := range [][2]store.AccountID{{a, a}, {a, b}} {
		if err := f.SetAlias(t.Context(), wrong[0], wrong[1]); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	for _, unknown := range [][2]store.AccountID{{a, 999}, {999, a}, {999, 0}} {
		if err := f.SetAlias(t.Context(), unknown[0], unknown[1]); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v: %v", unknown, err)
		}
	}
	aliases(0, a, a)
	all, err := f.Overview(t.Context(), "")
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	for _, o := range all {
		if o.State != store.Stopped || o.Problem == nil || o.Summary.Messages != 5 {
			t.Errorf("%s is not shown as the account that it leads to: %+v", o.Login, o)
		}
	}
	set(b, 0)
	aliases(0, 0, a)
	if err := f.SetApart(t.Context(), c); err != nil {
		t.Error(err)
	}
	aliases(0, 0, 0)
	for _, tt := range []struct {
		login string
		apart bool
	}{{"", true}, {third.New.Login, true}, {"another", false}} {
		if _, err := f.SetCredentials(t.Context(), c, store.CredentialChange{New: store.Credentials{Login: tt.login, Password: "p"}}); err != nil {
			t.Error(err)
		}
		if got, err := f.AccountByID(t.Context(), c); err != nil || got.Apart != tt.apart {
			t.Errorf("login %q: apart is %v, want %v (%v)", tt.login, got.Apart, tt.apart, err)
		}
	}
}

// testSetProbe: what a probe has changed is known until it is put right, also once the account that made it
// leads to another one.
func testSetProbe(t *testing.T, f *fixture) {
	stored := f.put(account("a@example.com"), account("b@example.com"))
	a, b := stored[0].ID, stored[1].ID
	is := func(id store.AccountID, want store.Probe) {
		t.Helper()
		if got, err := f.AccountByID(t.Context(), id); err != nil || got.Probe != want {
			t.Errorf("probe %q, want %q (%v)", got.Probe, want, err)
		}
	}
	is(a, store.NoProbe)
	for _, p := range []store.Probe{store.ProbeSubscribed, store.ProbeUnsubscribed, store.NoProbe, store.ProbeSubscribed} {
		must(t, f.SetProbe(t.Context(), b, p))
		is(b, p)
		is(a, store.NoProbe)
	}
	must(t, f.SetAlias(t.Context(), b, a))
	is(b, store.NoProbe)
	is(a, store.ProbeSubscribed)
	wantError(t, "another word", f.SetProbe(t.Context(), a, "perhaps"), store.ErrInvalid)
	wantError(t, "unknown account", f.SetProbe(t.Context(), 999, store.NoProbe), store.ErrNotFound)
	is(a, store.ProbeSubscribed)
}

// testRemoveLeading: aliases of an account that is removed stand for themselves again.
func testRemoveLeading(t *testing.T, f *fixture) {
	first := account("a@example.com")
	first.State = store.Waiting
	stored := f.put(first, account("b@example.com"), account("c@example.com"), account("d@example.com"))
	a, b, c, d := stored[0].ID, stored[1].ID, stored[2].ID, stored[3].ID
	must(t, f.SetAlias(t.Context(), b, a))
	must(t, f.SetAlias(t.Context(), d, c))
	must(t, f.RemoveAccounts(t.Context(), []store.AccountID{a}))
	for id, want := range map[store.AccountID]store.AccountID{b: 0, c: 0, d: c} {
		if got, err := f.AccountByID(t.Context(), id); err != nil || got.Alias != want {
			t.Errorf("account %d leads to %d, want %d (%v)", id, got.Alias, want, err)
		}
	}
}

// testProveAlias: what the engine has proved is told from what a person has said, and lasts as long as both logins do.
func testProveAlias(t *testing.T, f *fixture) {
	stored := f.put(account("a@example.com"), account("b@example.com"), account("c@example.com"))
	a, b, c := stored[0].ID, stored[1].ID, stored[2].ID
	is := func(what string, id, of store.AccountID, proved bool) {
		t.Helper()
		if got, err := f.AccountByID(t.Context(), id); err != nil || got.Alias != of || got.AliasProved != proved {
			t.Errorf("%s: account %d leads to %d, want %d, proved %v (%v)", what, id, got.Alias, of, got.AliasProved, err)
		}
	}
	change := func(id store.AccountID, c store.CredentialChange) {
		t.Helper()
		_, err := f.SetCredentials(t.Context(), id, c)
		must(t, err)
	}
	must(t, f.ProveAlias(t.Context(), c, b))
	is("proved", c, b, true)
	change(c, store.CredentialChange{Old: store.Credentials{Password: "other"}, New: store.Credentials{Password: "other"}})
	is("other passwords", c, b, true)
	must(t, f.ProveAlias(t.Context(), b, a))
	is("both proved", c, a, true)
	change(c, store.CredentialChange{Old: store.Credentials{Login: "x", Password: "other"}})
	is("another old login", c, a, false)
	must(t, f.ProveAlias(t.Context(), c, a))
	change(c, store.CredentialChange{New: store.Credentials{Login: "x", Password: "other"}})
	is("another new login", c, 0, false)
	must(t, f.SetAlias(t.Context(), b, a))
	is("said", b, a, false)
	must(t, f.ProveAlias(t.Context(), c, b))
	is("proved to lead to what is said to", c, a, false)
	must(t, f.ProveAlias(t.Context(), c, a))
	must(t, f.SetApart(t.Context(), c))
	is("apart", c, 0, false)
	must(t, f.SetAlias(t.Context(), b, 0))
	must(t, f.ProveAlias(t.Context(), c, b))
	must(t, f.SetAlias(t.Context(), b, a))
	is("proved, and then said to lead on", c, a, false)
}
