package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postferry/report/reason"
	"postferry/store"
)

func testPutAccountsAdds(t *testing.T, f *fixture) {
	a, b := account("a@example.com"), account("b@example.com")
	a.Problem = problem()
	b.Old.Login, b.Old.Password = "user \"b\"\\", "ümläut % § \x00\xff"
	b.Origin, b.State = store.Enrolled, store.Stopped
	stored, put, err := f.PutAccounts(t.Context(), []store.Account{a, b})
	must(t, err)
	wantEqual(t, "done", put, []store.AccountPut{{Added: true}, {Added: true}})
	if stored[0].ID == 0 || stored[0].ID >= stored[1].ID {
		t.Errorf("IDs are %d and %d", stored[0].ID, stored[1].ID)
	}
	a.ID, b.ID = stored[0].ID, stored[1].ID
	wantEqual(t, "stored", stored, []store.Account{a, b})
	for _, want := range stored {
		got, err := f.Account(t.Context(), want.Login)
		must(t, err)
		wantEqual(t, "by login", got, want)
		if got.Old.Password != want.Old.Password || got.New.Password != want.New.Password {
			t.Errorf("%s: the passwords are not those that were given", want.Login) // DeepEqual sees them, its output doesn't
		}
		got, err = f.AccountByID(t.Context(), want.ID)
		must(t, err)
		wantEqual(t, "by ID", got, want)
	}
	stored, put, err = f.PutAccounts(t.Context(), nil)
	must(t, err)
	if len(stored) != 0 || len(put) != 0 {
		t.Errorf("no accounts: stored %d, done %d", len(stored), len(put))
	}
}

// testPutAccountsUpdates: of an account that is known its credentials change, and
// nothing that others write.
func testPutAccountsUpdates(t *testing.T, f *fixture) {
	first := account("A@example.com")
	first.Problem, first.Alias = problem(), 7
	first = f.put(first)[0]
	must(t, f.SetState(t.Context(), first.ID, store.Stopped))
	folders, err := f.PutFolders(t.Context(), first.ID, []store.Folder{{Old: "INBOX", State: store.FolderPresent}})
	must(t, err)

	update := account("a@EXAMPLE.com")
	update.State, update.Origin, update.Created, update.Alias, update.OldOpens = store.Waiting, store.Enrolled, at(1000), 8, true
	update.Old, update.New = store.Credentials{Login: "x", Password: "y"}, store.Credentials{Login: first.New.Login, Password: "z"}
	stored, put, err := f.PutAccounts(t.Context(), []store.Account{account("other@example.com"), update})
	must(t, err)
	wantEqual(t, "done", put, []store.AccountPut{{Added: true},
		{Changed: store.OldLoginField | store.OldPasswordField | store.NewPasswordField}})

	want := first
	want.State, want.Old, want.New, want.OldOpens = store.Stopped, update.Old, update.New, true
	wantEqual(t, "stored", stored[1], want)
	got, err := f.AccountByID(t.Context(), first.ID)
	must(t, err)
	wantEqual(t, "read", got, want)
	kept, err := f.Folders(t.Context(), first.ID)
	must(t, err)
	wantEqual(t, "folders", kept, folders)
}

func testPutAccountsTwice(t *testing.T, f *fixture) {
	first, second := account("a@example.com"), account("A@example.com")
	second.Old.Password = "another"
	second.Created = at(1000)
	stored, put, err := f.PutAccounts(t.Context(), []store.Account{first, second})
	must(t, err)
	wantEqual(t, "done", put, []store.AccountPut{{Added: true}, {Changed: store.OldLoginField | store.OldPasswordField | store.NewLoginField | store.NewPasswordField}})
	first.ID, first.Old, first.New = stored[0].ID, second.Old, second.New
	wantEqual(t, "stored", stored[1], first)
	got, err := f.AccountByID(t.Context(), first.ID)
	must(t, err)
	wantEqual(t, "read", got, first)
}

