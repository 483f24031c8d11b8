package server

import (
	"net/url"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/admin"
	"postferry/admin/web"
)

// pageRights say what a page's form is sent with, and who may: status 0 is for what
// is shown, or leads on to a page.
type pageRights struct {
	form                      string
	foreign, own, all, nobody int
	also                      []string // other forms that the page takes; whoever may not is refused as with the first
}

// pages that are not below a domain, and all forms.
func rightsToPages() map[string]pageRights {
	nobody := func(r pageRights) pageRights {
		r.nobody = 401
		return r
	}
	form := func(text string) pageRights { return nobody(pageRights{form: text, foreign: 404}) }
	ofEverything := func(text string) pageRights { return nobody(pageRights{form: text, foreign: 403, own: 403}) }
	forms := func(r pageRights, also ...string) pageRights {
		r.also = also
		return r
	}
	return map[string]pageRights{
		"GET /{$}": {}, "GET /audit": {}, "GET /access": {}, "GET /domains/new": {}, "GET /login": {}, "GET /static/": {},
		"GET /welcome": {}, "POST /language": {form: "language=de&back=/"}, "POST /login": {form: "name=anna&password=" + url.QueryEscape(testPassword)},
		"POST /welcome": {form: "code=CODE&name=eve&password=" + url.QueryEscape(testPassword) + "&again=" + url.QueryEscape(testPassword)},
		"/":             {foreign: 404, own: 404, all: 404, nobody: 404},
		"POST /logout":  nobody(pageRights{}),
		"POST /access/password": nobody(pageRights{
			form: "old_password=" + url.QueryEscape(testPassword) + "&password=another+horse+battery&again=another+horse+battery"}),
		"POST /access/admins":                          ofEverything("name=eve&password=" + url.QueryEscape(testPassword)),
		"POST /access/admins/delete":                   ofEverything("name=bert"),
		"POST /access/tokens":                          nobody(pageRights{form: "name=panel&domain=" + ownDomain}), // whoever has a scope gets it
		"POST /access/tokens/revoke":                   form("id=1"),
		"POST /domains":                                forms(form("domain="+ownDomain+"&old=other&host=imap.old-provider.example&protocol=imap&known=1"), "domain="+ownDomain+"&old=other&host=imap.other.example&do=test"),
		"POST /domains/new":                            form("domain=anna@" + ownDomain),
		"POST /d/{domain}/delete":                      nobody(pageRights{foreign: 404, own: 403}),
		"POST /d/{domain}/advice":                      form(""),
		"POST /d/{domain}/finish":                      form("sure=1&accept=1"),
		"POST /d/{domain}/finish/prepare":              forms(form("do=prepare"), "do=cancel"),
		"POST /d/{domain}/forget":                      nobody(pageRights{form: "sure=1", foreign: 404, own: 403}),
		"POST /d/{domain}/do":                          forms(form("do=again&all=1"), "do=begin&all=1", "do=stop&all=1", "do=remove&all=1", "do=remove&all=1&sure=1"),
		"POST /d/{domain}/settings":                    form("skip=Backup"),
		"POST /d/{domain}/recipients":                  forms(nobody(pageRights{form: "do=remove&to=post@x.example", foreign: 404, own: 403}), "do=add&to=post@x.example&language=de"),
		"POST /d/{domain}/webhooks":                    forms(nobody(pageRights{form: "do=add&url=https://hook.example/&language=de", foreign: 404, own: 403}), "do=remove&id=w1", "do=test&id=w1"),
		"POST /d/{domain}/schedule":                    forms(form("hours=24"), "do=none"),
		"POST /d/{domain}/check":                       forms(form("do=check"), "do=cancel"),
		"POST /d/{domain}/verify":                      forms(form("do=verify"), "do=cancel"),
		"POST /d/{domain}/accounts":                    form("login-1=eve@" + ownDomain + "&password-1=secret"),
		"POST /d/{domain}/accounts/list":               form("LIST"),
		"POST /d/{domain}/lists/{list}":                forms(form("do=take"), "do=drop"),
		"POST /d/{domain}/a/{account}":                 form("old_password=secret"),
		"POST /d/{domain}/a/{account}/alias":           forms(form("do=apart"), "do=same"),
		"POST /d/{domain}/a/{account}/mailbox":         form("verdict=accept"),
		"POST /d/{domain}/a/{account}/quarantine":      form("message=1.1.0001"),
		"POST /d/{domain}/a/{account}/folder/{folder}": form("verdict=deleted"),
		// How to sign in is for those who look after everything.
		"GET /d/{domain}/connect":   {foreign: 404, own: 403},
		"GET /d/{domain}/mailboxes": {foreign: 404, own: 403, all: 422},
		"POST /d/{domain}/connect": forms(nobody(pageRights{form: "do=test", foreign: 404, own: 403, all: 422}),
			"do=save&side=new&kind=master&master_login=m&master_password=p", "do=forget", "do=forget&side=new"),
		// What people agree to is their domain's matter.
		"POST /d/{domain}/consents":  forms(form("do=code&mailbox=anna@"+ownDomain), "do=browser&mailbox=anna@"+ownDomain, "do=cancel&id=1", "do=forget&mailbox=anna@"+ownDomain),
		"GET /consent/back":          {foreign: 409, own: 409, all: 409}, // nobody was sent to a provider
		"POST /d/{domain}/mailboxes": forms(nobody(pageRights{form: "do=all", foreign: 404, own: 403, all: 422}), "mailbox=anna@"+ownDomain),
		// What is no page, but asked for in the same way.
		"GET /events?domain={domain}": {foreign: 404, nobody: 401}, "GET /metrics": {foreign: 403, own: 403, nobody: 401}, "GET /healthz": {},
	}
}

