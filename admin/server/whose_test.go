package server

import (
	"fmt"
	"strings"
	"testing"

	"postferry/admin"
	"postferry/config"
	"postferry/store"
)

// TestWhoseLogin gives accounts to a domain by its own administrator and by one of
// everything, as a program and as a list, where a domain is the default and where none is.
func TestWhoseLogin(t *testing.T) {
	const none, other = "login_without_domain", "other_domain"
	tests := []struct {
		login, newLogin string
		// What is wrong for the domain's administrator and for one of everything; "" if it
		// is taken, as the account named.
		own, all string
		account  string
	}{
		{"x@a.example", "", "", "", "x@a.example"},
		{"X@A.Example", "y@a.example", "", "", "X@A.Example"},
		{"x@a.example", "web1", "", "", "x@a.example"},
		{"web1", "x@a.example", "", "", "x@a.example"},
		{"a.example+x", "x@A.EXAMPLE", "", "", "x@A.EXAMPLE"},
		{"web1", "", none, none, ""},
		{"web1", "web2", none, none, ""},
		{"web1", "x@b.example", none, none, ""},
		{"x@b.example", "", other, other, ""},
		{"x@unknown.example", "", other, other, ""},
		{"x@b.example", "x@a.example", other, "", "x@a.example"},
		{"x@unknown.example", "x@a.example", other, "", "x@a.example"},
		{"x@a.example", "x@b.example", other, "", "x@a.example"},
		{"x@a.example", "x@unknown.example", other, "", "x@a.example"},
		{"x@a.example@b.example", "x@a.example", other, "", "x@a.example"},
		{"x@a.example*b.example", "", other, other, ""},
		{"x@a.example", "x@a.example*admin@b.example", other, "", "x@a.example"},
		{"x@", "", other, other, ""},
	}
	p := startPage(t)
	callers := map[string]*caller{"a.example": p.program("a.example"), "": p.program("")}
	for i, tt := range tests {
		for scope, want := range map[string]string{"a.example": tt.own, "": tt.all} {
			name := fmt.Sprintf("%d: %q with %q by %q", i, tt.login, tt.newLogin, scope)
			c := callers[scope]
			in := map[string]string{"login": tt.login, "password": "pw", "new_login": tt.newLogin, "new_password": "pw2"}
			status := map[bool]int{true: 200, false: 422}[want == ""]
			if got := c.want(status, "POST", aDomain+"/accounts", map[string]any{"accounts": []any{in}}, nil); !strings.Contains(got.text, want) {
				t.Errorf("%s: %s", name, got.text)
			}
			var list admin.ListView
			c.want(201, "POST", aDomain+"/lists", fmt.Sprintf("login,password,new login,new password\n%s,pw,%s,pw2\n", tt.login, tt.newLogin), &list, "Content-Type", "text/csv")
			if len(list.Mistakes) != 0 != (want != "") || want != "" && list.Mistakes[0].Code != want || list.Known != list.Accounts {
				t.Errorf("%s in a list: %+v", name, list)
			}
			if want != "" {
				continue
			}
			a, err := p.store.Account(t.Context(), tt.account)
			if err != nil || a.Old.Login != tt.login || !a.OldOpens {
				t.Errorf("%s: stored as %+v, %v", name, a, err)
			}
		}
	}
}

// TestDefaultDomain: logins without a domain are the default domain's, also at the
// new server, and nobody is told which of them there are.
func TestDefaultDomain(t *testing.T) {
	p := startPage(t)
	p.directory.Put(config.Domain{Name: "b.example", Default: true})
	p.put("b.example", "anna")
	own, other := p.program("b.example"), p.program("a.example")
	add := func(c *caller, status int, domain string, in map[string]string) string {
		t.Helper()
		in["password"] = "mine"
		return c.want(status, "POST", "/api/v1/domains/"+domain+"/accounts", map[string]any{"accounts": []any{in}}, nil).text
	}
	if known, unknown := add(other, 422, "a.example", map[string]string{"login": "ANNA"}), add(other, 422, "a.example", map[string]string{"login": "nobody"}); known != unknown {
		t.Errorf("of a login that is known it is said %s, of another one %s", known, unknown)
	}
	add(other, 422, "a.example", map[string]string{"login": "x@a.example", "new_login": "anna"})
	add(other, 200, "a.example", map[string]string{"login": "anna", "new_login": "x@a.example"}) // as the old server calls x
	add(p.program(""), 200, "a.example", map[string]string{"login": "x@a.example", "new_login": "anna"})
	if a, err := p.store.Account(t.Context(), "anna"); err != nil || a.Old.Password != "old anna" || a.Domain != "b.example" {
		t.Errorf("overwritten: %+v, %v", a, err)
	}
	add(own, 200, "b.example", map[string]string{"login": "ANNA"})
	if a, err := p.store.Account(t.Context(), "anna"); err != nil || a.Old.Password != "mine" || a.Login != "anna" {
		t.Errorf("not updated: %+v, %v", a, err)
	}
}

// TestTwoLinesOneAccount: two logins at the old server that lead to one account are a mistake.
func TestTwoLinesOneAccount(t *testing.T) {
	p := startPage(t)
	c := p.program("a.example")
	var list admin.ListView
	c.want(201, "POST", aDomain+"/lists", "x@a.example pw\nweb1 pw X@a.example pw\nweb2 pw y@a.example pw\n", &list)
	if len(list.Mistakes) != 1 || list.Mistakes[0].Line != 2 || list.Mistakes[0].Code != "login_twice" || list.Accounts != 2 {
		t.Errorf("%+v", list)
	}
	got := c.want(422, "POST", aDomain+"/accounts", map[string]any{"accounts": []admin.AccountInput{
		{Login: "x@a.example", Password: "pw"}, {Login: "web1", Password: "pw", NewLogin: "x@a.example"}}}, nil)
	if !strings.Contains(got.text, "login_twice") {
		t.Error(got.text)
	}
}

// TestAccountOfEarlierVersion: an account that is called by an old login without a domain
// is corrected, and not added once more under its new one.
func TestAccountOfEarlierVersion(t *testing.T) {
	p := startPage(t)
	c := store.Credentials{Login: "web1", Password: "old"}
	if _, _, err := p.store.PutAccounts(t.Context(), []store.Account{{Domain: "a.example", Login: "web1", Old: c, New: c,
		Origin: store.Imported, State: store.Stopped}}); err != nil {
		t.Fatal(err)
	}
	var result admin.Added
	p.program("a.example").want(200, "POST", aDomain+"/accounts", map[string]any{"accounts": []admin.AccountInput{
		{Login: "web1", Password: "pw", NewLogin: "x@a.example", NewPassword: "pw2"}}}, &result)
	a, err := p.store.Account(t.Context(), "web1")
	if err != nil || result.Updated != 1 || a.New.Login != "x@a.example" || a.State != store.Stopped {
		t.Errorf("%+v, stored %+v, %v", result, a, err)
	}
}
