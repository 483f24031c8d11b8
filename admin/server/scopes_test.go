package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/selection"
	"postferry/discover"
	"postferry/store"
)

// token makes a token by the API.
func (c *caller) newToken(p *page, name, domain string) (made *caller, id uint64) {
	c.t.Helper()
	var out struct {
		ID    uint64
		Token store.Secret
	}
	c.want(201, "POST", "/api/v1/tokens", map[string]string{"name": name, "domain": domain}, &out)
	made = p.browser()
	made.token = out.Token
	return made, out.ID
}

// watch opens a stream of events of a domain, which ended tells the end of.
func (c *caller) watch(domain string) (status int, ended <-chan struct{}) {
	c.t.Helper()
	ctx, leave := context.WithCancel(c.t.Context())
	c.t.Cleanup(leave)
	req, err := http.NewRequestWithContext(ctx, "GET", c.url+"/events?domain="+domain, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer resp.Body.Close()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		}
	}()
	return resp.StatusCode, done
}

// endsSoon wants a stream to end long before its own time.
func endsSoon(t *testing.T, what string, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(15 * time.Second):
		t.Errorf("%s goes on", what)
	}
}

// Whoever had a token keeps nothing of it when it is revoked: not the tokens made
// with it, nor what these have made, uploaded or watch.
func TestTokensGoWithTheirMaker(t *testing.T) {
	p := startPage(t)
	root := p.admin("anna", "")
	panel, id := root.newToken(p, "panel", "")
	child, _ := panel.newToken(p, "child", "a.example")
	grandchild, _ := child.newToken(p, "grandchild", "a.example")
	namesake, _ := root.newToken(p, "panel", "a.example")
	another, _ := namesake.newToken(p, "another", "a.example")
	for _, c := range []*caller{panel, child, grandchild, another} {
		c.want(201, "POST", "/api/v1/domains/a.example/lists", "x@a.example pw\n", nil)
	}
	status, ended := grandchild.watch("a.example")
	if status != 200 {
		t.Fatalf("watching: %d", status)
	}
	root.want(204, "DELETE", fmt.Sprint("/api/v1/tokens/", id), nil, nil)
	endsSoon(t, "the stream of a token that is gone", ended)
	for name, c := range map[string]*caller{"panel": panel, "child": child, "grandchild": grandchild} {
		if got := c.do("GET", "/api/v1/me", nil); got.StatusCode != 401 {
			t.Errorf("%s: %s", name, got.Status)
		}
	}
	another.want(200, "GET", "/api/v1/me", nil, nil)
	if n := p.waitingLists(); n != 1 {
		t.Errorf("%d lists are kept", n)
	}
	var audit struct{ Entries []access.AuditView }
	another.want(200, "GET", "/api/v1/audit", nil, &audit)
	if len(audit.Entries) < 2 || audit.Entries[0].Action != "revoke_token" || audit.Entries[0].Detail != "grandchild" || audit.Entries[1].Detail != "child" {
		t.Errorf("the domain is told %+v", audit.Entries)
	}
}

// Who removes a domain is rid of all who came in for it alone. The next of that name
// may be another's, and learns nothing of this one.
func TestAccessGoesWithTheDomain(t *testing.T) {
	p := startPage(t)
	all := p.admin("anna", "")
	const d = "/api/v1/domains/c.example"
	setUp := admin.DomainInput{Old: new("imaps://old.c.example"), New: new("imaps://new.example")}
	all.want(201, "PUT", d, setUp, nil)
	bert, carl := p.admin("bert", "c.example"), p.admin("carl", "b.example")
	program := p.program("c.example")
	ids := p.put("c.example", "x@c.example")
	program.want(201, "POST", d+"/lists", "y@c.example pw\n", nil)
	program.want(202, "POST", d+"/check", selection.Selection{All: true}, nil)
	program.want(202, "POST", d+"/verify", map[string]any{"all": true}, nil)
	eventually(t, "the jobs end", func() bool {
		return p.app.Checks.View("c.example").State == "done" && p.app.Verifications.View("c.example").State == "done"
	})
	_, session := bert.watch("c.example")
	_, token := program.watch("c.example")
	all.want(200, "POST", d+"/accounts/remove", selection.Selection{Accounts: ids}, nil)
	all.want(204, "DELETE", d, nil, nil)
	endsSoon(t, "the stream of a session", session)
	endsSoon(t, "the stream of a token", token)
	bert.want(401, "GET", "/api/v1/me", nil, nil)
	bert.want(401, "POST", "/api/v1/login", map[string]string{"name": "bert", "password": testPassword}, nil)
	program.want(401, "PUT", d, setUp, nil)
	carl.want(200, "GET", "/api/v1/me", nil, nil)
	if n := p.waitingLists(); n != 0 {
		t.Errorf("%d lists are kept", n)
	}

	all.want(201, "PUT", d, setUp, nil)
	next := p.program("c.example")
	next.want(404, "GET", d+"/check", nil, nil)
	next.want(404, "GET", d+"/verify", nil, nil)
	var audit struct{ Entries []access.AuditView }
	next.want(200, "GET", "/api/v1/audit", nil, &audit)
	for _, e := range audit.Entries {
		if e.Action != "put_domain" && e.Action != "create_token" {
			t.Errorf("the new domain's program sees %+v", e)
		}
	}
	all.want(200, "GET", "/api/v1/audit?domain=c.example&per_page=200", nil, &audit)
	if len(audit.Entries) < 8 {
		t.Errorf("administrators of everything see only %+v", audit.Entries)
	}
}

