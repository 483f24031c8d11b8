package server

import (
	"crypto/x509"
	"os"
	"slices"
	"strings"
	"testing"

	"postferry/admin"
	"postferry/internal/lab"
)

// TestServersAreTried: servers are tried before they are used, what is typed in wins over what was found, a
// certificate is seen before it is pinned, and two servers that are one are refused.
func TestServersAreTried(t *testing.T) {
	ca := lab.NewCA(t)
	w := &smallWorld{address: "93.184.216.34:993", cert: ca.Issue(t, "mail.a.example"), records: []string{
		"mail.a.example. 300 IN A 93.184.216.34", "other.a.example. 300 IN A 93.184.216.34", "new.example. 300 IN A 93.184.216.40",
		"swapped.example. 300 IN MX 10 new.example."}}
	t.Cleanup(w.wg.Wait)
	p := startPage(t, func(opt *Options) {
		opt.Finder.Resolvers, opt.Finder.Roots, opt.Finder.Dial = []string{"9.9.9.9:53"}, ca.Pool(), w.dial
	})
	b, c := p.admin("root", ""), p.program("")
	old := func(domain string) string {
		d, ok := p.directory.DomainNamed(domain)
		if !ok {
			return ""
		}
		return admin.ViewServer(d.Old).URL + " " + admin.ViewServer(d.Old).Fingerprint
	}
	for _, tt := range []struct {
		name   string
		fields []string
		shows  []string // on the page that is shown again; none if it was saved
		stored string
	}{
		{"right", []string{"host", "mail.a.example", "do", "save"}, nil, "imaps://mail.a.example "},
		{"typed in beside one that was found", []string{"old", "imaps://found.example ", "host", "mail.a.example", "do", "save"}, nil, "imaps://mail.a.example "},
		{"a test saves nothing", []string{"host", "mail.a.example", "do", "test", "new", "imaps://nowhere.a.example"},
			[]string{"Can be used.", "Can&#39;t be used like this.", "Test connection", "Nothing has been saved"}, ""},
		{"nobody there", []string{"host", "nowhere.a.example", "do", "save"}, []string{"Can&#39;t be used like this.", "Use them anyway"}, ""},
		{"all the same", []string{"host", "nowhere.a.example", "do", "anyway"}, nil, "imaps://nowhere.a.example "},
		{"another name", []string{"host", "other.a.example", "do", "save"}, []string{`name="pin_old"`, "Certificate for", "mail.a.example"}, ""},
		{"pinned", []string{"host", "other.a.example", "do", "save", "pin_old", onePin}, []string{`name="pin_old"`}, ""}, // not its certificate
		{"swapped", []string{"host", "mail.a.example", "do", "save"}, []string{"perhaps old and new server are mixed up", "Use them anyway"}, ""},
		{"one server", []string{"host", "mail.a.example", "do", "anyway", "new", "imaps://other.a.example"}, []string{"one and the same"}, ""},
	} {
		domain := strings.ReplaceAll(tt.name, " ", "-") + ".example"
		status, _, page := b.form("/domains", append(slices.Clone(tt.fields), "domain", domain, "security", "tls", "protocol", "imap", "new", "imaps://new.example")...)
		if got := old(domain); got != tt.stored {
			t.Errorf("%s: %d, stored %q, want %q", tt.name, status, got, tt.stored)
		}
		for _, text := range tt.shows {
			if !strings.Contains(page, text) {
				t.Errorf("%s: the page lacks %q", tt.name, text)
			}
		}
		if tt.name == "another name" {
			p.pinsWhatIsShown(b, page, domain)
		}
	}
	var tried admin.TriedServers
	c.want(200, "POST", aDomain+"/try", map[string]any{"old": "imaps://mail.a.example", "new": "imap://other.a.example"}, &tried)
	if tried.Old.OK || tried.New == nil || !tried.Same { // what leads to the new server is no old one
		t.Errorf("%+v", tried)
	}
	got := c.want(422, "PUT", aDomain, map[string]any{"old": "imaps://mail.a.example", "new": "imap://other.a.example"}, nil)
	if !strings.Contains(got.text, `"server_same"`) {
		t.Error(got.text)
	}
	const swapped = "/api/v1/domains/swapped.example"
	in := map[string]any{"old": "imaps://mail.a.example", "new": "imaps://new.example"}
	if got = c.want(409, "PUT", swapped, in, nil); !strings.Contains(got.text, `"servers_swapped"`) || old("swapped.example") != "" {
		t.Error(got.text)
	}
	in["accept_swapped"] = true
	c.want(201, "PUT", swapped, in, nil)
	c.want(200, "PUT", swapped, map[string]any{"old": "imaps://mail.a.example", "enrol": false}, nil) // as it is
}

