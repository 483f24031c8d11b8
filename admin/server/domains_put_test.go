package server

import (
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/internal/lab"
	"postferry/internal/lab/browser"
	"postferry/store"
)

const (
	onePin   = "AA11111111111111111111111111111111111111111111111111111111111111"
	otherPin = "BB22222222222222222222222222222222222222222222222222222222222222"
)

// domainFields are all that can be said of a domain, with another value for each.
var domainFields = map[string]any{
	"old": "pop3://elsewhere.example:1110", "new": "imap://other.example:1143", "old_fingerprint": otherPin, "new_fingerprint": otherPin,
	"enrol": false, "old_public_only": true, "old_tls": "1.2", "old_ca": "", "new_ca": "", "way_back": true,
	"folders": admin.FolderRules{Skip: []string{"Spam"}, Rename: map[string]string{"Sent Items": "Sent"}, CopyShared: true}, "limits": admin.LimitRules{MessagesPerSecond: 7},
	"recipients": []admin.RecipientInput{{To: "post@a.example", Language: "de"}},
}

// fieldsOf are the values of a domain as it is, by their names.
func fieldsOf(d *admin.DomainView) map[string]any {
	return map[string]any{"old": d.Old.URL, "new": d.New.URL, "old_fingerprint": d.Old.Fingerprint, "new_fingerprint": d.New.Fingerprint,
		"enrol": d.Enrol, "old_public_only": d.Old.PublicOnly, "old_tls": d.Old.TLS, "folders": d.Folders, "limits": d.Limits,
		"old_ca": d.Old.CA, "new_ca": d.New.CA, "way_back": d.WayBack, "recipients": recipientsOf(d)}
}

// recipientsOf are those of a domain that were not set in the configuration.
func recipientsOf(d *admin.DomainView) []admin.RecipientInput {
	all := []admin.RecipientInput{}
	for _, r := range d.Recipients {
		if !r.Fixed {
			all = append(all, admin.RecipientInput{To: strings.Join(r.To, ", "), Language: r.Language})
		}
	}
	return all
}

