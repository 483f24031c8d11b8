package proxy

import (
	"reflect"
	"testing"

	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/store/bolt"
	"postferry/store/storetest"
)

// openStore opens a store with joe's account, whose password was changed at the new server.
func openStore(t *testing.T) (store.Store, store.Account) {
	t.Helper()
	st, err := bolt.Open(t.TempDir(), bolt.Options{Command: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	a := known("old pw", "changed", "stale")
	a.Problem = &store.Problem{Kind: store.LoginRefused, Advice: store.NeedsFix}
	stored, _, err := st.PutAccounts(t.Context(), []store.Account{a})
	if err != nil {
		t.Fatal(err)
	}
	return st, stored[0]
}

// TestLearningWritesOnlyThePassword: whatever others do with an account while its person
// logs in with a changed password, before or after any step of that, is not undone.
func TestLearningWritesOnlyThePassword(t *testing.T) {
	t.Parallel()
	other := store.Credentials{Login: "elsewhere", Password: "given"}
	tests := map[string]struct {
		write func(t *testing.T, st store.Store, id store.AccountID) error
		want  func(a *store.Account)
	}{
		"stopped": {func(t *testing.T, st store.Store, id store.AccountID) error {
			_, err := st.MoveStates(t.Context(), []store.AccountID{id}, []store.State{store.Active}, store.Stopped)
			return err
		}, func(a *store.Account) { a.State = store.Stopped }},
		"finished": {func(t *testing.T, st store.Store, id store.AccountID) error {
			_, _, err := st.Finish(t.Context(), []store.AccountID{id}, store.Report{Domain: "example.com"})
			return err
		}, func(a *store.Account) { // nothing of it is kept, and nothing is learnt any more
			a.State, a.Problem, a.Old.Password, a.New.Password = store.Finished, nil, "", ""
		}},
		"another problem": {func(t *testing.T, st store.Store, id store.AccountID) error {
			return st.SetProblem(t.Context(), id, &store.Problem{Kind: store.OverQuota, Advice: store.NeedsFix})
		}, func(a *store.Account) { a.Problem = &store.Problem{Kind: store.OverQuota, Advice: store.NeedsFix} }},
		"the old password": {func(t *testing.T, st store.Store, id store.AccountID) error {
			_, err := st.SetCredentials(t.Context(), id, store.CredentialChange{Old: other})
			return err
		}, func(a *store.Account) { a.Old = other }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for moment, more := 0, true; more; moment++ {
				st, want := openStore(t)
				beside := storetest.NewBeside(st, moment, func() {
					if err := tt.write(t, st, want.ID); err != nil {
						t.Error(err)
					}
				})
				logInChanged(t, beside)
				more = beside.End()
				want.New.Password, want.OldOpens = "mine", false
				tt.want(&want)
				wantAccount(t, moment, st, want)
			}
		})
	}
}

// TestLearningKeepsCredentialsGivenMeanwhile: an administrator's credentials for the new
// server stay, whether they come before, while or after somebody logs in with others.
func TestLearningKeepsCredentialsGivenMeanwhile(t *testing.T) {
	t.Parallel()
	for _, given := range []store.Credentials{{Login: "changed", Password: "given"}, {Login: "both", Password: "same"}, {Login: "both", Password: "stale"}} {
		for moment, more := 0, true; more; moment++ {
			st, want := openStore(t)
			beside := storetest.NewBeside(st, moment, func() {
				if _, err := st.SetCredentials(t.Context(), want.ID, store.CredentialChange{New: given}); err != nil {
					t.Error(err)
				}
			})
			f := startFakeServer(t, map[string]string{"changed": "mine", "both": "same"})
			p := startProxy(t, f.config(), func(p *proxyRig) { p.Server.accounts = beside })
			c := p.greeted(t)
			c.says("a LOGIN joe@example.com mine\n")
			if moment == 0 && given.Login == "both" { // somebody else's mailbox by then
				c.hears("a " + wrong)
			} else {
				c.hears("a " + welcome)
			}
			more = beside.End()
			if want.New, want.OldOpens = given, false; moment == 0 && given.Login == "changed" {
				want.New.Password = "mine" // it was what the new server refused
			}
			wantAccount(t, moment, st, want)
			c.Close()
			p.stop()
		}
	}
}

// logInChanged logs joe in with the password that only the new server knows.
func logInChanged(t *testing.T, st store.Store) {
	t.Helper()
	f := startFakeServer(t, map[string]string{"changed": "mine"})
	p := startProxy(t, f.config(), func(p *proxyRig) { p.Server.accounts = st })
	c := p.greeted(t)
	c.says("a LOGIN joe@example.com mine\n")
	c.hears("a " + welcome)
	c.Close()
	p.stop()
}

// wantAccount wants the store to have an account exactly so.
func wantAccount(t *testing.T, moment int, st store.Store, want store.Account) {
	t.Helper()
	got, err := st.AccountByID(t.Context(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.State != want.State || got.Old != want.Old || got.New != want.New || got.OldOpens != want.OldOpens || !reflect.DeepEqual(got.Problem, want.Problem) {
		t.Errorf("written at moment %d: the account is %+v, want %+v", moment, got, want)
	}
}
