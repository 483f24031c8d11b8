package server

import (
	"fmt"
	"strings"
	"testing"

	"postferry/admin"
	"postferry/admin/checks"
	"postferry/store"
)

// TestFinishedAccountsAreLeftAlone: a check or a verification of all accounts is about those that are not finished. The servers of
// the others are not contacted any more, and that is no failure of theirs.
func TestFinishedAccountsAreLeftAlone(t *testing.T) {
	p := startPage(t)
	c := p.program("a.example")
	ids := p.put("a.example", "anna@a.example", "bert@a.example")
	finish := func(id store.AccountID) {
		if _, _, err := p.store.Finish(t.Context(), []store.AccountID{id}, store.Report{Domain: "a.example", Text: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	finish(ids[0])
	var check checks.CheckView
	if c.want(202, "POST", aDomain+"/check", map[string]any{"all": true}, &check); check.Accounts != 1 {
		t.Errorf("%d are checked", check.Accounts)
	}
	var verified checks.VerifyView
	if c.want(202, "POST", aDomain+"/verify", map[string]any{"all": true}, &verified); verified.Accounts != 1 {
		t.Errorf("%d are verified", verified.Accounts)
	}
	eventually(t, "both have ended", func() bool {
		c.want(200, "GET", aDomain+"/check", nil, &check)
		c.want(200, "GET", aDomain+"/verify", nil, &verified)
		return check.Ended != nil && verified.Ended != nil
	})
	finish(ids[1])
	for _, do := range []string{"check", "verify"} {
		if got := c.want(409, "POST", aDomain+"/"+do, map[string]any{"all": true}, nil); !strings.Contains(got.text, `"no_accounts"`) {
			t.Error(got.text)
		}
	}
}

// TestFinishedAccountsTakeNothing: whoever gives a finished account another password is told that it takes none, and its page offers
// nothing that could be done with it.
func TestFinishedAccountsTakeNothing(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "bert@a.example")
	if _, _, err := p.store.Finish(t.Context(), ids[:1], store.Report{Domain: "a.example", Text: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	c, b := p.program("a.example"), p.admin("carol", "a.example")
	var added admin.Added
	c.want(200, "POST", aDomain+"/accounts", map[string]any{"accounts": []admin.AccountInput{
		{Login: "anna@a.example", Password: "other"}, {Login: "bert@a.example", Password: "other"}, {Login: "dora@a.example", Password: "pw"}}}, &added)
	if added.Added != 1 || added.Updated != 1 || added.Finished != 1 {
		t.Errorf("%+v", added)
	}
	if got := c.want(409, "PATCH", fmt.Sprint(aDomain, "/accounts/", ids[0]), map[string]string{"old_password": "other"}, nil); !strings.Contains(got.text, `"account_finished"`) {
		t.Error(got.text)
	}
	path := fmt.Sprint("/d/a.example/a/", ids[0])
	status, _, text := b.form(path, "old_password", "other")
	shows(t, "the form of before", status, 422, text, "The account is finished")
	_, _, text = b.form("/d/a.example/accounts", "login-1", "anna@a.example", "password-1", "other")
	shows(t, "added anew", 200, 200, text, "1 account is finished and stays as it is")
	text = b.do("GET", path, nil).text
	for _, offered := range []string{`name="old_password"`, `value="stop"`, `value="again"`} {
		if strings.Contains(text, offered) {
			t.Errorf("its page offers %s", offered)
		}
	}
}