// What "postferry admin" does while a server runs counts for what is in its memory, too.
func TestOperatorOfServer(t *testing.T) {
	p := startPage(t)
	panel, id := p.admin("anna", "").newToken(p, "panel", "a.example")
	panel.want(201, "POST", "/api/v1/domains/a.example/lists", "x@a.example pw\n", nil)
	if err := p.Operator().RevokeToken(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	panel.want(401, "GET", "/api/v1/me", nil, nil)
	if n := p.waitingLists(); n != 0 {
		t.Errorf("%d lists are kept", n)
	}
	if line := `"who":"command line","from":"","action":"revoke_token","domain":"a.example"`; !strings.Contains(p.log.String(), line) {
		t.Errorf("the log lacks %s", line)
	}
}

// search looks for a domain's old server for as long as ctx lasts; 0 if no answer came.
func (c *caller) search(ctx context.Context, domain string) (status int) {
	req, err := http.NewRequestWithContext(ctx, "POST", c.url+"/api/v1/discover", strings.NewReader(`{"domain":"`+domain+`"}`))
	if err != nil {
		c.t.Error(err)
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	resp, err := c.client.Do(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestScopesAreBounded lets one domain take all it can get of everything that is
// bounded: the next one finds its places, and those who look after everything theirs.
func TestScopesAreBounded(t *testing.T) {
	// What a domain's people and programs may have at a time.
	const listsEach, discoveriesEach = 5, 2
	const lookups = 7    // that a search begins with, at once
	var slow atomic.Bool // no answer comes from the network
	var waiting atomic.Int32
	p := startPage(t, func(opt *Options) {
		opt.Finder = &discover.Finder{Bound: time.Minute, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if slow.Load() {
				waiting.Add(1)
				<-t.Context().Done() // longer than the search would wait
			}
			return offline(ctx, network, addr)
		}}
	})
	var searches sync.WaitGroup
	t.Cleanup(searches.Wait)
	for _, d := range []string{"a.example", "b.example"} {
		p.put(d, "x@"+d)
	}
	greedy := []*caller{p.program("a.example")}
	for len(greedy) < 50 {
		c, _ := greedy[0].newToken(p, "more", "a.example")
		greedy = append(greedy, c)
	}
	for _, c := range greedy[:listsEach] {
		c.want(201, "POST", "/api/v1/domains/a.example/lists", "y@a.example pw\n", nil)
	}
	slow.Store(true)
	for i, c := range greedy[1 : 1+discoveriesEach] {
		searches.Go(func() { c.search(t.Context(), "a.example") })
		eventually(t, "a search has its place", func() bool { return waiting.Load() > int32(i*lookups) })
	}
	others := map[string]*caller{"b.example": p.program("b.example"), "": p.program("")}
	bounded := []struct {
		what         string
		code         string // of the refusal
		method, path string
		body         func(scope, domain string) any
		refused, ok  int
	}{
		{"token", "too_many_tokens", "POST", "/tokens", func(scope, _ string) any { return map[string]string{"name": "x", "domain": scope} }, 409, 201},
		{"list", "too_many_lists", "POST", "/domains/DOMAIN/lists", func(_, d string) any { return "y@" + d + " pw\n" }, 429, 201},
		{"search", "too_many_discoveries", "POST", "/discover", func(_, d string) any { return map[string]any{"domain": d} }, 429, 200},
	}
	at := func(path, domain string) string { return "/api/v1" + strings.ReplaceAll(path, "DOMAIN", domain) }
	for _, one := range bounded { // while the searches that are under way can't end
		got := greedy[49].do(one.method, at(one.path, "a.example"), one.body("a.example", "a.example"))
		if got.StatusCode != one.refused || !strings.Contains(got.text, one.code) {
			t.Errorf("%s: the domain that has all it may gets another one: %s\n%s", one.what, got.Status, got.text)
		}
	}
	slow.Store(false)
	for _, one := range bounded {
		for scope, c := range others {
			if got := c.do(one.method, at(one.path, "b.example"), one.body(scope, "b.example")); got.StatusCode != one.ok {
				t.Errorf("%s: for scope %q: %s, want %d\n%s", one.what, scope, got.Status, one.ok, got.text)
			}
		}
	}
}

// Reading a list that comes slowly takes a place of its domain, and of no other.
func TestListsAreReadByScope(t *testing.T) {
	p := startPage(t)
	slow, other := p.program("a.example"), p.program("b.example")
	for range 2 { // as many as a domain may
		sendListSlowly(t, slow, p.URL()+"/api/v1/domains/a.example/lists")
	}
	if got := slow.do("POST", "/api/v1/domains/a.example/lists", "y@a.example pw\n"); got.StatusCode != 429 {
		t.Errorf("a third list while two are being read: %s, want 429\n%s", got.Status, got.text)
	}
	other.want(201, "POST", "/api/v1/domains/b.example/lists", "y@b.example pw\n", nil)
}

// sendListSlowly sends a list of which the end doesn't come before the test's, and
// returns when it is being read: the server asks for a body (RFC 9110 section 10.1.1)
// when the list has its place and the first line is wanted.
func sendListSlowly(t *testing.T, c *caller, url string) {
	t.Helper()
	body, write := io.Pipe()
	wanted := make(chan struct{})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(wanted) }})
	req, err := http.NewRequestWithContext(ctx, "POST", url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("Expect", "100-continue")
	ended := make(chan string, 1)
	go func() {
		resp, err := c.client.Do(req)
		if err != nil {
			ended <- err.Error()
			return
		}
		resp.Body.Close()
		ended <- resp.Status
	}()
	t.Cleanup(func() {
		write.Close()
		<-ended
	})
	select {
	case <-wanted:
	case status := <-ended:
		ended <- status
		t.Fatalf("the list wasn't read to its end: %s", status)
	}
	if _, err := io.WriteString(write, "x@a.example pw\n"); err != nil {
		t.Fatal(err)
	}
}

// Everything somebody does who looks after one domain is that domain's: also what is
// about no domain by itself, so that it pushes out nothing of others. All of it is in
// the log as well, which is kept elsewhere.
func TestAuditIsOfTheScope(t *testing.T) {
	p := startPage(t)
	bert, anna := p.admin("bert", "b.example"), p.admin("anna", "")
	bert.want(204, "PUT", "/api/v1/me/password", map[string]string{"old_password": testPassword, "password": "another good one"}, nil)
	bert.want(200, "POST", "/api/v1/login", map[string]string{"name": "bert", "password": "another good one"}, nil)
	bert.newToken(p, "panel", "b.example")
	bert.want(204, "POST", "/api/v1/logout", nil, nil)
	anna.want(204, "DELETE", "/api/v1/admins/bert", nil, nil)
	entries, err := p.store.Audit(t.Context(), store.AuditQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if e.Who == "bert" && e.Domain != "b.example" || e.Who == "anna" && e.Domain != "" {
			t.Errorf("%+v", e)
		}
		seen[e.Who+" "+e.Action] = true
		line := ""
		for _, l := range strings.Split(p.log.String(), "\n") {
			if strings.Contains(l, `"message":"audit"`) && logged(l, "action") == e.Action && logged(l, "who") == e.Who && logged(l, "from") == e.From &&
				logged(l, "domain") == e.Domain && logged(l, "detail") == e.Detail {
				line = l
			}
		}
		if line == "" || !strings.Contains(line, `"level":"info"`) {
			t.Errorf("not in the log: %+v", e)
		}
	}
	for _, want := range []string{"bert login", "bert put_admin", "bert create_token", "bert logout", "anna login", "anna delete_admin"} {
		if !seen[want] {
			t.Errorf("no entry: %s", want)
		}
	}
}

// TestSignInEndsSessions: whoever planted a session in a browser, or was there before,
// is not in any more once somebody signs in with it, by the page or the API, by
// password or by link.
func TestSignInEndsSessions(t *testing.T) {
	for name, signIn := range map[string]func(*page, *caller) bool{
		"page": func(_ *page, c *caller) bool {
			_, at, _ := c.form("/login", "name", "anna", "password", testPassword)
			return at == "/"
		},
		"API": func(_ *page, c *caller) bool {
			return c.do("POST", "/api/v1/login", map[string]string{"name": "anna", "password": testPassword}).StatusCode == 200
		},
		"link by the page": func(p *page, c *caller) bool {
			_, at, _ := c.form("/welcome", "code", p.newCode(), "name", "carl", "password", testPassword, "again", testPassword)
			return at == "/"
		},
		"link by the API": func(p *page, c *caller) bool {
			return c.do("POST", "/api/v1/welcome", map[string]string{"code": p.newCode(), "name": "carl", "password": testPassword}).StatusCode == 201
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := startPage(t)
			p.admin("anna", "")
			eve := p.admin("eve", "a.example")
			eve.want(201, "POST", "/api/v1/domains/a.example/lists", "x@a.example pw\n", nil)
			u, err := url.Parse(p.URL())
			if err != nil {
				t.Fatal(err)
			}
			planted := eve.client.Jar.Cookies(u)[0].Value
			victim := p.browser()
			victim.client.Jar.SetCookies(u, []*http.Cookie{{Name: "postferry", Value: planted, Path: "/"}})
			if !signIn(p, victim) {
				t.Fatal("cannot sign in")
			}
			if got := victim.client.Jar.Cookies(u)[0].Value; got == planted {
				t.Error("the session has the planted secret")
			}
			var me identity
			if victim.want(200, "GET", "/api/v1/me", nil, &me); me.Who == "eve" {
				t.Error("the victim is still signed in as eve")
			}
			eve.want(401, "GET", "/api/v1/me", nil, nil)
			if n := p.waitingLists(); n != 0 {
				t.Error("the planted session's list is kept")
			}
		})
	}
}

