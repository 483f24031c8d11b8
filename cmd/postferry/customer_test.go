package main

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/store"
)

// customer looks after one domain, or ("") after all of them, with a token at the API
// and with a password at the page.
type customer struct {
	*panel
	browser *http.Client
}

// customer makes one.
func (d *testDaemon) customer(domain string) *customer {
	d.t.Helper()
	const password = "a long enough password"
	name := "of " + cmp.Or(domain, "all")
	if status, _, stderr := postferry(d.t, password+"\n", "admin", "passwd", "-c", d.Config, name, "--domain", domain); status != exitOK {
		d.t.Fatalf("admin passwd: %d, %s", status, stderr)
	}
	c := &customer{panel: d.panelOf(domain)}
	c.url = d.page // of its newest start
	c.browser = loginPage(d.t, c.url, name, password).http
	return c
}

// recorded is what the page tells of an account.
type recorded struct {
	ID       store.AccountID
	Login    string
	OldLogin string `json:"old_login"`
	NewLogin string `json:"new_login"`
}

// account finds an account of a domain.
func (c *customer) account(domain, login string) recorded {
	c.t.Helper()
	var found struct{ Accounts []recorded }
	c.want("GET", "/domains/"+domain+"/accounts?search="+url.QueryEscape(login), nil, &found)
	i := slices.IndexFunc(found.Accounts, func(a recorded) bool { return a.Login == login })
	if i < 0 {
		c.t.Fatalf("%s has no account %s", domain, login)
	}
	return found.Accounts[i]
}

// id is an account's number.
func (c *customer) id(domain, login string) store.AccountID {
	c.t.Helper()
	return c.account(domain, login).ID
}

// patch corrects an account at the API and says whether that was taken.
func (c *customer) patch(domain, login string, fields map[string]string) bool {
	c.t.Helper()
	return c.takes("PATCH", fmt.Sprint("/domains/", domain, "/accounts/", c.id(domain, login)), fields)
}

// takes asks for a change that may be refused as wrong, and for nothing else.
func (c *customer) takes(method, path string, body any) bool {
	c.t.Helper()
	status, text, err := c.try(method, path, body, nil)
	if err != nil || status != http.StatusOK && status != http.StatusUnprocessableEntity {
		c.t.Fatalf("%s %s: %d, %v, %s", method, path, status, err, text)
	}
	return status == http.StatusOK
}

// fill corrects an account in the page's form, which comes with the logins that are
// recorded, and says whether that was taken.
func (c *customer) fill(domain, login string, fields map[string]string) bool {
	c.t.Helper()
	a := c.account(domain, login)
	values := url.Values{"old_login": {a.OldLogin}, "new_login": {a.NewLogin}}
	for name, value := range fields {
		values.Set(name, value)
	}
	return c.post(fmt.Sprint("/d/", domain, "/a/", a.ID), values)
}

// post sends a form.
func (c *customer) post(path string, values url.Values) bool {
	c.t.Helper()
	resp, err := c.browser.PostForm(c.url+path, values)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusUnprocessableEntity {
		c.t.Fatalf("POST %s: %s", path, resp.Status)
	}
	return resp.StatusCode == http.StatusOK
}

// add adds an account at the API.
func (c *customer) add(domain string, fields map[string]string) bool {
	c.t.Helper()
	return c.takes("POST", "/domains/"+domain+"/accounts", map[string]any{"accounts": []map[string]string{fields}})
}

// upload takes over a list, if nothing in it is wrong.
func (c *customer) upload(domain, list string) bool {
	c.t.Helper()
	var uploaded struct {
		ID       string
		Mistakes []struct{ Text string }
	}
	c.want("POST", "/domains/"+domain+"/lists", []byte(list), &uploaded)
	return len(uploaded.Mistakes) == 0 && c.takes("POST", "/domains/"+domain+"/accounts", map[string]string{"list": uploaded.ID})
}

// audit is what the audit log says of an account: actions and details.
func (c *customer) audit(login string) string {
	c.t.Helper()
	var log struct {
		Entries []struct{ Action, Account, Detail string }
	}
	c.want("GET", "/audit?limit=200", nil, &log)
	var said []string
	for _, e := range log.Entries {
		if e.Account == login {
			said = append(said, e.Action+" "+e.Detail)
		}
	}
	return strings.Join(said, "\n")
}

// opens reports whether a password lets somebody in.
func (p *pair) opens(d *testDaemon, login, password string) (c *imapclient.Client, ok bool) {
	p.t.Helper()
	c = p.client(d)
	err := c.Login(login, password).Wait()
	if err != nil && !strings.Contains(err.Error(), "AUTHENTICATIONFAILED") {
		p.t.Fatalf("login as %s: %v", login, err)
	}
	return c, err == nil
}

// wantOpen wants a password to let somebody in, or not to.
func (p *pair) wantOpen(t *testing.T, d *testDaemon, login, password string, want bool) {
	t.Helper()
	if _, ok := p.opens(d, login, password); ok != want {
		t.Errorf("%s was let in: %v, want %v", login, ok, want)
	}
}