// TestPageRights asks for every page and sends every form as nobody, as who looks after
// another domain, after this one, and after everything. A page that joins is asked for as
// well; a form fails here until it is said what it is sent with.
func TestPageRights(t *testing.T) {
	table := rightsToPages()
	pages, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	site := web.New(&admin.Service{}, nil, zerolog.Nop(), pages)
	patterns := []string{"GET /events?domain={domain}", "GET /metrics", "GET /healthz"}
	for _, rt := range site.Routes() {
		patterns = append(patterns, rt.Pattern)
	}
	for _, pattern := range patterns {
		r, said := table[pattern]
		delete(table, pattern)
		switch {
		case said:
		case strings.HasPrefix(pattern, "GET /d/{domain}"):
			r = pageRights{foreign: 404}
		default:
			t.Errorf("%s: rightsToPages does not say who may, and with what", pattern)
			continue
		}
		method, path, _ := strings.Cut(pattern, " ")
		if path == "" {
			method, path = "GET", "/nothing/here"
		}
		path = strings.NewReplacer("{$}", "", "/static/", "{style}").Replace(path)
		all := func(s *scene) { s.wantPage(s.all[1], "session of everything", r.form, r.all) }
		t.Run(pattern, func(t *testing.T) {
			s := newPageScene(t, method, path)
			s.outsidersOfPage(r)
			if method == "GET" { // nothing was changed
				all(s)
			}
		})
		if method != "GET" {
			t.Run(pattern+" as session of everything", func(t *testing.T) { all(newPageScene(t, method, path)) })
		}
	}
	for pattern := range table {
		t.Errorf("rightsToPages has %s, which nobody answers", pattern)
	}
}

func newPageScene(t *testing.T, method, path string) *scene {
	return newScene(t, &scene{method: method, path: path, things: map[string]string{
		"domain": ownDomain, "account": "1", "run": "1", "message": "1.1.0001", "folder": "1", "list": "unknown", "report": "1.html"}})
}

// outsidersOfPage asks as those who may not, sees that nothing has come of it, and then
// as the domain's own administrator.
func (s *scene) outsidersOfPage(r pageRights) {
	for _, form := range append([]string{r.form}, r.also...) {
		s.wantPage(s.nobody, "nobody", form, r.nobody)
		s.wantPage(s.foreign[1], "foreign session", form, r.foreign)
		if r.own != 0 && form != r.form {
			s.wantPage(s.own[1], "own session", form, r.own)
		}
	}
	if r.nobody != 0 && r.foreign != 0 {
		if after := s.state(); after != s.before {
			s.t.Errorf("something was done:\n%s\nbefore:\n%s", after, s.before)
		}
	}
	s.foreignThings["list"] = s.listOf(s.foreign[1])
	for param, thing := range s.foreignThings {
		if !strings.Contains(s.path, "{"+param+"}") {
			continue
		}
		mine := s.things
		s.things = s.with(param, thing)
		s.wantPage(s.own[1], "own session with another domain's "+param, r.form, 404)
		s.things = mine
	}
	s.wantPage(s.own[1], "own session", r.form, r.own)
}

// wantPage asks for a page, or sends its form.
func (s *scene) wantPage(c *caller, kind, form string, status int) {
	s.t.Helper()
	things := s.things
	if things["list"] == "unknown" && c != s.nobody && strings.Contains(s.path, "{list}") {
		things = s.with("list", s.listOf(c))
	}
	path := strings.ReplaceAll(s.path, "{style}", s.style())
	for name, thing := range things {
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(thing))
	}
	var got reply
	switch {
	case s.method == "GET" && strings.Contains(path, "live") || strings.HasPrefix(path, "/events"):
		got = s.begin(c, path)
	case form == "LIST":
		got = c.do(s.method, path, "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\neve@"+ownDomain+" secret\r\n--b--\r\n",
			"Content-Type", "multipart/form-data; boundary=b")
	case s.method == "POST":
		got = c.do(s.method, path, strings.ReplaceAll(form, "CODE", s.newCode()), "Content-Type", "application/x-www-form-urlencoded")
	default:
		got = c.do(s.method, path, nil)
	}
	toLogin := strings.HasPrefix(got.Header.Get("Location"), "/login?next=")
	done := got.StatusCode == 200 || got.StatusCode == 303
	switch {
	case kind == "nobody" && status == 0 && (s.path == "/" || strings.HasPrefix(s.path, "/d") || s.path == "/audit" || s.path == "/access" || s.path == admin.ConsentPath):
		if !toLogin {
			s.t.Errorf("%s %s as nobody: %s, and not on to the login", s.method, path, got.Status)
		}
	case status == 0 && (!done || toLogin), status != 0 && got.StatusCode != status:
		s.t.Errorf("%s %s as %s: %s to %q, want %d\n%s", s.method, path, kind, got.Status, got.Header.Get("Location"), status, got.text)
	}
	if (strings.HasPrefix(kind, "foreign") || kind == "nobody") && strings.Contains(got.text, "anna@"+ownDomain) {
		s.t.Errorf("%s %s as %s tells of an account:\n%s", s.method, path, kind, got.text)
	}
}

// style is the address of the style sheet.
func (p *page) style() string {
	p.t.Helper()
	login := p.browser().want(200, "GET", "/login", nil, nil)
	_, rest, _ := strings.Cut(login.text, `rel="stylesheet" href="`)
	address, _, found := strings.Cut(rest, `"`)
	if !found {
		p.t.Fatalf("no style sheet:\n%s", login.text)
	}
	return address
}

// begin opens a stream of events and leaves it.
func (s *scene) begin(c *caller, path string) reply {
	s.t.Helper()
	resp, err := c.client.Get(c.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return reply{resp, ""}
}
