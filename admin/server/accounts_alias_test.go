package server

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/report/reason"
	"postferry/store"
)

// TestAliasOf answers whether two logins are one mailbox.
func TestAliasOf(t *testing.T) {
	p := startPage(t)
	c := p.program("")
	ids := p.put("a.example", "anna@a.example", "berta@a.example")
	p.put("b.example", "carla@b.example")
	patch := func(status int, of any) {
		t.Helper()
		c.want(status, "PATCH", fmt.Sprint(aDomain, "/accounts/", ids[1]), map[string]any{"alias_of": of}, nil)
	}
	is := func(alias store.AccountID, apart bool) {
		t.Helper()
		got, err := p.store.AccountByID(t.Context(), ids[1])
		if err != nil || got.Alias != alias || got.Apart != apart {
			t.Errorf("alias %d, apart %v, want %d, %v (%v)", got.Alias, got.Apart, alias, apart, err)
		}
	}
	patch(200, "anna@a.example")
	is(ids[0], false)
	for _, wrong := range []string{"berta@a.example", "carla@b.example", "nobody@a.example"} {
		patch(422, wrong)
	}
	is(ids[0], false)
	patch(200, nil)
	is(ids[0], false)
	patch(200, "")
	is(0, true)
}

// question is what keeps an account waiting for a person.
func question(summary reason.Reason) *store.Problem {
	return &store.Problem{Kind: store.SameMailbox, Server: store.NewSide, Summary: summary, Cause: "they look alike", Advice: store.NeedsFix, Since: time.Now()}
}