// TestServersByTheirOwnAuthority: a certificate of an authority that nobody knows is accepted when that is given, by page and API.
func TestServersByTheirOwnAuthority(t *testing.T) {
	ca := lab.NewCA(t)
	text, err := os.ReadFile(ca.File)
	if err != nil {
		t.Fatal(err)
	}
	authority := string(text)
	w := &smallWorld{address: "93.184.216.34:993", cert: ca.Issue(t, "mail.a.example"), records: []string{"mail.a.example. 300 IN A 93.184.216.34"}}
	t.Cleanup(w.wg.Wait)
	p := startPage(t, func(opt *Options) {
		opt.Finder.Resolvers, opt.Finder.Roots, opt.Finder.Dial = []string{"9.9.9.9:53"}, x509.NewCertPool(), w.dial
	})
	b, c := p.admin("root", ""), p.program("")
	form := func(ca string) (string, bool) {
		t.Helper()
		_, _, page := b.form("/domains", "domain", "own.example", "host", "mail.a.example", "security", "tls", "protocol", "imap", "new", "imaps://new.example", "old_ca", ca, "do", "save")
		_, known := p.directory.DomainNamed("own.example")
		return page, known
	}
	if page, known := form(""); known || !strings.Contains(page, `name="pin_old"`) {
		t.Errorf("without the authority it is used: %v", known)
	}
	if page, known := form("no certificate"); known || !strings.Contains(page, "these are no certificates in PEM form") {
		t.Errorf("a mistake is not told:\n%s", page)
	}
	if page, known := form(strings.ReplaceAll(authority, "\n", "\r\n")); !known {
		t.Fatalf("with the authority it is not used:\n%s", page)
	}
	d, _ := p.directory.DomainNamed("own.example")
	if roots, err := d.Old.Roots(); err != nil || roots == nil || d.New.Authorities != "" {
		t.Errorf("the engine has %q: %v", d.Old.Authorities, err)
	}
	var v admin.DomainView
	c.want(200, "PUT", "/api/v1/domains/own.example", map[string]any{"new_ca": authority, "way_back": true}, &v)
	if v.Old.CA != v.New.CA || !strings.HasPrefix(v.New.CA, "-----BEGIN CERTIFICATE-----") || !v.WayBack {
		t.Errorf("%+v", v)
	}
	p.program("own.example").want(403, "PUT", "/api/v1/domains/own.example", map[string]any{"new_ca": ""}, nil)
	stored, err := p.store.Domains(t.Context())
	if err != nil || len(stored) == 0 || stored[len(stored)-1].NewCA != v.New.CA {
		t.Errorf("%+v, %v", stored, err)
	}
}

// pinsWhatIsShown ticks the box beside a certificate, and wants that one to be pinned.
func (p *page) pinsWhatIsShown(b *caller, page, domain string) {
	p.t.Helper()
	_, rest, _ := strings.Cut(page, `name="pin_old" value="`)
	pin, _, _ := strings.Cut(rest, `"`)
	_, _, page = b.form("/domains", "domain", domain, "host", "other.a.example", "security", "tls", "protocol", "imap", "new", "imaps://new.example", "pin_old", pin, "do", "save")
	d, ok := p.directory.DomainNamed(domain)
	if !ok || len(d.Old.Fingerprint) != 32 || admin.ViewServer(d.Old).Fingerprint != strings.ReplaceAll(pin, ":", "") {
		p.t.Errorf("pinned %q: %v, %+v\n%s", pin, ok, d, page)
	}
}

// TestEmptyDomain: one without accounts can be corrected and removed from the page that it leads to.
func TestEmptyDomain(t *testing.T) {
	p := startPage(t)
	b := p.admin("root", "")
	status, at, page := b.form("/domains", "domain", "c.example", "host", "old.c.example", "security", "tls", "protocol", "imap", "new", "imaps://new.example", "do", "anyway")
	shows(t, "an empty domain", status, 200, page, `href="/d/c.example/servers"`, `action="/d/c.example/delete"`, "Download a list")
	if !strings.HasPrefix(at, "/d/c.example/accounts/new") {
		t.Errorf("it leads to %s", at)
	}
	got := b.do("GET", "/d/c.example/accounts/template.csv", nil)
	status, _, page = b.upload("/d/c.example/accounts/list", "list.csv", strings.ReplaceAll(got.text, "the password", "secret"))
	shows(t, "the filled-in list", status, 200, page, "2 accounts were added")
	status, _, page = b.form("/d/c.example/do", "do", "begin", "all", "1")
	shows(t, "begun", status, 200, page, "Stop all")
	status, _, page = b.form("/d/c.example/do", "do", "stop", "all", "1")
	shows(t, "the question", status, 200, page, "Stop all accounts? 2 accounts have been begun.", `name="sure"`)
	status, _, page = b.form("/d/c.example/do", "do", "stop", "all", "1", "sure", "1")
	shows(t, "stopped", status, 200, page, "2 accounts were stopped")
	status, _, page = b.form("/d/c.example/do", "do", "remove", "all", "1")
	shows(t, "the question", status, 200, page, "Remove 2 accounts?", `name="sure"`)
	status, _, page = b.form("/d/c.example/do", "do", "resume", "matching", "1", "search", "anna")
	shows(t, "those that were found", status, 200, page, "1 account goes on.")
	status, _, page = b.form("/d/c.example/accounts", "login-2", "eve@elsewhere.example", "password-2", "x")
	shows(t, "a mistake", status, 422, page, `aria-invalid="true"`)
	if wrong := strings.Index(page, `class="wrong"`); wrong < strings.Index(page, "Account 2") || wrong > strings.Index(page, "Account 3") {
		t.Error("the mistake is not shown at its account")
	}
}