// newCode is the code of a new one-time link.
func (p *page) newCode() string {
	p.t.Helper()
	link, err := p.NewLink(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	_, code, _ := strings.Cut(link, "code=")
	return code
}

// TestLockedName: strangers who guess at a name lock it, but not for an address that
// has signed in with it before, nor for those who are signed in, also after a restart.
func TestLockedName(t *testing.T) {
	p := startPage(t)
	anna := p.admin("anna", "") // by 127.0.0.1
	from := func(addr string) []string { return []string{"X-Forwarded-For", addr} }
	right, wrong := map[string]string{"name": "Anna", "password": testPassword}, map[string]string{"name": "anna", "password": "wrong password"}
	p.browser().want(200, "POST", "/api/v1/login", right, nil, from("2001:db8::1")...)
	for range 2 {
		for i := range 25 {
			p.browser().do("POST", "/api/v1/login", wrong, from(fmt.Sprint("192.0.2.", i))...)
		}
		p.browser().want(429, "POST", "/api/v1/login", right, nil, from("198.51.100.7")...)
		p.browser().want(200, "POST", "/api/v1/login", right, nil, from("2001:db8::2")...) // the same network
		p.browser().want(200, "POST", "/api/v1/login", right, nil)
		p.browser().want(429, "POST", "/api/v1/login", map[string]string{"name": "anna", "password": "wrong password"}, nil, from("192.0.2.77")...)
		p.serve()
	}
	anna.url = p.URL()
	anna.want(200, "POST", "/api/v1/login", right, nil)
	for i := range 25 {
		p.browser().do("POST", "/api/v1/login", wrong, from(fmt.Sprint("192.0.2.", i))...)
	}
	anna.want(204, "PUT", "/api/v1/me/password", map[string]string{"old_password": testPassword, "password": "another good one"}, nil)
	for i := range 12 { // who knows a good address has no more tries than others
		got := p.browser().do("POST", "/api/v1/login", wrong, from("2001:db8::3")...)
		if want := map[bool]int{true: 401, false: 429}[i < 10]; got.StatusCode != want {
			t.Errorf("guess %d from a known address: %s, want %d", i, got.Status, want)
		}
	}
}