// authority is the certificate of one that nobody knows, PEM.
func authority(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(lab.NewCA(t).File)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAbsentIsUnchanged: what a PUT doesn't say stays as it was, for every field.
func TestAbsentIsUnchanged(t *testing.T) {
	const accepts = 1 // accept_swapped is about the request
	if n := reflect.TypeFor[admin.DomainInput]().NumField() - accepts; n != len(domainFields) {
		t.Fatalf("a domain has %d fields, the test knows %d", n, len(domainFields))
	}
	p := startPage(t, func(opt *Options) { opt.Config.Notify.SMTP.Host = "mail.example" })
	c := p.program("")
	authority := authority(t)
	whole := map[string]any{"old_ca": authority, "new_ca": authority, "way_back": false, "old": "imaps://old.example", "new": "imaps://new.example", "old_fingerprint": onePin, "new_fingerprint": onePin, "enrol": true, "old_public_only": false, "old_tls": "1.0",
		"folders": admin.FolderRules{Skip: []string{"Trash"}, Rename: map[string]string{}}, "limits": admin.LimitRules{BytesPerSecond: 9000},
		"recipients": []admin.RecipientInput{{To: "boss@a.example", Language: "en"}}}
	for name, value := range domainFields {
		var d admin.DomainView
		c.want(200, "PUT", aDomain, whole, &d)
		if got := fieldsOf(&d); !reflect.DeepEqual(got, whole) {
			t.Fatalf("set to %v, want %v", got, whole)
		}
		for _, in := range []map[string]any{{}, {name: value}} {
			want := map[string]any{}
			for k, v := range whole {
				want[k] = v
			}
			for k, v := range in {
				want[k] = v
			}
			c.want(200, "PUT", aDomain, in, &d)
			stored, err := p.storedDomain("a.example")
			if err != nil {
				t.Fatal(err)
			}
			known, err := admin.DomainOf(*stored)
			if err != nil {
				t.Fatal(err)
			}
			inUse, _ := p.directory.DomainNamed("a.example")
			if got := fieldsOf(&d); !reflect.DeepEqual(got, want) || !reflect.DeepEqual(*inUse, known) {
				t.Errorf("after %v it is %v, want %v; in use is %+v", in, got, want, inUse)
			}
		}
	}
	var d admin.DomainView
	c.want(200, "PUT", aDomain, whole, nil)
	c.want(200, "PUT", aDomain, map[string]any{"new": ""}, &d)
	if got := fieldsOf(&d); !reflect.DeepEqual(got, whole) {
		t.Errorf("after an empty new server it is %v", got)
	}
}

// TestDomainAudit: the audit log says what was changed, from what to what.
func TestDomainAudit(t *testing.T) {
	p := startPage(t)
	c := p.program("")
	const path = "/api/v1/domains/new.example"
	for _, x := range []struct {
		in   map[string]any
		want string
	}{
		{map[string]any{"old": "imaps://old.new.example", "new_fingerprint": onePin},
			"old: imaps://old.new.example, new: imaps://new.example, new_fingerprint: " + onePin},
		{map[string]any{"new_fingerprint": otherPin}, "new_fingerprint: " + onePin + " -> " + otherPin},
		{map[string]any{"new_fingerprint": ""}, "new_fingerprint: " + otherPin + " -> none"},
		{map[string]any{"old_fingerprint": onePin, "enrol": true}, "old_fingerprint: " + onePin + ", enrol: false -> true"},
		{map[string]any{"old": "imap://other.example"}, "old: imaps://old.new.example -> imap://other.example"},
		{map[string]any{"old_public_only": true}, "old_public_only: false -> true"},
		{map[string]any{"way_back": true}, "way_back: false -> true"},
		{map[string]any{"old_tls": "1.0"}, "old_tls: 1.2 -> 1.0"},
		{map[string]any{"old_tls": "1.2"}, "old_tls: 1.0 -> 1.2"},
		{map[string]any{}, ""},
	} {
		c.do("PUT", path, x.in)
		var log struct{ Entries []access.AuditView }
		c.want(200, "GET", "/api/v1/audit?domain=new.example", nil, &log)
		if len(log.Entries) == 0 || log.Entries[0].Action != "put_domain" || log.Entries[0].Detail != x.want {
			t.Errorf("%v: the audit log says %+v, want %q", x.in, log.Entries, x.want)
		}
	}
}

// serversForm is the form of a.example's servers as it is shown.
func (c *caller) serversForm() url.Values {
	c.t.Helper()
	got := c.do("GET", "/d/a.example/servers", nil)
	if got.StatusCode != 200 {
		c.t.Fatalf("the form: %s", got.Status)
	}
	return browser.Form(c.t, got.text, "/domains")
}

// sendForm sends a form with changes.
func (c *caller) sendForm(values url.Values, changes map[string]string) (status int, text string) {
	c.t.Helper()
	for name, value := range changes {
		values.Set(name, value)
		if value == "" {
			values.Del(name)
		}
	}
	status, _, text = c.send("/domains", "application/x-www-form-urlencoded", strings.NewReader(values.Encode()))
	return status, text
}

// TestFormKeepsTheRest: saving the form changes what the person has changed in it and
// nothing else, whatever the API has set before or meanwhile.
func TestFormKeepsTheRest(t *testing.T) {
	p := startPage(t, func(opt *Options) { opt.Config.Notify.SMTP.Host = "mail.example" })
	c := p.program("")
	b := p.admin("root", "")
	starts := []map[string]any{
		{"old": "imaps://old.example", "new": "imaps://new.example", "old_fingerprint": onePin, "new_fingerprint": onePin, "enrol": true, "old_public_only": false, "old_tls": "1.0"},
		{"old": "pop3://[2001:db8::1]:1110", "new": "imap://new.example:1143", "old_fingerprint": "", "new_fingerprint": onePin, "enrol": false, "old_public_only": true, "old_tls": "1.2"},
		{"old": "imap+insecure://127.0.0.1", "new": "imap+insecure://127.0.0.2", "old_fingerprint": "", "new_fingerprint": "", "enrol": true, "old_public_only": false, "old_tls": "1.2"},
	}
	for _, start := range starts {
		start["folders"] = admin.FolderRules{Skip: []string{"Old"}, Rename: map[string]string{"A": "B"}, CopyViews: true}
		start["limits"] = admin.LimitRules{MessagesPerSecond: 3, Connections: new(uint64(2))}
		start["old_ca"], start["new_ca"], start["way_back"] = "", "", false
		start["recipients"] = []admin.RecipientInput{}
	}
	starts[0]["old_ca"], starts[0]["new_ca"] = authority(t), authority(t)
	changes := []struct {
		form map[string]string
		want map[string]any
	}{
		{nil, nil},
		{map[string]string{"new": "imaps://third.example"}, map[string]any{"new": "imaps://third.example"}},
		{map[string]string{"new_fingerprint": otherPin, "new": "imaps://new.example"}, map[string]any{"new_fingerprint": otherPin, "new": "imaps://new.example"}},
		{map[string]string{"host": "third.example", "security": "tls", "protocol": "imap", "port": ""}, map[string]any{"old": "imaps://third.example"}},
		{map[string]string{"fingerprint": otherPin, "security": "tls", "protocol": "imap", "port": "", "host": "x.example"}, map[string]any{"old_fingerprint": otherPin, "old": "imaps://x.example"}},
		{map[string]string{"enrol": ""}, map[string]any{"enrol": false}},
		{map[string]string{"enrol": "1"}, map[string]any{"enrol": true}},
		{map[string]string{"public_only": "1"}, map[string]any{"old_public_only": true}},
		{map[string]string{"old_tls": ""}, map[string]any{"old_tls": "1.2"}},
	}
	for i, start := range starts {
		for _, change := range changes {
			c.want(200, "PUT", aDomain, start, nil)
			values := b.serversForm()
			if status, text := b.sendForm(values, change.form); status != 200 {
				t.Errorf("%d, %v: %d\n%s", i, change.form, status, text)
			}
			want := map[string]any{}
			for k, v := range start {
				want[k] = v
			}
			for k, v := range change.want {
				want[k] = v
			}
			if change.want["old"] != nil {
				want["old_public_only"] = false // those of everything have chosen it
			}
			var d admin.DomainView
			c.want(200, "GET", aDomain, nil, &d)
			if got := fieldsOf(&d); !reflect.DeepEqual(got, want) {
				t.Errorf("%d, %v: got %v, want %v", i, change.form, got, want)
			}
		}
	}
	// What the API sets while the form is open stays, too.
	for name, value := range domainFields {
		c.want(200, "PUT", aDomain, starts[0], nil)
		values := b.serversForm()
		c.want(200, "PUT", aDomain, map[string]any{name: value}, nil)
		if status, text := b.sendForm(values, nil); status != 200 {
			t.Errorf("%s: %d\n%s", name, status, text)
		}
		var d admin.DomainView
		c.want(200, "GET", aDomain, nil, &d)
		if got := fieldsOf(&d)[name]; !reflect.DeepEqual(got, value) {
			t.Errorf("%s is %v after the form was saved, want %v", name, got, value)
		}
	}
	// A form of which nothing came but the name.
	c.want(200, "PUT", aDomain, starts[0], nil)
	b.sendForm(url.Values{"domain": {"a.example"}}, nil)
	var d admin.DomainView
	c.want(200, "GET", aDomain, nil, &d)
	if got := fieldsOf(&d); !reflect.DeepEqual(got, starts[0]) {
		t.Errorf("an empty form made it %v", got)
	}
}

// TestFormKeepsMistakes: a form with a mistake is shown as it was sent, and changes no more
// than before when it is sent again.
func TestFormKeepsMistakes(t *testing.T) {
	p := startPage(t)
	c, b := p.program(""), p.admin("root", "")
	start := map[string]any{"old": "imaps://old.example", "new": "imaps://new.example", "old_fingerprint": onePin, "new_fingerprint": onePin, "enrol": true, "old_public_only": false, "old_tls": "1.0"}
	c.want(200, "PUT", aDomain, start, nil)
	status, text := b.sendForm(b.serversForm(), map[string]string{"new_fingerprint": "nonsense"})
	shows(t, "a wrong fingerprint", status, 422, text, "Fingerprint of the new server: this is not a SHA-256", "nonsense")
	c.want(200, "PUT", aDomain, map[string]any{"enrol": false}, nil) // meanwhile
	status, text = b.sendForm(browser.Form(t, text, "/domains"), map[string]string{"new_fingerprint": otherPin})
	shows(t, "the right one", status, 200, text, "The servers were changed")
	var d admin.DomainView
	c.want(200, "GET", aDomain, nil, &d)
	if d.New.Fingerprint != otherPin || d.Enrol || d.Old.Fingerprint != onePin {
		t.Errorf("it is %+v", d)
	}
}

// TestWhatACustomerMaySet: those who look after one domain choose its old server as long
// as no passwords go there but those they bring.
func TestWhatACustomerMaySet(t *testing.T) {
	const here = "imaps://old.a.example"
	another, pem, wayBack := map[string]any{"old": "imaps://catcher.example"}, authority(t), store.DomainRules{WayBack: true}
	for name, x := range map[string]struct {
		was     store.Domain
		account bool
		in      map[string]any
		status  int
		code    string
		setBy   store.Setter // afterwards; of what is refused it stays
	}{
		"another host":                    {in: another, status: 200, setBy: store.SetByDomain},
		"another port":                    {in: map[string]any{"old": here + ":1993"}, status: 200, setBy: store.SetByDomain},
		"of everything before":            {was: store.Domain{OldSetBy: store.SetByAll}, in: another, status: 200, setBy: store.SetByDomain},
		"a fingerprint":                   {was: store.Domain{OldSetBy: store.SetByAll}, in: map[string]any{"old_fingerprint": onePin}, status: 200, setBy: store.SetByAll},
		"the same":                        {was: store.Domain{OldSetBy: store.SetByAll}, account: true, in: map[string]any{"old": here}, status: 200, setBy: store.SetByAll},
		"the same, written otherwise":     {account: true, in: map[string]any{"old": "IMAPS://old.a.example:993", "enrol": false}, status: 200},
		"nothing":                         {account: true, in: map[string]any{}, status: 200},
		"nothing, enrolment":              {was: store.Domain{Enrol: true}, account: true, in: map[string]any{}, status: 200},
		"no enrolment any more":           {was: store.Domain{Enrol: true}, account: true, in: map[string]any{"enrol": false}, status: 200},
		"host, with accounts":             {account: true, in: another, status: 403, code: "old_server_in_use"},
		"port, with accounts":             {account: true, in: map[string]any{"old": here + ":1993"}, status: 403, code: "old_server_in_use"},
		"security, with accounts":         {account: true, in: map[string]any{"old": "imap://old.a.example:993"}, status: 403, code: "old_server_in_use"},
		"protocol, with accounts":         {account: true, in: map[string]any{"old": "pop3s://old.a.example"}, status: 403, code: "old_server_in_use"},
		"fingerprint, with accounts":      {account: true, in: map[string]any{"old_fingerprint": onePin}, status: 403, code: "old_server_in_use"},
		"no fingerprint, with accounts":   {was: store.Domain{OldFingerprint: make([]byte, 32)}, account: true, in: map[string]any{"old_fingerprint": ""}, status: 403, code: "old_server_in_use"},
		"answering for it, with accounts": {was: store.Domain{OldSetBy: store.SetByAll}, account: true, in: map[string]any{"old_public_only": true}, status: 403, code: "old_server_in_use", setBy: store.SetByAll},
		"old encryption":                  {in: map[string]any{"old_tls": "1.0"}, status: 200},
		"old encryption, with accounts":   {account: true, in: map[string]any{"old_tls": "1.0"}, status: 403, code: "old_server_in_use"},
		"old encryption, with enrolment":  {was: store.Domain{Enrol: true}, in: map[string]any{"old_tls": "1.0"}, status: 403, code: "old_server_enrol"},
		"old encryption as before":        {was: store.Domain{OldTLS10: true}, account: true, in: map[string]any{"old_tls": "1.0"}, status: 200},
		"no old encryption any more":      {was: store.Domain{OldTLS10: true, Enrol: true}, account: true, in: map[string]any{"old_tls": "1.2"}, status: 200},
		"host, while people may enrol":    {was: store.Domain{Enrol: true}, in: another, status: 403, code: "old_server_enrol"},
		"host, and no enrolment":          {was: store.Domain{Enrol: true}, in: map[string]any{"old": "imaps://catcher.example", "enrol": false}, status: 403, code: "old_server_enrol"},
		"enrolment":                       {in: map[string]any{"enrol": true}, status: 403, code: "enrol_fixed"},
		"enrolment at a server accepted":  {was: store.Domain{OldSetBy: store.SetByAll}, in: map[string]any{"enrol": true}, status: 403, code: "enrol_fixed", setBy: store.SetByAll},
		"without TLS":                     {in: map[string]any{"old": "imap+insecure://old.a.example"}, status: 403, code: "old_server_insecure"},
		"POP3 without TLS":                {in: map[string]any{"old": "POP3+INSECURE://old.a.example"}, status: 403, code: "old_server_insecure"},
		"accepting one's own":             {was: store.Domain{OldSetBy: store.SetByDomain}, in: map[string]any{"old_public_only": false}, status: 403, code: "forbidden", setBy: store.SetByDomain},
		"accepting another":               {was: store.Domain{OldSetBy: store.SetByAll}, in: map[string]any{"old": "imaps://10.0.0.1", "old_public_only": false}, status: 403, code: "forbidden", setBy: store.SetByAll},
		"accepting with accounts":         {account: true, in: map[string]any{"old_public_only": false}, status: 403, code: "forbidden"},
		"the new server":                  {in: map[string]any{"new": "imaps://elsewhere.example"}, status: 403, code: "new_server_fixed"},
		"an authority":                    {in: map[string]any{"old_ca": pem}, status: 200},
		"an authority, with accounts":     {account: true, in: map[string]any{"old_ca": pem}, status: 403, code: "old_server_in_use"},
		"the new server's authority":      {in: map[string]any{"new_ca": pem}, status: 403, code: "new_server_fixed"},
		"a way back":                      {account: true, in: map[string]any{"way_back": true}, status: 403, code: "way_back_fixed"},
		"a way back from the start":       {in: map[string]any{"old": "imaps://catcher.example", "way_back": true}, status: 403, code: "way_back_fixed"},
		"a way back as before":            {was: store.Domain{Rules: wayBack}, account: true, in: map[string]any{"way_back": true}, status: 200},
		"no way back any more":            {was: store.Domain{Rules: wayBack}, account: true, in: map[string]any{"way_back": false}, status: 200},
		"host, while mail goes back":      {was: store.Domain{Rules: wayBack}, in: another, status: 403, code: "old_server_way_back"},
		"host, and no way back":           {was: store.Domain{Rules: wayBack}, in: map[string]any{"old": "imaps://catcher.example", "way_back": false}, status: 403, code: "old_server_way_back"},
		"the new server's fingerprint":    {in: map[string]any{"new_fingerprint": onePin}, status: 403, code: "new_server_fixed"},
		"no fingerprint of the new one":   {was: store.Domain{NewFingerprint: make([]byte, 32)}, in: map[string]any{"new_fingerprint": ""}, status: 403, code: "new_server_fixed"},
	} {
		t.Run(name, func(t *testing.T) {
			p := startPage(t)
			was := x.was
			was.Name, was.Old, was.New = "a.example", here, "imaps://new.example"
			known, err := admin.DomainOf(was)
			if err == nil {
				err = p.store.PutDomain(t.Context(), was)
			}
			if err != nil {
				t.Fatal(err)
			}
			p.directory.Put(known)
			if x.account {
				p.put("a.example", "anna@a.example")
			}
			for kind, c := range map[string]*caller{"token": p.program("a.example"), "session": p.admin("anna", "a.example")} {
				before, _ := p.storedDomain("a.example")
				got := c.do("PUT", aDomain, x.in)
				if got.StatusCode != x.status || !strings.Contains(got.text, x.code) {
					t.Errorf("%s: %s %s, want %d %s", kind, got.Status, got.text, x.status, x.code)
				}
				after, err := p.storedDomain("a.example")
				if err != nil || after.OldSetBy != x.setBy || x.status != 200 && !reflect.DeepEqual(before, after) {
					t.Errorf("%s: %+v became %+v, %v", kind, before, after, err)
				}
			}
		})
	}
}

// TestCustomersForm: the form says why the old server stays, and what is refused.
func TestCustomersForm(t *testing.T) {
	p := startPage(t)
	root, b := p.program(""), p.admin("anna", "a.example")
	got := b.do("GET", "/d/a.example/servers", nil)
	shows(t, "the form", got.StatusCode, 200, got.text, "Servers inside private networks", "Only an administrator of all domains can allow it")
	if strings.Contains(got.text, `value="insecure"`) || strings.Contains(got.text, "public_only") {
		t.Errorf("the form offers what is refused:\n%s", got.text)
	}
	status, text := b.sendForm(b.serversForm(), map[string]string{"host": "other.example"})
	shows(t, "another server", status, 200, text, "The servers were changed")
	status, text = b.sendForm(b.serversForm(), map[string]string{"enrol": "1"})
	shows(t, "enrolment", status, 422, text, "Only an administrator of all domains can let people enrol themselves")
	root.want(200, "PUT", aDomain, map[string]any{"enrol": true}, nil)
	got = b.do("GET", "/d/a.example/servers", nil)
	shows(t, "with enrolment", got.StatusCode, 200, got.text, "People may enrol themselves, so", "<fieldset disabled>")
	p.put("a.example", "anna@a.example")
	got = b.do("GET", "/d/a.example/servers", nil)
	shows(t, "with accounts", got.StatusCode, 200, got.text, "This domain has accounts, whose passwords", "<fieldset disabled>")
	status, text = b.sendForm(b.serversForm(), map[string]string{"enrol": ""})
	shows(t, "no enrolment", status, 200, text, "The servers were changed")
	var d admin.DomainView
	root.want(200, "GET", aDomain, nil, &d)
	if d.Enrol || d.Old.Host != "other.example" || !d.Old.PublicOnly {
		t.Errorf("it is %+v", d)
	}
	status, text = b.sendForm(b.serversForm(), map[string]string{"host": "catcher.example", "port": "993", "security": "tls", "protocol": "imap"})
	shows(t, "another server with accounts", status, 422, text, "This domain has accounts, whose passwords", "<fieldset disabled>")
}

// TestAcceptingServers: what an administrator of one domain has chosen is connected to outside
// only, until one of everything says otherwise or chooses another.
func TestAcceptingServers(t *testing.T) {
	p := startPage(t)
	root, own, b := p.program(""), p.program("a.example"), p.admin("root", "")
	is := func(what string, want bool) {
		t.Helper()
		var d admin.DomainView
		root.want(200, "GET", aDomain, nil, &d)
		known, _ := p.directory.DomainNamed("a.example")
		if d.Old.PublicOnly != want || known.Old.PublicOnly != want || d.New.PublicOnly {
			t.Errorf("%s: %+v", what, d.Old)
		}
	}
	is("of an earlier version", true)
	own.want(200, "PUT", aDomain, map[string]any{"old": "imaps://10.0.0.1"}, nil)
	is("of a customer", true)
	root.want(200, "PUT", aDomain, map[string]any{"old": "imaps://10.0.0.1", "enrol": true}, nil)
	is("saved as it is", true)
	status, text := b.sendForm(b.serversForm(), map[string]string{"new_fingerprint": onePin})
	shows(t, "the form", status, 200, text, "The servers were changed")
	is("another field in the form", true)
	status, text = b.sendForm(b.serversForm(), map[string]string{"public_only": ""})
	shows(t, "the form", status, 200, text, "The servers were changed")
	is("accepted in the form", false)
	root.want(200, "PUT", aDomain, map[string]any{"old_public_only": true}, nil)
	is("not accepted any more", true)
	root.want(200, "PUT", aDomain, map[string]any{"old_public_only": false}, nil)
	is("accepted", false)
	root.want(200, "PUT", aDomain, map[string]any{"enrol": false}, nil)
	own.want(200, "PUT", aDomain, map[string]any{"old": "imaps://10.0.0.2"}, nil)
	is("another of a customer", true)
	root.want(200, "PUT", aDomain, map[string]any{"old": "imaps://10.0.0.3"}, nil)
	is("chosen by those of everything", false)
	var d admin.DomainView
	own.want(200, "PUT", aDomain, map[string]any{"enrol": false}, &d)
	if d.Old.URL != "imaps://10.0.0.3" || d.Old.PublicOnly {
		t.Errorf("a customer's PUT of something else made it %+v", d.Old)
	}
}

// TestOldTLS: old encryption is accepted of the old server only, and only where there is any; the form and the
// API say what it means.
func TestOldTLS(t *testing.T) {
	p := startPage(t)
	c, b := p.program(""), p.admin("root", "")
	got := b.do("GET", "/d/a.example/servers", nil)
	shows(t, "the form", got.StatusCode, 200, got.text, "Accept the old server&#39;s encryption", "whoever is on the way can break")
	status, text := b.sendForm(b.serversForm(), map[string]string{"old_tls": "1"})
	shows(t, "accepted", status, 200, text, "The servers were changed")
	known, _ := p.directory.DomainNamed("a.example")
	if !known.Old.TLS10 || known.New.TLS10 {
		t.Errorf("accepted of the old server %v, of the new one %v", known.Old.TLS10, known.New.TLS10)
	}
	var d admin.DomainView
	c.want(200, "PUT", aDomain, map[string]any{"old_tls": ""}, &d)
	if d.Old.TLS != "1.0" || d.New.TLS != "1.2" {
		t.Errorf("%+v", d)
	}
	for _, wrong := range []map[string]any{{"old_tls": "1.1"}, {"old_tls": "tls1.0"}, {"old": "imap+insecure://old.example"}, {"old": "pop3+insecure://old.example", "old_tls": "1.0"}} {
		if got := c.want(422, "PUT", aDomain, wrong, nil); !strings.Contains(got.text, "old_tls") {
			t.Errorf("%v: %s", wrong, got.text)
		}
	}
	c.want(200, "PUT", aDomain, map[string]any{"old": "imap+insecure://old.example", "old_tls": "1.2"}, nil)
	status, text = b.sendForm(b.serversForm(), map[string]string{"old_tls": "1"})
	shows(t, "without TLS", status, 422, text, "old encryption means nothing without TLS", `name="old_tls" value="1" checked`)
	c.want(400, "PUT", aDomain, map[string]any{"new_tls": "1.0"}, nil)
}