// testPutAccountsOfOtherDomain: a login that another domain had is an account of its own,
// and goes back to the one it had if that is put again.
func testPutAccountsOfOtherDomain(t *testing.T, f *fixture) {
	was := account("anna")
	was.Domain, was.State = "first.example", store.Waiting
	was = f.put(was)[0]
	now := account("ANNA")
	now.Domain, now.State = "second.example", store.Waiting
	now = f.put(now)[0]
	if now.ID == was.ID {
		t.Fatal("one account in two domains")
	}
	leadsTo := func(what string, want store.Account) {
		t.Helper()
		got, err := f.Account(t.Context(), "anna")
		must(t, err)
		wantEqual(t, what, got, want)
	}
	leadsTo("the second domain's", now)
	got, err := f.AccountByID(t.Context(), was.ID)
	must(t, err)
	wantEqual(t, "the first domain's", got, was)

	again := account("anna")
	again.Domain, again.Old.Password = was.Domain, "another"
	other := account("bert")
	other.Domain = was.Domain
	stored, put, err := f.PutAccounts(t.Context(), []store.Account{other, again, again})
	must(t, err)
	wantEqual(t, "done", put, []store.AccountPut{{Added: true}, {Changed: store.OldPasswordField}, {}})
	was.Old.Password = "another"
	wantEqual(t, "the first one, put again", stored[1], was)
	leadsTo("the first domain's", was)

	must(t, f.RemoveAccounts(t.Context(), []store.AccountID{now.ID}))
	leadsTo("after the other was removed", was)
	must(t, f.RemoveAccounts(t.Context(), []store.AccountID{was.ID}))
	_, err = f.Account(t.Context(), "anna")
	wantError(t, "after both were removed", err, store.ErrNotFound)
}

func testPutAccountsDates(t *testing.T, f *fixture) {
	a := account("a@example.com")
	a.Created = time.Time{}
	before := time.Now()
	want := f.put(a)[0]
	if want.Created.Before(before.Round(0)) || want.Created.After(time.Now()) {
		t.Errorf("created %v, it is %v", want.Created, before)
	}
	got, err := f.AccountByID(t.Context(), want.ID)
	must(t, err)
	wantEqual(t, "account", got, want)
}

func testPutAccountsIsAllOrNothing(t *testing.T, f *fixture) {
	known := f.put(account("known@example.com"))[0]
	changed, wrong := account("known@example.com"), account("wrong@example.com")
	changed.Old.Password, wrong.State = "changed", "asleep"
	stored, put, err := f.PutAccounts(t.Context(), []store.Account{account("new@example.com"), changed, wrong})
	wantError(t, "a wrong account", err, store.ErrInvalid)
	if stored != nil || put != nil {
		t.Errorf("with an error: stored %v, done %v", stored, put)
	}
	_, err = f.Account(t.Context(), "new@example.com")
	wantError(t, "the account before the wrong one", err, store.ErrNotFound)
	got, err := f.Account(t.Context(), "known@example.com")
	must(t, err)
	wantEqual(t, "the known account", got, known)
}

func testPutAccountsInvalid(t *testing.T, f *fixture) {
	tests := map[string]func(*store.Account){
		"no login":       func(a *store.Account) { a.Login = "" },
		"a long login":   func(a *store.Account) { a.Login = strings.Repeat("x", 2000) },
		"no state":       func(a *store.Account) { a.State = "" },
		"no origin":      func(a *store.Account) { a.Origin = "" },
		"another advice": func(a *store.Account) { a.Problem = &store.Problem{Advice: "pray"} },
	}
	for name, spoil := range tests {
		a := account("x@example.com")
		spoil(&a)
		_, _, err := f.PutAccounts(t.Context(), []store.Account{a})
		wantError(t, name, err, store.ErrInvalid)
	}
}

