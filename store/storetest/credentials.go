package storetest

import (
	"testing"

	"postferry/store"
)

// testSetCredentials: a password changes alone, a login only together with its password,
// and the old password opens the mailbox only if it came together with the new one.
func testSetCredentials(t *testing.T, f *fixture) {
	was := account("a@example.com")
	was.Problem, was.State, was.Alias, was.OldOpens = problem(), store.Stopped, 7, true
	with := func(login string, password store.Secret) store.Credentials {
		return store.Credentials{Login: login, Password: password}
	}
	tests := []struct {
		name     string
		change   store.CredentialChange
		old, new store.Credentials
		opens    bool
		alias    store.AccountID
		fields   string
	}{
		{"the old password", store.CredentialChange{Old: with("", "o")}, with(was.Old.Login, "o"), was.New, false, 7, "old_password"},
		{"the old password as it was", store.CredentialChange{Old: with("", was.Old.Password)}, was.Old, was.New, false, 7, ""},
		{"the new password", store.CredentialChange{New: with("", "n")}, was.Old, with(was.New.Login, "n"), false, 7, "new_password"},
		{"both passwords", store.CredentialChange{Old: with("", "o"), New: with("", "n")},
			with(was.Old.Login, "o"), with(was.New.Login, "n"), true, 7, "old_password, new_password"},
		{"the old side", store.CredentialChange{Old: with("ol", "o")}, with("ol", "o"), was.New, false, 7, "old_login, old_password"},
		{"the new side", store.CredentialChange{New: with("nl", "n")}, was.Old, with("nl", "n"), false, 0, "new_login, new_password"},
		{"everything", store.CredentialChange{Old: with("ol", "o"), New: with("nl", "n")},
			with("ol", "o"), with("nl", "n"), true, 0, "old_login, old_password, new_login, new_password"},
	}
	for _, tt := range tests {
		want := was
		want.Login = tt.name + "@example.com"
		want = f.put(want)[0]
		changed, err := f.SetCredentials(t.Context(), want.ID, tt.change)
		must(t, err)
		wantEqual(t, tt.name+": fields", changed.String(), tt.fields)
		want.Old, want.New, want.OldOpens, want.Alias = tt.old, tt.new, tt.opens, tt.alias
		got, err := f.AccountByID(t.Context(), want.ID)
		must(t, err)
		wantEqual(t, tt.name, got, want)
	}
}

func testSetCredentialsInvalid(t *testing.T, f *fixture) {
	want := f.put(account("a@example.com"))[0]
	for name, change := range map[string]store.CredentialChange{
		"nothing":               {},
		"an old login alone":    {Old: store.Credentials{Login: "x"}},
		"a new login alone":     {New: store.Credentials{Login: "x"}, Old: store.Credentials{Password: "x"}},
		"a login for the other": {Old: store.Credentials{Login: "x"}, New: store.Credentials{Password: "x"}},
	} {
		_, err := f.SetCredentials(t.Context(), want.ID, change)
		wantError(t, name, err, store.ErrInvalid)
	}
	_, err := f.SetCredentials(t.Context(), 999, store.CredentialChange{Old: store.Credentials{Password: "x"}})
	wantError(t, "unknown account", err, store.ErrNotFound)
	got, err := f.AccountByID(t.Context(), want.ID)
	must(t, err)
	wantEqual(t, "after errors", got, want)
}

// testLearnPassword: a password is learnt only for the credentials that the new server
// refused before it took it.
func testLearnPassword(t *testing.T, f *fixture) {
	want := account("a@example.com")
	want.Problem, want.State, want.OldOpens = problem(), store.Stopped, true
	want = f.put(want)[0]
	learn := func(what string, was store.Credentials, password store.Secret, known bool) {
		t.Helper()
		got, err := f.LearnPassword(t.Context(), want.ID, was, password)
		must(t, err)
		wantEqual(t, what+": known", got, known)
		a, err := f.AccountByID(t.Context(), want.ID)
		must(t, err)
		wantEqual(t, what, a, want)
	}
	was := want.New
	learn("another login", store.Credentials{Login: "other", Password: was.Password}, "mine", false)
	learn("another password", store.Credentials{Login: was.Login, Password: "other"}, "mine", false)
	want.New.Password, want.OldOpens = "mine", false
	learn("as it was", was, "mine", true)
	learn("once more", was, "mine", true)
	learn("by somebody who is late", was, "late", false)

	_, err := f.SetCredentials(t.Context(), want.ID, store.CredentialChange{Old: want.Old, New: want.New})
	must(t, err)
	want.OldOpens = true
	learn("what was given together in the meantime", was, "mine", true)

	_, err = f.LearnPassword(t.Context(), want.ID, want.New, "")
	wantError(t, "no password", err, store.ErrInvalid)
	_, err = f.LearnPassword(t.Context(), 999, want.New, "x")
	wantError(t, "unknown account", err, store.ErrNotFound)
}
