package server

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/selection"
	"postferry/admin/transfers"
	"postferry/internal/spreadsheet"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// sample fills the wildcards of a path.
func sample(path, domain string, account store.AccountID) string {
	return strings.NewReplacer("{domain}", domain, "{account}", fmt.Sprint(account), "{name}", "anna", "{token}", "1",
		"{list}", "unknown", "{run}", "1", "{message}", "m1").Replace(path)
}

// body is something to send to a route that takes a body.
func body(method string) any {
	if method == "GET" || method == "DELETE" {
		return nil
	}
	return map[string]any{"all": true}
}

// TestNobodyGetsIn asks every route without being anybody.
func TestNobodyGetsIn(t *testing.T) {
	p := startPage(t)
	id := p.put("a.example", "anna@a.example")[0]
	for _, rt := range append(p.operations(), routed{method: "GET", path: "/events?domain=a.example"}, routed{method: "GET", path: "/metrics"}) {
		if rt.open {
			continue
		}
		path := sample(rt.path, "a.example", id)
		for name, header := range map[string][]string{
			"nobody":         nil,
			"a made-up one":  {"Authorization", "Bearer pf_0000000000000000000000000000000000000000000"},
			"another scheme": {"Authorization", "Basic YW5uYTphbm5h"},
			"a bad cookie":   {"Cookie", "postferry=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		} {
			if got := p.browser().do(rt.method, path, body(rt.method), header...); got.StatusCode != 401 {
				t.Errorf("%s as %s: %s", rt.method+" "+path, name, got.Status)
			}
		}
	}
	if calls := p.ferry.SawCalls(); len(calls) != 1 {
		t.Errorf("something was done: %q", calls)
	}
}

// TestForeignDomain asks about another domain than one's own in ways that TestRights
// doesn't know.
func TestForeignDomain(t *testing.T) {
	p := startPage(t)
	id := p.put("a.example", "anna@a.example")[0]
	own := p.put("b.example", "bert@b.example")[0]
	p.ferry.SawCalls()
	callers := map[string]*caller{"token": p.program("b.example"), "session": p.admin("bert", "b.example")}
	for kind, c := range callers {
		c.want(404, "GET", "/events?domain=a.example", nil, nil)
		c.want(403, "GET", "/metrics", nil, nil)
		c.want(404, "GET", "/api/v1/audit?domain=a.example", nil, nil)
		c.want(404, "POST", "/api/v1/discover", map[string]string{"domain": "a.example"}, nil)
		c.want(404, "PUT", "/api/v1/domains/c.example", admin.DomainInput{Old: new("imaps://x.example")}, nil)
		c.want(403, "PUT", "/api/v1/domains/b.example", admin.DomainInput{Old: new("imaps://old.b.example"), New: new("imaps://evil.example")}, nil)
		c.want(403, "POST", "/api/v1/tokens", map[string]string{"name": "more"}, nil)
		c.want(403, "POST", "/api/v1/tokens", map[string]string{"name": "more", "domain": "a.example"}, nil)
		c.want(404, "POST", "/api/v1/domains/b.example/stop", selection.Selection{Accounts: []store.AccountID{own, id}}, nil)
		c.want(422, "POST", "/api/v1/domains/b.example/accounts", map[string]any{"accounts": []admin.AccountInput{{Login: "anna@a.example", Password: "mine"}}}, nil)
		var domains struct{ Domains []admin.DomainView }
		c.want(200, "GET", "/api/v1/domains", nil, &domains)
		if len(domains.Domains) != 1 || domains.Domains[0].Name != "b.example" {
			t.Errorf("with a %s: domains %+v", kind, domains)
		}
		var tokens struct{ Tokens []access.TokenView }
		c.want(200, "GET", "/api/v1/tokens", nil, &tokens)
		for _, x := range tokens.Tokens {
			if x.Domain != "b.example" {
				t.Errorf("with a %s: token %+v", kind, x)
			}
		}
		if got := c.do("GET", "/api/v1/audit", nil); strings.Contains(got.text, "a.example") {
			t.Errorf("with a %s: the audit log tells of a foreign domain: %s", kind, got.text)
		}
	}
	if calls := p.ferry.SawCalls(); len(calls) > 0 {
		t.Errorf("something was done: %q", calls)
	}
	if a, err := p.store.AccountByID(t.Context(), id); err != nil || a.Old.Password != "old anna@a.example" {
		t.Errorf("the foreign account was changed: %v", err)
	}
}

// TestCrossSite sends what other sites can make a browser send.
func TestCrossSite(t *testing.T) {
	p := startPage(t)
	id := p.put("a.example", "anna@a.example")[0]
	p.ferry.SawCalls()
	c := p.admin("anna", "")
	for _, rt := range p.operations() {
		if rt.method == "GET" {
			continue
		}
		path := sample(rt.path, "a.example", id)
		for _, header := range [][]string{
			{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
			{"Sec-Fetch-Site", "same-site"},
			{"Origin", "https://evil.example"},
			{"Origin", "null"},
			{"Origin", strings.Replace(p.URL(), "http:", "https:", 1) + ".evil.example"},
		} {
			got := c.do(rt.method, path, body(rt.method), header...)
			if got.StatusCode != 403 || !strings.Contains(got.text, "cross_site") {
				t.Errorf("%s %s with %q: %s", rt.method, path, header, got.Status)
			}
		}
	}
	if calls := p.ferry.SawCalls(); len(calls) > 0 {
		t.Errorf("something was done: %q", calls)
	}
	c.want(200, "POST", "/api/v1/domains/a.example/stop", selection.Selection{All: true}, nil, "Sec-Fetch-Site", "same-origin", "Origin", p.URL())
	// What a form of another site could send without a preflight is no JSON.
	c.want(415, "POST", "/api/v1/domains/a.example/stop", `{"all":true}`, nil)
	if got := c.do("GET", "/api/v1/me", nil, "Origin", "https://evil.example"); got.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another site may read answers")
	}
}

// TestPathTricks asks for a foreign domain in ways that might be read another
// way by one who checks than by one who answers.
func TestPathTricks(t *testing.T) {
	p := startPage(t)
	p.put("a.example", "anna@a.example")
	c := p.program("b.example")
	for _, path := range []string{
		"/api/v1/domains/b.example/../a.example/accounts", "/api/v1/domains/b.example%2f..%2fa.example/accounts",
		"/api/v1/domains/b.example/%2e%2e/a.example/accounts", "/api/v1/domains//a.example/accounts", "/api/v1//domains/a.example/accounts",
		"/api/v1/domains/A.EXAMPLE/accounts", "/api/v1/domains/a.example./accounts", "/api/v1/domains/a.example%00/accounts",
		"/api/v1/domains/b.example%00a.example/accounts", "/api/v1/domains/a.example;b.example/accounts", `/api/v1/domains/b.example%5c..%5ca.example/accounts`,
		"/api/v1/domains/a.example%20/accounts", "/api/v1/domains/%61.example/accounts", "/api/v1/domains/a.example/accounts/",
		"/api/v1/domains/b.example/accounts/1", "/api/v1/domains/b.example/accounts/+1", "/api/v1/domains/b.example/accounts/01",
		"/api/v1/../api/v1/domains/a.example", "/API/v1/domains/a.example", "/static/../../../../etc/passwd", "/static/..%2f..%2f..%2fetc%2fpasswd",
	} {
		got := c.do("GET", path, nil)
		if got.StatusCode < 300 || strings.Contains(got.text, "anna") || strings.Contains(got.text, "root:") {
			t.Errorf("%s: %s\n%s", path, got.Status, got.text)
		}
	}
	for _, header := range []string{"X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Forwarded-Host"} {
		if got := c.do("GET", "/api/v1/domains/a.example", nil, header, "/api/v1/domains/b.example"); got.StatusCode != 404 {
			t.Errorf("with %s: %s", header, got.Status)
		}
	}
}

// TestHostileTexts lets strangers write what they like into folder names,
// logins and errors: it comes out as JSON or as plain text and nothing else.
func TestHostileTexts(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'` + "\u2028</textarea>{{.}}"
	p := startPage(t)
	id := p.put("a.example", "<script>alert(0)</script>@a.example")[0]
	problem := &store.Problem{Kind: store.Unexpected, Summary: reason.Said(evil), Cause: evil, Folder: evil, Host: evil, Advice: store.NeedsFix, Since: time.Now()}
	if _, err := p.ferry.Begin(t.Context(), []store.AccountID{id}); err != nil {
		t.Fatal(err)
	}
	p.ferry.EndPass(t, id, store.Pass{Error: evil}, problem)
	p.ferry.FoldersOf[id] = []report.Folder{{Folder: store.Folder{Title: evil, New: evil, State: store.FolderPresent}}}
	p.ferry.Quarantined[id] = []report.QuarantineRecord{{ID: "m1", Folder: evil, Reason: reason.Said(evil), Cause: evil}}
	p.ferry.Checks[id] = report.Check{AccountPlan: report.AccountPlan{Trouble: map[store.Side]*store.Problem{store.OldSide: problem}, Notes: []reason.Reason{reason.Of(reason.NoteCalled, evil, evil), reason.Said(evil)}, Folders: []report.FolderPlan{{Folder: evil, NewFolder: evil, Action: report.FolderFilled}}}}
	p.ferry.Header = []byte("Subject: " + evil + "\r\n")
	c := p.program("")
	a := fmt.Sprint("/api/v1/domains/a.example/accounts/", id)
	c.want(202, "POST", "/api/v1/domains/a.example/check", selection.Selection{All: true}, nil)
	for _, path := range []string{"/api/v1/domains/a.example/accounts", a, a + "/quarantine", "/api/v1/domains/a.example/check/accounts", "/api/v1/audit"} {
		got := c.want(200, "GET", path, nil, nil)
		if kind := got.Header.Get("Content-Type"); kind != "application/json" || strings.ContainsAny(got.text, "<>") {
			t.Errorf("%s: %s\n%s", path, kind, got.text)
		}
	}
	for _, path := range []string{"/api/v1/domains/" + url.PathEscape(evil), "/api/v1/domains/a.example/accounts?sort=" + url.QueryEscape(evil)} {
		if got := c.do("GET", path, nil); strings.ContainsAny(got.text, "<>") {
			t.Errorf("%s: %s", path, got.text)
		}
	}
	account := fmt.Sprint("/d/a.example/a/", id)
	for _, path := range []string{"/", "/d/a.example", account, account + "/quarantine/m1", "/d/a.example/check", "/d/a.example?search=" + url.QueryEscape(evil),
		"/audit", "/domains/new", "/d/a.example/servers", "/d/a.example/accounts/new", "/" + url.PathEscape(evil), "/d/a.example?done=" + url.QueryEscape(evil),
		"/login?next=" + url.QueryEscape(evil), "/welcome?code=" + url.QueryEscape(evil)} {
		got := c.do("GET", path, nil)
		if strings.Contains(got.text, "<script>alert") || strings.Contains(got.text, "<img src=x") {
			t.Errorf("%s: %s", path, got.text)
		}
		if kind := got.Header.Get("Content-Type"); got.text != "" && kind != "text/html; charset=utf-8" {
			t.Errorf("%s: %s", path, kind)
		}
	}
	got := c.want(200, "GET", a+"/quarantine/m1/header", nil, nil)
	if kind := got.Header.Get("Content-Type"); kind != "text/plain; charset=utf-8" || got.Header.Get("Content-Disposition") == "" {
		t.Errorf("the header of a message comes as %q", kind)
	}
}

// TestReportsHaveNoFormulas: what strangers wrote is no formula for the spreadsheet
// program that opens a report.
func TestReportsHaveNoFormulas(t *testing.T) {
	p := startPage(t)
	formulas := []string{"=HYPERLINK(1)", "@SUM(1)", "+1", "-1", "\t=1", "\r=1", "x;=1"}
	c := p.program("")
	c.want(200, "POST", "/api/v1/domains/a.example/accounts", map[string]any{"accounts": []admin.AccountInput{{Login: "=x@a.example", Password: "x", NewPassword: "x"}}}, nil)
	var page board.AccountPage
	c.want(200, "GET", "/api/v1/domains/a.example/accounts", nil, &page)
	id := page.Accounts[0].ID
	for _, f := range formulas {
		p.ferry.Verified = append(p.ferry.Verified, report.VerifyEvent{Finding: &report.Finding{Login: f, Folder: f, NewFolder: f, Kind: report.FindingKind(f), Severity: "damage", Old: reason.Said(f), New: reason.Said(f), Reason: reason.Said(f)}})
	}
	c.want(202, "POST", "/api/v1/domains/a.example/verify", map[string]any{"all": true}, nil)
	var run transfers.Affected
	c.want(200, "POST", "/api/v1/domains/a.example/begin", selection.Selection{All: true}, &run)
	p.ferry.EndPass(t, id, store.Pass{Started: time.Now(), Ended: time.Now()}, &store.Problem{Summary: reason.Said("=HYPERLINK(1)"), Cause: "@SUM(1)", Advice: store.NeedsFix, Kind: store.LoginRefused})
	eventually(t, "the run and the verification end", func() bool {
		return p.app.Verifications.View("a.example").State == "done" && strings.Contains(c.do("GET", fmt.Sprint("/api/v1/domains/a.example/runs/", run.Run), nil).text, `"failed":1`)
	})
	for path, lines := range map[string]int{
		fmt.Sprint("/api/v1/domains/a.example/runs/", run.Run, "/report?format=csv"): 2, fmt.Sprint("/d/a.example/runs/", run.Run, "/report.csv"): 2,
		"/api/v1/domains/a.example/verify/report?format=csv": 1 + len(formulas), "/d/a.example/verify/report.csv": 1 + len(formulas),
	} {
		got := c.want(200, "GET", path, nil, nil)
		rows, err := csv.NewReader(strings.NewReader(got.text)).ReadAll()
		if err != nil || len(rows) != lines {
			t.Fatalf("%s: %d lines, %v\n%s", path, len(rows), err, got.text)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != spreadsheet.Text(cell) {
					t.Errorf("%s: a raw formula: %q", path, cell)
				}
			}
		}
		if !strings.Contains(got.text, "'=HYPERLINK(1)") || !strings.Contains(got.text, "'@SUM(1)") {
			t.Errorf("%s lacks the texts:\n%s", path, got.text)
		}
	}
}