func testAccountIgnoresASCIICase(t *testing.T, f *fixture) {
	want := f.put(account("Jörg@Example.COM"))[0]
	got, err := f.Account(t.Context(), "jörg@eXAMPLE.com")
	must(t, err)
	wantEqual(t, "account", got, want)
	_, err = f.Account(t.Context(), "JÖRG@EXAMPLE.COM")
	wantError(t, "another case of a letter outside ASCII", err, store.ErrNotFound)
}

func testAccountUnknown(t *testing.T, f *fixture) {
	f.put(account("a@example.com"))
	_, err := f.Account(t.Context(), "a@example.co")
	wantError(t, "by login", err, store.ErrNotFound)
	_, err = f.Account(t.Context(), "")
	wantError(t, "by empty login", err, store.ErrNotFound)
	_, err = f.AccountByID(t.Context(), 999)
	wantError(t, "by ID", err, store.ErrNotFound)
	_, err = f.AccountByID(t.Context(), 0)
	wantError(t, "by ID 0", err, store.ErrNotFound)
}

func testAccountsHavePasswordsOnlyAlone(t *testing.T, f *fixture) {
	none, err := f.Accounts(t.Context())
	must(t, err)
	wantEqual(t, "accounts of an empty store", len(none), 0)
	want := f.put(account("z@example.com"), account("a@example.com"), account("m@example.com"))
	for i := range want {
		want[i].Old.Password, want[i].New.Password = "", ""
	}
	got, err := f.Accounts(t.Context())
	must(t, err)
	wantEqual(t, "accounts", got, want)
}

func testManyAccounts(t *testing.T, f *fixture) {
	const n = 2000
	accounts := make([]store.Account, n)
	for i := range accounts {
		accounts[i] = account(fmt.Sprintf("user%d@example.com", (i*7)%n))
	}
	stored, put, err := f.PutAccounts(t.Context(), accounts)
	must(t, err)
	wantEqual(t, "done", put, slices.Repeat([]store.AccountPut{{Added: true}}, n))
	_, put, err = f.PutAccounts(t.Context(), accounts)
	must(t, err)
	wantEqual(t, "done again", put, make([]store.AccountPut, n))
	list, err := f.Accounts(t.Context())
	must(t, err)
	wantEqual(t, "accounts", len(list), n)
	for i, a := range list {
		if a.ID != stored[i].ID || a.Login != stored[i].Login {
			t.Fatalf("account %d is %d %s, want %d %s", i, a.ID, a.Login, stored[i].ID, stored[i].Login)
		}
	}
}

func testSetProblem(t *testing.T, f *fixture) {
	want := f.put(account("a@example.com"))[0]
	want.Problem = problem()
	must(t, f.SetProblem(t.Context(), want.ID, problem()))
	got, err := f.AccountByID(t.Context(), want.ID)
	must(t, err)
	wantEqual(t, "with a problem", got, want)

	want.Problem = &store.Problem{Summary: reason.Said("later"), Advice: store.RetryLater}
	must(t, f.SetProblem(t.Context(), want.ID, want.Problem))
	got, err = f.AccountByID(t.Context(), want.ID)
	must(t, err)
	wantEqual(t, "with zero times", got, want)

	want.Problem = nil
	must(t, f.SetProblem(t.Context(), want.ID, nil))
	got, err = f.AccountByID(t.Context(), want.ID)
	must(t, err)
	wantEqual(t, "without one", got, want)

	wantError(t, "unknown account", f.SetProblem(t.Context(), 999, problem()), store.ErrNotFound)
	wantError(t, "unknown advice", f.SetProblem(t.Context(), want.ID, &store.Problem{}), store.ErrInvalid)
}

