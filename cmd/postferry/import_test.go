package main

import (
	"strings"
	"testing"

	"postferry/config"
	"postferry/internal/backend"
	"postferry/store"
	"postferry/store/storetest"
)

// TestImportWritesOnlyCredentials: what others do with a known account while a list is
// imported, before or after any step of that, is not undone.
func TestImportWritesOnlyCredentials(t *testing.T) {
	given := store.Credentials{Login: "anna@example.com", Password: "given"}
	tests := map[string]struct {
		from, to store.State
	}{
		"stopped":  {store.Active, store.Stopped},
		"begun":    {store.Waiting, store.Active},
		"finished": {store.Active, store.Finished},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for moment, more := 0, true; more; moment++ {
				st := openState(t, t.TempDir())
				list := []store.Account{{Domain: "example.com", Login: given.Login}}
				if _, _, err := (&backend.Local{Store: st}).Import(t.Context(), list); err != nil {
					t.Fatal(err)
				}
				a, err := st.Account(t.Context(), given.Login)
				if err != nil {
					t.Fatal(err)
				}
				if err := st.SetState(t.Context(), a.ID, tt.from); err != nil {
					t.Fatal(err)
				}
				beside := storetest.NewBeside(st, moment, func() {
					if _, err := st.MoveStates(t.Context(), []store.AccountID{a.ID}, []store.State{tt.from}, tt.to); err != nil {
						t.Error(err)
					}
				})
				list[0].Old, list[0].New = given, given
				added, updated, err := (&backend.Local{Store: beside}).Import(t.Context(), list)
				more = beside.End()
				got, errNow := st.AccountByID(t.Context(), a.ID)
				learnt := updated == 1 && got.Old == given && got.New == given && got.OldOpens
				if got.State == store.Finished { // which takes none any more
					learnt = learnt || got.Old.Password == "" && got.New.Password == ""
				}
				if err != nil || errNow != nil || added != 0 || got.State != tt.to || !learnt {
					t.Errorf("at moment %d: %d added, %d updated, %v; stored %+v, %v", moment, added, updated, err, got, errNow)
				}
			}
		})
	}
}

// TestImportedLogins: what clients log in with is the login at the old server or, if no
// domain takes that, the one at the new.
func TestImportedLogins(t *testing.T) {
	domains := []config.Domain{{Name: "a.example"}, {Name: "b.example"}}
	spare := []config.Domain{{Name: "a.example"}, {Name: "b.example", Default: true}}
	tests := []struct {
		domains       []config.Domain
		line          string
		login, domain string // "" for a mistake
	}{
		{domains, "x@a.example pw", "x@a.example", "a.example"},
		{domains, "x@A.example pw web1 pw2", "x@A.example", "a.example"},
		{domains, "x@a.example pw x@b.example pw2", "x@a.example", "a.example"},
		{domains, "web1 pw x@b.example pw2", "x@b.example", "b.example"},
		{domains, "x@gone.example pw x@b.example pw2", "x@b.example", "b.example"},
		{domains, "web1 pw", "", ""},
		{domains, "web1 pw web2 pw2", "", ""},
		{domains, "web1 pw x@gone.example pw2", "", ""},
		{spare, "web1 pw x@a.example pw2", "web1", "b.example"},
		{spare, "x@gone.example pw web1 pw2", "web1", "b.example"},
	}
	for _, tt := range tests {
		cfg := &config.Config{Directory: config.NewDirectory(tt.domains)}
		accounts, _, err := readAccounts(cfg, "-", config.ListUTF8, strings.NewReader(tt.line+"\n"))
		if (err == nil) != (tt.login != "") {
			t.Errorf("%s: %v", tt.line, err)
			continue
		}
		if err == nil && (accounts[0].Login != tt.login || accounts[0].Domain != tt.domain || accounts[0].Old.Login != strings.Fields(tt.line)[0]) {
			t.Errorf("%s: %+v", tt.line, accounts[0])
		}
	}
}

// TestImportAsKnown: an account that an earlier version has called by its old login keeps that
// name; one of another domain doesn't give its own away.
func TestImportAsKnown(t *testing.T) {
	st := openState(t, t.TempDir())
	old := store.Credentials{Login: "web1", Password: "pw"}
	list := []store.Account{{Domain: "example.com", Login: "x@example.com", Old: old, New: store.Credentials{Login: "x@example.com", Password: "pw2"}}}
	for _, tt := range []struct {
		domain         string
		added, updated int
	}{{"other.example", 1, 0}, {"example.com", 0, 1}} {
		was := store.Account{Domain: tt.domain, Login: "WEB1", Old: old, New: old, Origin: store.Imported, State: store.Active}
		if _, _, err := st.PutAccounts(t.Context(), []store.Account{was}); err != nil {
			t.Fatal(err)
		}
		added, updated, err := (&backend.Local{Store: st}).Import(t.Context(), list)
		if err != nil || added != tt.added || updated != tt.updated {
			t.Errorf("known in %s: %d added, %d updated, %v", tt.domain, added, updated, err)
		}
	}
}

// TestImportOfFinished: accounts that are finished take no passwords, and are not counted as updated.
func TestImportOfFinished(t *testing.T) {
	st := openState(t, t.TempDir())
	both := store.Credentials{Login: anna, Password: "pw"}
	list := []store.Account{{Domain: "example.com", Login: anna, Old: both, New: both, Origin: store.Imported, State: store.Active}}
	stored, _, err := st.PutAccounts(t.Context(), list)
	if err == nil {
		_, _, err = st.Finish(t.Context(), []store.AccountID{stored[0].ID}, store.Report{Domain: "example.com", Text: []byte("{}")})
	}
	if err != nil {
		t.Fatal(err)
	}
	added, updated, err := (&backend.Local{Store: st}).Import(t.Context(), list)
	if err != nil || added != 0 || updated != 0 {
		t.Errorf("%d added, %d updated, %v", added, updated, err)
	}
}
