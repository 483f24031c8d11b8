package tenant

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/demo/clouds"
	"postferry/internal/demo/servers"
	"postferry/store"
)

const hush = "hu5h-of-the-application"

// refusal makes a mail server refuse as a cloud does.
func refusal(err error) error {
	var no *clouds.IMAPRefusal
	if errors.As(err, &no) {
		return &servers.Refusal{Challenge: no.Challenge, Text: no.Text, Bad: no.Bad}
	}
	return err
}

// mailServer opens mailboxes as check says.
func mailServer(t *testing.T, check func(token, login string) error) config.Server {
	t.Helper()
	s, err := servers.StartTenant(func(token, login string) error { return refusal(check(token, login)) }, 9, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	server, err := config.ParseServer(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func served(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// microsoft is a tenant with its mail server, signed in to by an application.
func microsoft(t *testing.T, roles ...string) (*clouds.Microsoft, config.Server) {
	t.Helper()
	m := &clouds.Microsoft{Tenant: "tenant-1", Apps: []clouds.App{{ID: "app", Secret: hush, Roles: roles}}, People: []clouds.Mailbox{
		{Address: "info@contoso.example", Kind: clouds.Shared, Unlicensed: true}, {Address: "closed@contoso.example", Closed: true},
		{Address: "berta@contoso.example"}, {Address: "off@contoso.example", IMAPOff: true},
	}}
	server := mailServer(t, m.Allows)
	server.SignIn = &config.SignIn{Method: config.Microsoft, Domain: "contoso.example", Side: "old", Tenant: "tenant-1", ClientID: "app", Secret: hush, Issuer: served(t, m)}
	return m, server
}

// workspace is a Google Workspace with its mail server.
func workspace(t *testing.T, delegated ...string) (*clouds.Google, config.Server) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	account := clouds.ServiceAccount{Email: "ferry@project.example", ID: "10042", Key: key, KeyID: "k", Delegated: delegated}
	g := &clouds.Google{Domain: "acme.example", Accounts: []clouds.ServiceAccount{account}, People: []clouds.Mailbox{
		{Address: "admin@acme.example", Admin: true}, {Address: "berta@acme.example"}, {Address: "off@acme.example", IMAPOff: true},
	}}
	server := mailServer(t, g.Allows)
	file, err := account.KeyFile(served(t, g))
	if err != nil {
		t.Fatal(err)
	}
	server.SignIn = &config.SignIn{Method: config.Google, Domain: "acme.example", Side: "old", Login: "admin@acme.example", Secret: store.Secret(file)}
	return g, server
}

// told are steps on lines; nothing secret may be in any of them.
func told(t *testing.T, steps []Step, secrets ...string) string {
	t.Helper()
	var lines []string
	for _, s := range steps {
		line := fmt.Sprintf("%s %t", s.Name, s.OK)
		if s.Code != "" {
			line += " " + s.Code
		}
		if s.Count > 0 {
			line += fmt.Sprintf(" %d", s.Count)
		}
		lines = append(lines, line)
		for _, secret := range append(secrets, hush, "access-", "PRIVATE KEY") {
			if strings.Contains(fmt.Sprintf("%+v", s), secret) {
				t.Errorf("%q is told: %+v", secret, s)
			}
		}
		if s.Text == "" {
			t.Errorf("nothing is said of %+v", s)
		}
	}
	return strings.Join(lines, "; ")
}

func TestMicrosoft(t *testing.T) {
	t.Parallel()
	everything := []string{clouds.RoleIMAP, clouds.RoleUsers, clouds.RoleSettings}
	for _, c := range []struct {
		name    string
		roles   []string
		change  func(m *clouds.Microsoft, in *config.SignIn)
		mailbox string
		want    string
		set     string // in the last step that fails
	}{
		{name: "all is well", roles: everything, mailbox: "berta@contoso.example", want: "token true; directory true 4; mailbox true 6"},
		{name: "somebody's mailbox", roles: everything, want: "token true; directory true 4; mailbox true 6"},
		{name: "a shared one", roles: everything, mailbox: "info@contoso.example", want: "token true; directory true 4; mailbox true 6"},
		{name: "no list", roles: []string{clouds.RoleIMAP}, mailbox: "berta@contoso.example",
			want: "token true; directory false directory_permission; mailbox true 6", set: "User.Read.All"},
		{name: "no list, nobody named", roles: []string{clouds.RoleIMAP}, want: "token true; directory false directory_permission; mailbox false mailbox_needed"},
		{name: "no permission for mail", roles: []string{clouds.RoleUsers}, mailbox: "berta@contoso.example",
			want: "token true; directory true 4; mailbox false permission_missing", set: "IMAP.AccessAsApp"},
		{name: "a mailbox that isn't given", roles: everything, mailbox: "closed@contoso.example",
			want: "token true; directory true 4; mailbox false mailbox_refused", set: "Add-MailboxPermission -Identity 'closed@contoso.example'"},
		{name: "IMAP switched off", roles: everything, mailbox: "off@contoso.example",
			want: "token true; directory true 4; mailbox false mailbox_refused", set: "Set-CASMailbox -Identity 'off@contoso.example' -ImapEnabled $true"},
		{name: "another secret", roles: everything, change: func(_ *clouds.Microsoft, in *config.SignIn) { in.Secret = "x" }, want: "token false application_refused"},
		{name: "another tenant", roles: everything, change: func(_ *clouds.Microsoft, in *config.SignIn) { in.Tenant = "x" }, want: "token false tenant_unknown"},
		{name: "down", roles: everything, change: func(m *clouds.Microsoft, _ *config.SignIn) { m.SetDown(true) }, want: "token false token_unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, server := microsoft(t, c.roles...)
			if c.change != nil {
				c.change(m, server.SignIn)
			}
			steps := (&Connector{Log: zerolog.Nop()}).Test(t.Context(), server, c.mailbox)
			if got := told(t, steps); got != c.want {
				t.Errorf("got  %s\nwant %s\n%+v", got, c.want, steps)
			}
			set := ""
			for _, s := range steps {
				set += s.Set
			}
			if !strings.Contains(set, c.set) {
				t.Errorf("to be set: %q, want %q", set, c.set)
			}
		})
	}
}

func TestGoogle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		delegated []string
		change    func(g *clouds.Google, in *config.SignIn)
		mailbox   string
		want, set string
	}{
		{name: "all is well", delegated: []string{clouds.ScopeMail, clouds.ScopeUsers}, mailbox: "berta@acme.example", want: "token true; directory true 3; mailbox true 6"},
		{name: "the administrator's own", delegated: []string{clouds.ScopeMail, clouds.ScopeUsers}, want: "token true; directory true 3; mailbox true 6"},
		{name: "nothing delegated", mailbox: "berta@acme.example", want: "token false delegation_missing", set: "10042\nhttps://mail.google.com/,https://www.googleapis.com/auth/admin.directory.user.readonly"},
		{name: "mail only", delegated: []string{clouds.ScopeMail}, mailbox: "berta@acme.example", want: "token true; directory false delegation_missing; mailbox true 6"},
		{name: "nobody who may list", delegated: []string{clouds.ScopeMail, clouds.ScopeUsers}, mailbox: "berta@acme.example",
			change: func(_ *clouds.Google, in *config.SignIn) { in.Login = "" }, want: "token true; directory false directory_not_admin; mailbox true 6"},
		{name: "somebody who may not list", delegated: []string{clouds.ScopeMail, clouds.ScopeUsers}, mailbox: "berta@acme.example",
			change: func(_ *clouds.Google, in *config.SignIn) { in.Login = "berta@acme.example" }, want: "token true; directory false directory_not_admin; mailbox true 6"},
		{name: "no API", delegated: []string{clouds.ScopeMail, clouds.ScopeUsers}, mailbox: "berta@acme.example",
			change: func(g *clouds.Google, _ *config.SignIn) { g.NoDirectory = true }, want: "token true; directory false directory_api_off; mailbox true 6", set: "Admin SDK API"},
		{name: "IMAP switched off", delegated: []string{clouds.ScopeMail, clouds.ScopeUsers}, mailbox: "off@acme.example", want: "token true; directory true 3; mailbox false imap_off"},
		{name: "nobody", delegated: []string{clouds.ScopeMail, clouds.ScopeUsers}, mailbox: "x@acme.example", want: "token false mailbox_unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g, server := workspace(t, c.delegated...)
			if c.change != nil {
				c.change(g, server.SignIn)
			}
			steps := (&Connector{Log: zerolog.Nop()}).Test(t.Context(), server, c.mailbox)
			if got := told(t, steps); got != c.want {
				t.Errorf("got  %s\nwant %s\n%+v", got, c.want, steps)
			}
			set := ""
			for _, s := range steps {
				set += s.Set
			}
			if !strings.Contains(set, c.set) {
				t.Errorf("to be set: %q, want %q", set, c.set)
			}
		})
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	_, server := workspace(t)
	for _, c := range []struct {
		in   *config.SignIn
		want []string
	}{
		{nil, nil},
		{&config.SignIn{Method: config.Consent}, nil},
		{server.SignIn, []string{"10042", "https://mail.google.com/,https://www.googleapis.com/auth/admin.directory.user.readonly"}},
		{&config.SignIn{Method: config.Microsoft, ClientID: "a'b"}, []string{"IMAP.AccessAsApp", "User.Read.All", "MailboxSettings.Read", "AppId eq 'a''b'"}},
	} {
		got := Values(c.in)
		if len(got) != len(c.want) {
			t.Fatalf("%+v, want %q", got, c.want)
		}
		for i, v := range got {
			if !strings.Contains(v.Text, c.want[i]) {
				t.Errorf("%s: %q, want %q", v.Name, v.Text, c.want[i])
			}
		}
	}
}

// TestClouds: the directory belongs to the mail server's cloud.
func TestClouds(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"outlook.office365.com": "https://graph.microsoft.com", "outlook.office365.us": "https://graph.microsoft.us",
		"outlook-dod.office365.us": "https://dod-graph.microsoft.us", "partner.outlook.cn": "https://microsoftgraph.chinacloudapi.cn",
	} {
		if got := graphAt(host, config.SignIn{}); got != want+"/v1.0" {
			t.Errorf("%s: %s", host, got)
		}
		if got := graphAt(host, config.SignIn{Issuer: "https://login.example.com"}); got != want+"/v1.0" {
			t.Errorf("%s with an authority elsewhere: %s", host, got)
		}
	}
	if !HasDirectory(config.Server{SignIn: &config.SignIn{Method: config.Google}}) || HasDirectory(config.Server{}) || HasDirectory(config.Server{SignIn: &config.SignIn{Method: config.Master}}) {
		t.Error("not told apart who has a directory")
	}
}