func testSetState(t *testing.T, f *fixture) {
	want := f.put(account("a@example.com"))[0]
	for _, s := range []store.State{store.Stopped, store.Finished, store.Waiting, store.Active} {
		want.State = s
		must(t, f.SetState(t.Context(), want.ID, s))
		got, err := f.AccountByID(t.Context(), want.ID)
		must(t, err)
		wantEqual(t, string(s), got, want)
	}
	wantError(t, "unknown account", f.SetState(t.Context(), 999, store.Active), store.ErrNotFound)
	wantError(t, "unknown state", f.SetState(t.Context(), want.ID, "asleep"), store.ErrInvalid)
}

func testForgetProblems(t *testing.T, f *fixture) {
	troubled, other := account("a@example.com"), account("b@example.com")
	troubled.Problem, other.Problem = problem(), problem()
	want := f.put(troubled, other, account("c@example.com"))
	must(t, f.ForgetProblems(t.Context(), []store.AccountID{want[0].ID, want[2].ID}))
	want[0].Problem = nil
	for _, w := range want {
		got, err := f.AccountByID(t.Context(), w.ID)
		must(t, err)
		wantEqual(t, w.Login, got, w)
	}
	wantError(t, "unknown account", f.ForgetProblems(t.Context(), []store.AccountID{want[1].ID, 999}), store.ErrNotFound)
	got, err := f.AccountByID(t.Context(), want[1].ID)
	must(t, err)
	wantEqual(t, "the account before the unknown one", got, want[1])
}

func testMoveStates(t *testing.T, f *fixture) {
	states := []store.State{store.Waiting, store.Active, store.Stopped, store.Finished}
	var accounts []store.Account
	var ids []store.AccountID
	for _, s := range states {
		a := account(string(s) + "@example.com")
		a.State = s
		accounts = append(accounts, a)
	}
	want := f.put(accounts...)
	for _, a := range want {
		ids = append(ids, a.ID)
	}
	moved, err := f.MoveStates(t.Context(), ids, []store.State{store.Waiting, store.Stopped, store.Active}, store.Active)
	must(t, err)
	wantEqual(t, "moved", moved, []store.AccountID{ids[0], ids[2]})
	want[0].State, want[2].State = store.Active, store.Active
	for _, w := range want {
		got, err := f.AccountByID(t.Context(), w.ID)
		must(t, err)
		wantEqual(t, w.Login, got, w)
	}
	_, err = f.MoveStates(t.Context(), []store.AccountID{ids[0], 999}, states, store.Stopped)
	wantError(t, "unknown account", err, store.ErrNotFound)
	_, err = f.MoveStates(t.Context(), ids, states, "asleep")
	wantError(t, "unknown state", err, store.ErrInvalid)
	got, err := f.AccountByID(t.Context(), ids[0])
	must(t, err)
	wantEqual(t, "after errors", got, want[0])
}

func testRemoveAccounts(t *testing.T, f *fixture) {
	waiting, active, begun := account("a@example.com"), account("b@example.com"), account("c@example.com")
	waiting.State, begun.State = store.Waiting, store.Waiting
	stored := f.put(waiting, active, begun)
	_, err := f.PutFolders(t.Context(), stored[2].ID, []store.Folder{{State: store.FolderPresent}})
	must(t, err)
	for _, other := range stored[1:] {
		wantError(t, other.Login, f.RemoveAccounts(t.Context(), []store.AccountID{stored[0].ID, other.ID}), store.ErrInvalid)
	}
	wantError(t, "unknown account", f.RemoveAccounts(t.Context(), []store.AccountID{999}), store.ErrNotFound)
	got, err := f.AccountByID(t.Context(), stored[0].ID)
	must(t, err)
	wantEqual(t, "after errors", got, stored[0])

	must(t, f.RemoveAccounts(t.Context(), []store.AccountID{stored[0].ID}))
	_, err = f.AccountByID(t.Context(), stored[0].ID)
	wantError(t, "by ID", err, store.ErrNotFound)
	_, err = f.Account(t.Context(), "a@example.com")
	wantError(t, "by login", err, store.ErrNotFound)
	overview, err := f.Overview(t.Context(), "")
	must(t, err)
	wantEqual(t, "accounts left", len(overview), 2)
	if again := f.put(waiting)[0]; again.ID <= stored[2].ID {
		t.Errorf("the number %d is used again", again.ID)
	}
}