// TestHeaders wants what keeps a browser from doing more than it should.
func TestHeaders(t *testing.T) {
	p := startPage(t)
	c := p.browser()
	for _, path := range []string{"/api/v1/me", "/healthz", "/nowhere", "/api/v1/openapi.yaml"} {
		h := c.do("GET", path, nil).Header
		for name, want := range map[string]string{
			"Content-Security-Policy": contentPolicy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
	}
	p.admin("anna", "") // over plain text
	got := p.browser().do("POST", "/api/v1/login", map[string]string{"name": "anna", "password": testPassword})
	if cookie := got.Header.Get("Set-Cookie"); !regexp.MustCompile(`^postferry=[\w-]{43}; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax$`).MatchString(cookie) {
		t.Errorf("the cookie: %s", cookie)
	}
	got = p.browser().do("POST", "/api/v1/login", map[string]string{"name": "anna", "password": testPassword}, "X-Forwarded-Proto", "https")
	if cookie := got.Header.Get("Set-Cookie"); !regexp.MustCompile(`^__Host-postferry=[\w-]{43}; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Lax$`).MatchString(cookie) {
		t.Errorf("the cookie behind a proxy with TLS: %s", cookie)
	}
}

// TestSessionFixation: a session that somebody planted is not the one that a
// login begins, and ends with it.
func TestSessionFixation(t *testing.T) {
	p := startPage(t)
	eve := p.admin("eve", "b.example")
	u, _ := url.Parse(p.URL())
	planted := eve.client.Jar.Cookies(u)[0].Value
	p.admin("anna", "")
	victim := p.browser()
	victim.client.Jar.SetCookies(u, []*http.Cookie{{Name: "postferry", Value: planted, Path: "/"}})
	victim.want(200, "POST", "/api/v1/login", map[string]string{"name": "anna", "password": testPassword}, nil)
	if got := victim.client.Jar.Cookies(u)[0].Value; got == planted {
		t.Error("the session has the planted secret")
	}
	eve.want(401, "GET", "/api/v1/me", nil, nil)

	made := p.browser()
	made.client.Jar, _ = cookiejar.New(nil)
	made.client.Jar.SetCookies(u, []*http.Cookie{{Name: "postferry", Value: "made-up", Path: "/"}})
	made.want(200, "POST", "/api/v1/login", map[string]string{"name": "anna", "password": testPassword}, nil)
	if got := made.client.Jar.Cookies(u)[0].Value; got == "made-up" {
		t.Error("the session has a made-up secret")
	}
}

// TestNoSecretComesOut does what there is to do, and then looks for the secrets
// in answers, log, audit log, metrics and database.
func TestNoSecretComesOut(t *testing.T) {
	p := startPage(t)
	c := p.admin("anna", "")
	u, _ := url.Parse(p.URL())
	secrets := map[string]string{
		"administrator's password": testPassword, "session": c.client.Jar.Cookies(u)[0].Value,
		"account's password": "hunter-old", "new password": "hunter-new", "list's password": "hunter-list", "corrected password": "hunter-fix",
		"tried password": "hunter-tried",
	}
	before := len(p.answers.String()) // the cookie is set before
	d := "/api/v1/domains/a.example"
	c.want(200, "POST", d+"/accounts", map[string]any{"accounts": []admin.AccountInput{{Login: "a", Password: "hunter-old", NewLogin: "b@a.example", NewPassword: "hunter-new"}}}, nil)
	var list admin.ListView
	c.want(201, "POST", d+"/lists", "one@a.example hunter-list\nhunter-list\n\"hunter-list\ntwo@a.example hunter-list x\n", &list)
	c.want(200, "GET", d+"/lists/"+list.ID, nil, nil)
	c.want(409, "POST", d+"/accounts", map[string]any{"list": list.ID}, nil)
	c.want(200, "POST", d+"/accounts", map[string]any{"list": list.ID, "only_good": true}, nil)
	c.want(200, "PATCH", d+"/accounts/1", map[string]string{"old_password": "hunter-fix"}, nil)
	c.want(422, "PATCH", d+"/accounts/1", map[string]string{"old_password": "hunter-fix\n"}, nil)
	c.want(400, "PATCH", d+"/accounts/1", map[string]any{"old_password": []string{"hunter-fix"}}, nil)
	c.want(400, "PATCH", d+"/accounts/1", map[string]any{"hunter-fix": "hunter-fix"}, nil)
	c.want(202, "POST", d+"/check", selection.Selection{All: true}, nil)
	c.want(200, "POST", d+"/begin", selection.Selection{All: true}, nil)
	for _, rt := range p.operations() {
		if rt.method == "GET" {
			c.do("GET", sample(rt.path, "a.example", 1), nil)
		}
	}
	var token struct{ Token string }
	got := p.admin("bert", "").want(201, "POST", "/api/v1/tokens", map[string]string{"name": "monitoring"}, &token)
	secrets["token"] = token.Token
	answers := strings.Replace(p.answers.String()[before:], token.Token, "", 1) // which is told once
	if strings.Count(got.text, token.Token) != 1 {
		t.Error("the new token is not told")
	}
	p.browser().want(401, "POST", "/api/v1/login", map[string]string{"name": "anna", "password": "hunter-tried"}, nil)
	metrics := p.program("").want(200, "GET", "/metrics", nil, nil)
	if !strings.Contains(metrics.text, `postferry_accounts{domain="a.example",state="queued"} 2`) {
		t.Errorf("the metrics lack the accounts:\n%s", metrics.text)
	}
	database, err := os.ReadFile(filepath.Join(p.dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	for what, secret := range secrets {
		for where, text := range map[string]string{"log": p.log.String(), "answers": answers, "metrics": metrics.text, "database": string(database)} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s is in the %s", what, where)
			}
		}
	}
}
