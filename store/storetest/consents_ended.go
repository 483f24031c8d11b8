package storetest

import (
	"testing"

	"postferry/store"
)

// Whoever was asked before what they agree to has ended has nothing to agree to any more, whether there was a consent or not. Others
// have, and so has whoever is asked afterwards, but for a mailbox that is finished.
func testEndedMeanwhile(t *testing.T, f *fixture) {
	const name = "a.example"
	a := account("anna@" + name)
	a.Domain, a.State = name, store.Waiting
	mine := consent(name, a.Old.Login)
	ends := []struct {
		what     string
		end      func(id store.AccountID) error
		others   bool // those of others have ended as well
		finished bool
	}{
		{"one is forgotten", func(store.AccountID) error { return f.DeleteConsent(t.Context(), mine.Mailbox) }, false, false},
		{"all are forgotten", func(store.AccountID) error {
			_, err := f.DeleteConsents(t.Context(), name, store.OldSide)
			return err
		}, true, false},
		{"the way to sign in", func(store.AccountID) error { return f.DeleteSignIn(t.Context(), name, store.OldSide) }, true, false},
		{"the account", func(id store.AccountID) error { return f.RemoveAccounts(t.Context(), []store.AccountID{id}) }, false, false},
		{"the domain", func(id store.AccountID) error {
			if err := f.RemoveAccounts(t.Context(), []store.AccountID{id}); err != nil {
				return err
			}
			return f.DeleteDomain(t.Context(), name)
		}, true, false},
		{"the move is forgotten", func(store.AccountID) error { return f.Forget(t.Context(), name) }, true, false},
		{"it is finished", func(id store.AccountID) error {
			_, _, err := f.Finish(t.Context(), []store.AccountID{id}, store.Report{Domain: name, Made: at(1)})
			return err
		}, true, true}, // as it is the last one
	}
	for _, e := range ends {
		must(t, f.PutDomain(t.Context(), domain(name)))
		must(t, f.PutSignIn(t.Context(), signIn(name, store.OldSide)))
		id := f.put(a)[0].ID
		elsewhere, bert := consent("b.example", a.Old.Login), consent(name, "bert@"+name)
		mine.Asked, bert.Asked = f.ConsentMark(), f.ConsentMark()
		must(t, f.PutConsent(t.Context(), mine))
		must(t, e.end(id))
		wantError(t, e.what+": asked before", f.PutConsent(t.Context(), mine), store.ErrEnded)
		must(t, f.PutConsent(t.Context(), elsewhere))
		if err := f.PutConsent(t.Context(), bert); (err != nil) != e.others {
			t.Errorf("%s: of another mailbox: %v", e.what, err)
		}
		mine.Asked = f.ConsentMark()
		if err := f.PutConsent(t.Context(), mine); (err != nil) != e.finished {
			t.Errorf("%s: asked after it: %v", e.what, err)
		}
		f.reopen()
		mine.Asked = 0 // nobody who was asked before has come back
		if err := f.PutConsent(t.Context(), mine); (err != nil) != e.finished {
			t.Errorf("%s: after a restart: %v", e.what, err)
		}
	}
}
