package storetest

import (
	"testing"

	"postferry/store"
)

// testMoves: what is known of a domain's move is noted piece by piece.
func testMoves(t *testing.T, f *fixture) {
	m, err := f.Move(t.Context(), "example.com")
	must(t, err)
	wantEqual(t, "nothing", m, store.Move{Domain: "example.com"})

	want := store.Move{Domain: "example.com", Checked: store.Checked{When: at(1), Accounts: 20, Trouble: 2},
		Names: store.NamesSeen{When: at(2), MX: at(3), Clients: at(4), Until: at(5)}}
	must(t, f.NoteChecked(t.Context(), "example.com", want.Checked))
	must(t, f.NoteNames(t.Context(), "example.com", store.NamesSeen{When: at(9)}))
	must(t, f.NoteNames(t.Context(), "example.com", want.Names))
	must(t, f.NoteChecked(t.Context(), "example.net", store.Checked{}))
	f.reopen()
	all, err := f.Moves(t.Context())
	must(t, err)
	wantEqual(t, "all", all, []store.Move{want, {Domain: "example.net"}})
	for _, name := range []string{"", "Example.com"} {
		wantError(t, name, f.NoteNames(t.Context(), name, want.Names), store.ErrInvalid)
		wantError(t, name, f.NoteChecked(t.Context(), name, want.Checked), store.ErrInvalid)
	}
}

// late is late mail from one server.
func late(messages uint64, second int64, from string) store.LateMail {
	return store.LateMail{Messages: messages, Last: at(second), From: [3]store.LateServer{{Name: from, Messages: messages}}}
}

// testLateMail: late mail is counted together with the messages that it is.
func testLateMail(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	for i, l := range []store.LateMail{late(2, 5, "a"), late(1, 3, "b"), late(1, 9, "a"), late(1, 9, "c"), late(1, 10, "d"), {}} {
		f.commit(store.Batch{Account: id, Folder: folder, Proofs: []store.Entry{entry(store.Key(rune('a' + i)))}, Late: l})
	}
	f.reopen()
	s, err := f.Summary(t.Context(), id)
	must(t, err)
	wantEqual(t, "late mail", s.Late, store.LateMail{Messages: 6, Last: at(10),
		From: [3]store.LateServer{{Name: "d", Messages: 1}, {Name: "c", Messages: 1}, {Name: "a", Messages: 3}}})
	wantEqual(t, "copied", s.Copied, 6)
}

// testVerifiedAndApproved: what verifications and people say of accounts.
func testVerifiedAndApproved(t *testing.T, f *fixture) {
	stored := f.put(account("a@example.com"), account("b@example.com"))
	v := store.Verified{When: at(1), Bodies: true, Damage: 1, Doubtful: 2, Unread: true}
	approved := store.Approval{When: at(2), By: "root", What: "3 messages are refused"}
	must(t, f.NoteVerified(t.Context(), stored[0].ID, v))
	must(t, f.Approve(t.Context(), []store.AccountID{stored[0].ID, stored[1].ID}, approved))
	must(t, f.Approve(t.Context(), []store.AccountID{stored[1].ID}, store.Approval{}))
	f.reopen()
	all, err := f.Overview(t.Context(), "example.com")
	must(t, err)
	wantEqual(t, "first", all[0].Summary, store.Summary{Verified: v, Approved: approved})
	wantEqual(t, "second", all[1].Summary, store.Summary{})
	wantError(t, "unknown", f.NoteVerified(t.Context(), 999, v), store.ErrNotFound)
	wantError(t, "unknown", f.Approve(t.Context(), []store.AccountID{stored[0].ID, 999}, store.Approval{}), store.ErrNotFound)
	s, err := f.Summary(t.Context(), stored[0].ID)
	must(t, err)
	wantEqual(t, "after an error", s.Approved, approved)
}

