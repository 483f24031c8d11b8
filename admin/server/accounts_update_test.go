package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postferry/admin/selection"
	"postferry/admin/transfers"
	"postferry/store"
)

// TestLoginsChangeWithTheirPasswords patches an account, by its domain's administrator and
// by one of everything.
func TestLoginsChangeWithTheirPasswords(t *testing.T) {
	const login = "anna@a.example"
	type patch map[string]string
	tests := []struct {
		patch    patch
		own, all string // the mistake; "" for none
		opens    bool   // the old password the mailbox, if the patch is taken
	}{
		{patch{}, "", "", true},
		{patch{"old_login": login, "new_login": login}, "", "", true},
		{patch{"old_password": "x"}, "", "", false},
		{patch{"new_password": "x"}, "", "", false},
		{patch{"old_login": login, "old_password": "x", "new_login": login}, "", "", false},
		{patch{"old_password": "x", "new_password": "y"}, "", "", true},
		{patch{"old_login": "web1", "old_password": "x"}, "", "", false},
		{patch{"new_login": "web1", "new_password": "x"}, "new_login mailbox_alone", "", false},
		{patch{"new_login": "b@a.example", "new_password": "x"}, "new_login mailbox_alone", "", false},
		{patch{"new_login": "b@a.example", "new_password": "x", "old_login": login}, "new_login mailbox_alone", "", false},
		{patch{"new_login": "b@a.example", "new_password": "x", "old_password": "y"}, "", "", true},
		{patch{"old_login": "web1", "old_password": "x", "new_login": "b@a.example", "new_password": "y"}, "", "", true},
		{patch{"new_login": "b@a.example"}, "new_login login_alone", "new_login login_alone", true},
		{patch{"old_login": "b@a.example"}, "old_login login_alone", "old_login login_alone", true},
		{patch{"new_login": "ANNA@a.example"}, "new_login login_alone", "new_login login_alone", true},
		{patch{"new_login": "b@a.example", "old_password": "x"}, "new_login login_alone", "new_login login_alone", true},
		{patch{"old_login": "web1", "new_password": "x"}, "old_login login_alone", "old_login login_alone", true},
		{patch{"new_login": "b@b.example"}, "new_login other_domain", "new_login login_alone", true},
		{patch{"new_login": "b@b.example", "new_password": "x"}, "new_login other_domain", "", false},
		{patch{"old_login": "b@unknown.example", "old_password": "x"}, "old_login other_domain", "", false},
		{patch{"new_login": " b@b.example ", "new_password": "x"}, "new_login other_domain", "", false},
		{patch{"new_login": "", "new_password": "x"}, "new_login empty_login", "new_login empty_login", true},
		{patch{"old_password": ""}, "old_password empty_password", "old_password empty_password", true},
	}
	p := startPage(t)
	for i, tt := range tests {
		for scope, want := range map[string]string{"a.example": tt.own, "": tt.all} {
			name := fmt.Sprintf("%d: %v by %q", i, tt.patch, scope)
			id := p.put("a.example", login)[0]
			if _, err := p.store.SetCredentials(t.Context(), id, store.CredentialChange{
				Old: store.Credentials{Login: login, Password: "old"}, New: store.Credentials{Login: login, Password: "new"}}); err != nil {
				t.Fatal(err)
			}
			status := map[bool]int{true: 200, false: 422}[want == ""]
			got := p.program(scope).want(status, "PATCH", fmt.Sprint(aDomain, "/accounts/", id), tt.patch, nil)
			field, code, _ := strings.Cut(want, " ")
			if !strings.Contains(got.text, field) || !strings.Contains(got.text, code) || strings.Count(got.text, `"code":`) > 2 {
				t.Errorf("%s: %s", name, got.text)
			}
			expected := tt.patch
			if want != "" {
				expected = patch{}
			}
			wantStored(t, p, name, id, expected, tt.opens || want != "")
		}
	}
}

// wantStored wants an account to have what a patch gave it.
func wantStored(t *testing.T, p *page, name string, id store.AccountID, patch map[string]string, opens bool) {
	t.Helper()
	a, err := p.store.AccountByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	is := map[string]string{"old_login": a.Old.Login, "old_password": a.Old.Password.Reveal(), "new_login": a.New.Login, "new_password": a.New.Password.Reveal()}
	for field, was := range map[string]string{"old_login": a.Login, "old_password": "old", "new_login": a.Login, "new_password": "new"} {
		want := was
		if given, ok := patch[field]; ok {
			want = strings.TrimSpace(given)
		}
		if is[field] != want {
			t.Errorf("%s: %s is %q, want %q", name, field, is[field], want)
		}
	}
	if a.OldOpens != opens {
		t.Errorf("%s: the old password opens the mailbox: %v", name, a.OldOpens)
	}
}

// TestStoppedAccountsStayOutOfTheirRun: an account that had failed in a run and is stopped
// while its password is corrected doesn't keep the run open, whoever comes first.
func TestStoppedAccountsStayOutOfTheirRun(t *testing.T) {
	p := startPage(t)
	c := p.program("a.example")
	for _, stopFirst := range []bool{true, false} {
		id := p.put("a.example", fmt.Sprintf("anna%v@a.example", stopFirst))[0]
		only := selection.Selection{Accounts: []store.AccountID{id}}
		var begun transfers.Affected
		c.want(200, "POST", aDomain+"/begin", only, &begun)
		p.ferry.EndPass(t, id, store.Pass{Started: time.Now(), Ended: time.Now()}, &store.Problem{Kind: store.LoginRefused, Advice: store.NeedsFix})
		awaitOutcome(t, p, begun.Run, id, store.OutcomeFailed)
		asRead, err := p.store.AccountByID(t.Context(), id) // by whoever corrects it
		if err != nil {
			t.Fatal(err)
		}
		stop := func() { c.want(200, "POST", aDomain+"/stop", only, nil) }
		if stopFirst {
			stop()
		}
		if err := p.Corrected(t.Context(), []store.Account{asRead}); err != nil {
			t.Fatal(err)
		}
		if !stopFirst {
			awaitOutcome(t, p, begun.Run, id, store.OutcomeOpen)
			stop()
		}
		c.want(200, "POST", aDomain+"/stop", only, nil) // the tracker has heard everything before
		awaitOutcome(t, p, begun.Run, id, map[bool]store.Outcome{true: store.OutcomeFailed, false: store.OutcomeStopped}[stopFirst])
		if r, err := p.store.Run(t.Context(), begun.Run); err != nil || r.State == store.RunOpen {
			t.Errorf("stopped first: %v: the run is %+v, %v", stopFirst, r, err)
		}
	}
}

// awaitOutcome waits until the tracker has heard how an account's part of a run ended.
func awaitOutcome(t *testing.T, p *page, run store.RunID, id store.AccountID, want store.Outcome) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		parts, err := p.store.RunAccounts(t.Context(), run)
		if err != nil || time.Now().After(end) {
			t.Fatalf("run %d: %+v, %v", run, parts, err)
		}
		if len(parts) == 1 && parts[0].Account == id && parts[0].Outcome == want {
			return
		}
	}
}
