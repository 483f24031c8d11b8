package admin

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/admin/access"
	"postferry/admin/ferrytest"
	"postferry/config"
	"postferry/store"
	"postferry/store/storetest"
)

// useCases are the use cases on a state of their own, with the domain a.example and an engine
// that is none.
func useCases(t *testing.T) (a *Service, st store.Store) {
	t.Helper()
	st = openStore(t)
	directory := config.NewDirectory(nil)
	d := store.Domain{Name: "a.example", Old: "imaps://old.a.example", New: "imaps://new.example", Created: time.Now()}
	known, err := DomainOf(d)
	if err == nil {
		err = st.PutDomain(t.Context(), d)
	}
	if err != nil {
		t.Fatal(err)
	}
	directory.Put(known)
	cfg := config.Default()
	cfg.Directory = directory
	a = New(Options{Config: &cfg, Store: st, Ferry: ferrytest.New(st), Log: zerolog.Nop(), Hashing: access.Hashing{Memory: 64, Rounds: 1}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return a, st
}

// TestCredentialsAreWrittenAlone: a Stop, or what else is written while an administrator
// gives accounts other credentials, before or after any step of that, is not undone.
func TestCredentialsAreWrittenAlone(t *testing.T) {
	const login, domain = "anna@a.example", "a.example"
	who := access.CommandLine()
	ways := map[string]func(ctx context.Context, a *Service, id store.AccountID) error{
		"corrected": func(ctx context.Context, a *Service, id store.AccountID) error {
			_, err := a.Accounts.Update(ctx, who, domain, id, AccountPatch{OldPassword: new(store.Secret("x")), NewPassword: new(store.Secret("y"))})
			return err
		},
		"added again": func(ctx context.Context, a *Service, _ store.AccountID) error {
			_, err := a.Accounts.Add(ctx, who, domain, []AccountInput{{Login: login, Password: "x", NewPassword: "y"}})
			return err
		},
		"list": func(ctx context.Context, a *Service, _ store.AccountID) error {
			list, err := a.Lists.Parse(ctx, who, domain, strings.NewReader("anna@a.example x anna@a.example y\nbert@a.example x\n"), config.ListAuto, "")
			if err != nil {
				return err
			}
			_, err = a.Lists.Add(ctx, who, domain, list.ID, false)
			return err
		},
	}
	writes := map[string]struct {
		from, to store.State
	}{"stop": {store.Active, store.Stopped}, "begin": {store.Waiting, store.Active}, "resume": {store.Stopped, store.Active}}
	for way, give := range ways {
		for what, w := range writes {
			t.Run(way+" and "+what, func(t *testing.T) {
				t.Parallel()
				a, st := useCases(t)
				for moment, more := 0, true; more; moment++ {
					added, err := a.Accounts.Add(t.Context(), who, domain, []AccountInput{{Login: login, Password: "old", NewPassword: "new"}})
					if err != nil {
						t.Fatal(err)
					}
					id := added.IDs[0]
					if err := st.SetState(t.Context(), id, w.from); err != nil {
						t.Fatal(err)
					}
					beside := storetest.NewBeside(st, moment, func() {
						if _, err := st.MoveStates(t.Context(), []store.AccountID{id}, []store.State{w.from}, w.to); err != nil {
							t.Error(err)
						}
					})
					a.Accounts.store, a.Audit.Store = beside, beside
					if err := give(t.Context(), a, id); err != nil {
						t.Error(err)
					}
					more, a.Accounts.store, a.Audit.Store = beside.End(), st, st
					x, err := st.AccountByID(t.Context(), id)
					if err != nil || x.State != w.to || x.Old.Password != "x" || x.New.Password != "y" {
						t.Errorf("%s at moment %d: %+v, %v", what, moment, x, err)
					}
				}
			})
		}
	}
}

// TestAccountsWithoutPasswords: where Postferry signs in at both servers in another way, accounts are added by
// their logins alone; as soon as one server wants a password, it is asked for.
func TestAccountsWithoutPasswords(t *testing.T) {
	const domain = "a.example"
	for _, tt := range []struct {
		name  string
		sides []string
		ok    bool
	}{
		{"both", []string{"old", "new"}, true},
		{"the old one", []string{"old"}, false},
		{"neither", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, st := useCases(t)
			for _, side := range tt.sides {
				a.Scopes.directory.PutSignIn(domain, side, &config.SignIn{Method: config.Master, Domain: domain, Side: side})
			}
			_, err := a.Accounts.Add(t.Context(), access.CommandLine(), domain, []AccountInput{{Login: "anna@a.example"}})
			if (err == nil) != tt.ok {
				t.Errorf("one account: %v", err)
			}
			list, err := a.Lists.Parse(t.Context(), access.CommandLine(), domain, strings.NewReader("bert@a.example\ncarl@a.example\n"), config.ListAuto, "")
			if err != nil || (len(list.Mistakes) == 0) != tt.ok {
				t.Fatalf("a list: %+v, %v", list, err)
			}
			if !tt.ok {
				return
			}
			if _, err := a.Lists.Add(t.Context(), access.CommandLine(), domain, list.ID, false); err != nil {
				t.Error(err)
			}
			all, err := st.Accounts(t.Context())
			if err != nil || len(all) != 3 {
				t.Errorf("%d accounts, %v", len(all), err)
			}
		})
	}
}