// testFinish: accounts are finished with their aliases, once, and take no passwords any more.
func testFinish(t *testing.T, f *fixture) {
	stored := f.put(account("a@example.com"), account("alias@example.com"), account("b@example.com"))
	must(t, f.SetAlias(t.Context(), stored[1].ID, stored[0].ID))
	must(t, f.SetProblem(t.Context(), stored[0].ID, problem()))
	r := store.Report{Domain: "example.com", Made: at(1), By: "root", Text: []byte(`{"a":1}`)}
	_, _, err := f.Finish(t.Context(), []store.AccountID{stored[0].ID, 999}, r)
	wantError(t, "unknown account", err, store.ErrNotFound)
	first, finished, err := f.Finish(t.Context(), []store.AccountID{stored[0].ID}, r)
	must(t, err)
	wantEqual(t, "finished", finished, []store.AccountID{stored[0].ID, stored[1].ID})
	again, finished, err := f.Finish(t.Context(), []store.AccountID{stored[0].ID}, r)
	must(t, err)
	if len(finished) > 0 || again.Number != 0 {
		t.Errorf("once more: finished %v, report %d", finished, again.Number)
	}
	f.reopen()
	for i, a := range stored {
		got, err := f.AccountByID(t.Context(), a.ID)
		must(t, err)
		done := got.State == store.Finished && got.Problem == nil && got.Old.Password == "" && got.New.Password == "" && !got.OldOpens && got.Old.Login == a.Old.Login
		if done != (i < 2) {
			t.Errorf("%s: %+v", a.Login, got)
		}
	}
	wantFinishedTakesNothing(t, f, stored[0])
	reports, err := f.Reports(t.Context(), "example.com")
	must(t, err)
	r.Number = first.Number
	wantEqual(t, "reports", reports, []store.Report{r})
	audit, err := f.Audit(t.Context(), store.AuditQuery{Domain: "example.com", Limit: 5})
	must(t, err)
	wantEqual(t, "audit log", audit, []store.AuditEntry{{ID: 1, When: at(1), Who: "root", Action: store.FinishAccounts, Domain: "example.com", Detail: "2 accounts, report 1"}})
}

// testFinishForgetsSignIns: consents go with their accounts, ways to sign in with the last account
// of their domain.
func testFinishForgetsSignIns(t *testing.T, f *fixture) {
	must(t, f.PutDomain(t.Context(), store.Domain{Name: "example.com", Old: "imaps://a", New: "imaps://b"}))
	stored := f.put(account("a@example.com"), account("b@example.com"))
	sign := store.SignIn{Domain: "example.com", Side: store.OldSide, Method: store.SignInMaster, Login: "root", Secret: "master", SetBy: "anna", Created: at(1)}
	must(t, f.PutSignIn(t.Context(), sign))
	for _, a := range stored {
		must(t, f.PutConsent(t.Context(), store.Consent{Mailbox: store.Mailbox{Domain: "example.com", Side: store.OldSide, Login: a.Old.Login},
			Issuer: "https://id.example", ClientID: "x", Refresh: "token", Granted: at(1)}))
	}
	for i, a := range stored {
		_, _, err := f.Finish(t.Context(), []store.AccountID{a.ID}, store.Report{Domain: "example.com", Made: at(1)})
		must(t, err)
		signs, err := f.SignIns(t.Context())
		must(t, err)
		consents, err := f.Consents(t.Context(), "example.com")
		must(t, err)
		if len(signs) != 1-i || len(consents) != 1-i {
			t.Errorf("after %d accounts: %d ways to sign in, %d consents", i+1, len(signs), len(consents))
		}
	}
}

// wantFinishedTakesNothing tries all ways in which an account gets credentials.
func wantFinishedTakesNothing(t *testing.T, f *fixture, a store.Account) {
	t.Helper()
	_, put, err := f.PutAccounts(t.Context(), []store.Account{account(a.Login)})
	must(t, err)
	wantEqual(t, "put", put, []store.AccountPut{{}})
	changed, err := f.SetCredentials(t.Context(), a.ID, store.CredentialChange{New: store.Credentials{Password: "x"}})
	must(t, err)
	known, err := f.LearnPassword(t.Context(), a.ID, store.Credentials{Login: a.New.Login}, "x")
	must(t, err)
	got, err := f.AccountByID(t.Context(), a.ID)
	must(t, err)
	if changed != 0 || known || got.Old.Password != "" || got.New.Password != "" {
		t.Errorf("changed %v, learnt %v, has a password: %v", changed, known, got.New.Password != "")
	}
}