// TestAliasOnThePages: lists and pages say whose alias an account is, and ask where that can't be told.
func TestAliasOnThePages(t *testing.T) {
	p := startPage(t)
	c, b, own := p.program(""), p.admin("root", ""), p.program("a.example")
	ids := p.put("a.example", "anna@a.example", "berta@a.example", "carla@a.example", "dora@a.example")
	foreign := p.put("b.example", "eve@b.example")
	path := func(id store.AccountID) string { return fmt.Sprint("/d/a.example/a/", id) }
	answer := func(id store.AccountID, form url.Values) (int, string) {
		status, _, text := b.send(path(id)+"/alias", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
		return status, text
	}
	problem := func(id store.AccountID, summary reason.Reason) {
		t.Helper()
		if err := p.store.SetProblem(t.Context(), id, question(summary)); err != nil {
			t.Fatal(err)
		}
		p.changed("a.example")
	}
	aliasOf := func(id store.AccountID) *string {
		t.Helper()
		var v admin.AccountDetail
		own.want(200, "GET", fmt.Sprint(aDomain, "/accounts/", id), nil, &v)
		return v.AliasOf
	}
	// Nothing to ask.
	got := b.do("GET", path(ids[1]), nil)
	if strings.Contains(got.text, "One mailbox or two") || aliasOf(ids[1]) != nil {
		t.Errorf("an account of its own is asked about:\n%s", got.text)
	}
	// The question, and both answers.
	problem(ids[1], reason.Of(reason.TroubleSameUncertain, reason.Of(reason.AccountNamed, "anna@a.example")))
	got = b.do("GET", path(ids[1]), nil)
	shows(t, "the question", got.StatusCode, 200, got.text, "One mailbox or two", "may lead to the same mailbox as anna@a.example", `value="anna@a.example"`, "It is the same mailbox", "It is another mailbox")
	status, text := answer(ids[1], url.Values{"do": {"same"}, "alias_of": {"nobody@a.example"}})
	shows(t, "nobody's", status, 422, text, "is not the login of another account")
	status, text = answer(ids[1], url.Values{"do": {"same"}, "alias_of": {" "}})
	shows(t, "no login", status, 422, text, "is not the login of another account")
	if status, _ = answer(ids[1], url.Values{"alias_of": {"anna@a.example"}}); status != 400 {
		t.Errorf("no answer: %d", status)
	}
	status, text = answer(ids[1], url.Values{"do": {"same"}, "alias_of": {"anna@a.example"}})
	shows(t, "the same", status, 200, text, "Noted", "leads to the mailbox of anna@a.example")
	if of := aliasOf(ids[1]); of == nil || *of != "anna@a.example" {
		t.Errorf("alias of %v", of)
	}
	got = b.do("GET", "/d/a.example", nil)
	shows(t, "the list", got.StatusCode, 200, got.text, "alias of anna@a.example")
	var page board.AccountPage
	own.want(200, "GET", aDomain+"/accounts", nil, &page)
	for _, a := range page.Accounts {
		if (a.AliasOf != nil) != (a.ID == ids[1]) {
			t.Errorf("%s: alias of %v", a.Login, a.AliasOf)
		}
	}
	status, text = answer(ids[1], url.Values{"do": {"apart"}})
	shows(t, "not the same after all", status, 200, text, "Noted")
	if x, err := p.store.AccountByID(t.Context(), ids[1]); err != nil || x.Alias != 0 || !x.Apart {
		t.Errorf("%+v, %v", x, err)
	}
	// Whose it may be is another domain's business.
	problem(ids[2], reason.Of(reason.TroubleSameUncertain, reason.Of(reason.AccountElsewhere)))
	got = b.do("GET", path(ids[2]), nil)
	shows(t, "another domain's", got.StatusCode, 200, got.text, "as another account")
	if err := p.store.ProveAlias(t.Context(), ids[3], foreign[0]); err != nil {
		t.Fatal(err)
	}
	p.changed("a.example")
	if of := aliasOf(ids[3]); of == nil || *of != "" {
		t.Errorf("alias of %v", of)
	}
	got = b.do("GET", path(ids[3]), nil)
	shows(t, "leads to another domain", got.StatusCode, 200, got.text, "an account of another domain")
	if strings.Contains(got.text, "eve@b.example") {
		t.Error("the page tells who that is")
	}
	var log struct{ Entries []access.AuditView }
	c.want(200, "GET", "/api/v1/audit?domain=a.example", nil, &log)
	if len(log.Entries) == 0 || log.Entries[0].Action != "update_account" || log.Entries[0].Detail != "alias_of" {
		t.Errorf("%+v", log.Entries)
	}
}

// TestNewLoginTwiceIsTold: accounts whose mail would go into one mailbox are told apart, whichever way they
// are given, and none of them is taken.
func TestNewLoginTwiceIsTold(t *testing.T) {
	p := startPage(t)
	c, b := p.program("a.example"), p.admin("root", "")
	const list = "x@a.example pw same@a.example pw\ny@a.example pw SAME@a.example pw\n"
	account := func(login, newLogin string) map[string]any {
		return map[string]any{"login": login, "password": "pw", "new_login": newLogin}
	}
	for what, accounts := range map[string][]map[string]any{
		"the same":                  {account("x@a.example", "same@a.example"), account("y@a.example", "Same@a.example")},
		"one without its own":       {account("x@a.example", ""), account("y@a.example", "X@a.example")},
		"one without its own, last": {account("y@a.example", "x@a.example"), account("x@a.example", "")},
	} {
		got := c.want(422, "POST", aDomain+"/accounts", map[string]any{"accounts": accounts}, nil)
		if !strings.Contains(got.text, "new_login_twice") || !strings.Contains(got.text, `"line":2`) || !strings.Contains(got.text, "of line 1 again") {
			t.Errorf("%s: %s", what, got.text)
		}
	}
	var waiting admin.ListView
	c.want(201, "POST", aDomain+"/lists", list, &waiting)
	if len(waiting.Mistakes) != 1 || waiting.Mistakes[0].Code != "new_login_twice" || waiting.Mistakes[0].Line != 2 || waiting.Accounts != 1 {
		t.Errorf("a list: %+v", waiting)
	}
	c.want(409, "POST", aDomain+"/accounts", map[string]any{"list": waiting.ID}, nil)
	status, _, text := b.upload("/d/a.example/accounts/list", "list.txt", list)
	shows(t, "a list on the page", status, 200, text, "Line 2", "new login of line 1")
	var page board.AccountPage
	if c.want(200, "GET", aDomain+"/accounts", nil, &page); page.Total != 0 {
		t.Errorf("%+v", page)
	}
}