func testOverview(t *testing.T, f *fixture) {
	a, b, c := account("a@example.com"), account("b@example.org"), account("c@example.com")
	a.Problem, b.Domain = problem(), "example.org"
	stored := f.put(a, b, c)
	must(t, f.SetMessages(t.Context(), stored[2].ID, 7))
	var want []store.Overview
	for _, s := range stored {
		s.Old.Password, s.New.Password = "", ""
		want = append(want, store.Overview{Account: s})
	}
	want[2].Summary.Messages = 7
	all, err := f.Overview(t.Context(), "")
	must(t, err)
	wantEqual(t, "all", all, want)
	one, err := f.Overview(t.Context(), a.Domain)
	must(t, err)
	wantEqual(t, "of a domain", one, []store.Overview{want[0], want[2]})
	none, err := f.Overview(t.Context(), "nowhere.example")
	must(t, err)
	wantEqual(t, "of no domain", len(none), 0)
	_, err = f.Summary(t.Context(), 999)
	wantError(t, "unknown account", err, store.ErrNotFound)
	wantError(t, "unknown account", f.SetMessages(t.Context(), 999, 1), store.ErrNotFound)
}

func testSummaryFollows(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	f.folder("b@example.com")
	_, err := f.PutFolders(t.Context(), id, []store.Folder{{State: store.FolderSkipped, LeftOut: 5}, {State: store.FolderDeleted, LeftOut: 2}})
	must(t, err)
	want := store.Summary{Folders: 2, LeftOut: 7}
	check := func(what string) {
		t.Helper()
		got, err := f.Summary(t.Context(), id)
		must(t, err)
		wantEqual(t, what, got, want)
	}
	check("folders")

	small, large := entry("1"), entry("2")
	small.Size = 10
	f.commit(store.Batch{Account: id, Folder: folder, Proofs: []store.Entry{small, large}, Quarantine: []store.Quarantined{quarantined("3")}})
	want.Copied, want.Quarantined, want.Bytes = 2, 1, 10+1<<31
	check("proofs")
	small.Size = 4
	f.commit(store.Batch{Account: id, Folder: folder, Proofs: []store.Entry{small}, Release: []store.Key{"3"}})
	want.Quarantined, want.Bytes = 0, 4+1<<31
	check("a proof replaced")
	f.commit(store.Batch{Account: id, Folder: folder, Forget: []store.Key{"2", "unknown"}})
	want.Copied, want.Bytes = 1, 4
	check("a proof forgotten")

	others, err := f.PutFolders(t.Context(), id, []store.Folder{{State: store.FolderPresent, Title: "Sent"}, {State: store.FolderPresent, Title: "INBOX"}})
	must(t, err)
	want.Folders += 2
	dealt := func(folder store.FolderID, checked time.Time) {
		t.Helper()
		f.commit(store.Batch{Account: id, Folder: folder, Checkpoint: &store.Checkpoint{UIDValidity: 1, UIDNext: 5, Checked: checked}})
	}
	dealt(others[0].ID, at(5))
	dealt(others[1].ID, time.Time{})
	check("INBOX not to its end")
	dealt(others[1].ID, at(6))
	want.Inbox = true
	check("INBOX to its end")
	dealt(others[1].ID, time.Time{})
	check("INBOX looked at anew")

	must(t, f.AddPass(t.Context(), id, store.Pass{Ended: at(7), Complete: true}))
	must(t, f.AddPass(t.Context(), id, store.Pass{Ended: at(8)}))
	must(t, f.SetMessages(t.Context(), id, 1<<40))
	want.Passes, want.LastPass, want.Completed, want.Messages = 2, at(8), at(7), 1<<40
	check("passes")
	f.reopen()
	check("opened again")
}