// testReportsAreBounded: the newest are kept, of each domain.
func testReportsAreBounded(t *testing.T, f *fixture) {
	const most = 50
	for i := range most + 2 {
		a := f.put(account(string(rune('a'+i)) + "@example.com"))[0]
		_, _, err := f.Finish(t.Context(), []store.AccountID{a.ID}, store.Report{Domain: "example.com", Made: at(int64(i))})
		must(t, err)
	}
	reports, err := f.Reports(t.Context(), "")
	must(t, err)
	if len(reports) != most || !reports[0].Made.Equal(at(most+1)) {
		t.Errorf("%d reports, the first of %v", len(reports), reports[0].Made)
	}
}

// testForget: nothing of a domain stays but its reports and the audit log, and nothing of others goes.
func testForget(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	other := account("b@example.net")
	other.Domain = "example.net"
	kept := f.put(other)[0]
	f.commit(store.Batch{Account: id, Folder: folder, Proofs: []store.Entry{entry("aaaaaaaa")}, Intents: []store.Intent{intent("bbbbbbbb")},
		Quarantine: []store.Quarantined{quarantined("cccccccc")}, Repaired: []store.Repaired{repaired("aaaaaaaa")}})
	must(t, f.AddPass(t.Context(), id, store.Pass{Copied: 1}))
	must(t, f.PutDomain(t.Context(), store.Domain{Name: "example.com", Old: "imaps://a", New: "imaps://b"}))
	must(t, f.NoteChecked(t.Context(), "example.com", store.Checked{Accounts: 1}))
	_, err := f.AddRun(t.Context(), store.Run{Domain: "example.com", Kind: store.FirstRun, State: store.RunDone}, []store.AccountID{id})
	must(t, err)
	wantError(t, "while it is active", f.Forget(t.Context(), "example.com"), store.ErrInvalid)
	wantError(t, "no name", f.Forget(t.Context(), ""), store.ErrInvalid)
	_, _, err = f.Finish(t.Context(), []store.AccountID{id}, store.Report{Domain: "example.com", Made: at(1)})
	must(t, err)

	must(t, f.Forget(t.Context(), "example.com"))
	must(t, f.Forget(t.Context(), "example.com"))
	f.reopen()
	wantForgotten(t, f, id, folder)
	got, err := f.AccountByID(t.Context(), kept.ID)
	must(t, err)
	wantEqual(t, "another domain's account", got, kept)
	next := f.put(account("a@example.com"))[0]
	if next.ID == id {
		t.Error("the number of an account is used again")
	}
}

func wantForgotten(t *testing.T, f *fixture, id store.AccountID, folder store.FolderID) {
	t.Helper()
	_, err := f.Account(t.Context(), "a@example.com")
	wantError(t, "account", err, store.ErrNotFound)
	_, err = f.Folders(t.Context(), id)
	wantError(t, "folders", err, store.ErrNotFound)
	l, err := f.Ledger(t.Context(), id, folder)
	if err == nil && len(l.Entries)+len(l.Intents)+len(l.Quarantine)+len(l.Repaired) > 0 {
		t.Errorf("the ledger is still there: %+v", l)
	}
	moves, err := f.Moves(t.Context())
	must(t, err)
	domains, err := f.Domains(t.Context())
	must(t, err)
	runs, err := f.Runs(t.Context(), "")
	must(t, err)
	reports, err := f.Reports(t.Context(), "example.com")
	must(t, err)
	audit, err := f.Audit(t.Context(), store.AuditQuery{Domain: "example.com", Limit: 10})
	must(t, err)
	if len(moves)+len(domains)+len(runs) > 0 || len(reports) != 1 || len(audit) != 1 {
		t.Errorf("%d moves, %d domains, %d runs, %d reports, %d entries of the audit log", len(moves), len(domains), len(runs), len(reports), len(audit))
	}
}
