package demo

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"postferry/internal/demo/clouds"
	"postferry/internal/demo/servers"
	"postferry/store"
)

// The domains of the tenants that --tenant shows, and how many mailboxes each has with so much mail.
const (
	microsoftDomain = "contoso.example"
	googleDomain    = "acme.example"
	openDomain      = "people.example" // whose people agree each for themselves
	tenantMailboxes = 240
	tenantMail      = 30
)

// RunTenant sets the stage for connecting a tenant on the page, and leaves it up until ctx ends.
func RunTenant(ctx context.Context, start Start, out, stderr io.Writer) (err error) {
	s := &tenants{stage: &stage{}}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.setUp(ctx, start, stderr); err != nil {
		return err
	}
	page := page{url: s.stage.daemon.PageURL(), name: "demo", password: store.Secret(rand.Text())}
	if err := s.stage.daemon.AddAdministrator(ctx, page.name, page.password); err != nil {
		return err
	}
	s.invite(out, page)
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.stage.ended:
		s.stage.ended <- nil
		return err
	}
}

// tenants are the stand-ins for clouds, and the servers around them.
type tenants struct {
	*stage
	microsoft   *clouds.Microsoft
	google      *clouds.Google
	open        *clouds.OpenID
	urls        [3]string // of the three
	keyFile     string
	web         []*http.Server
	served      []chan error
	mailServers []*servers.Tenant
}

// setUp begins what close ends, as far as it gets.
func (t *tenants) setUp(ctx context.Context, start Start, stderr io.Writer) error {
	if err := t.stage.setUp(ctx, start, stderr); err != nil {
		return err
	}
	if err := t.openClouds(); err != nil {
		return err
	}
	for domain, allows := range map[string]func(token, login string) error{microsoftDomain: t.microsoft.Allows, googleDomain: t.google.Allows, openDomain: t.open.Allows} {
		if err := t.addDomain(ctx, domain, allows); err != nil {
			return err
		}
	}
	return nil
}

// openClouds starts the clouds.
func (t *tenants) openClouds() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	t.microsoft = &clouds.Microsoft{Tenant: "11111111-2222-3333-4444-555555555555", Domains: []string{microsoftDomain}, People: people(microsoftDomain, clouds.Shared),
		Apps: []clouds.App{{ID: "66666666-7777-8888-9999-000000000000", Name: "Postferry", Secret: "demo~" + rand.Text(), Roles: []string{clouds.RoleIMAP, clouds.RoleUsers, clouds.RoleSettings}}}}
	account := clouds.ServiceAccount{Email: "postferry@demo.iam.gserviceaccount.com", ID: "100000000000000000042", KeyID: "demo", Key: key, Delegated: []string{clouds.ScopeMail, clouds.ScopeUsers}}
	t.google = &clouds.Google{Domain: googleDomain, People: people(googleDomain, clouds.User), Accounts: []clouds.ServiceAccount{account}}
	t.google.People[0].Admin = true
	t.open = &clouds.OpenID{People: people(openDomain, clouds.User)[:8], Apps: []clouds.App{{ID: "postferry", Name: "Postferry", Secret: "demo~" + rand.Text(),
		Scopes: []string{clouds.ScopeOpenMail}, Redirects: []string{t.daemon.PageURL() + "/consent/back"}}}}
	for i, cloud := range []http.Handler{t.microsoft, t.google, t.open} {
		if t.urls[i], err = t.serve(cloud); err != nil {
			return err
		}
	}
	file, err := account.KeyFile(t.urls[1])
	if err != nil {
		return err
	}
	t.keyFile = filepath.Join(t.dir, "service-account.json")
	return os.WriteFile(t.keyFile, file, 0o600)
}

// people are those of a domain; some of their mailboxes are another kind's.
func people(domain string, other clouds.Kind) []clouds.Mailbox {
	names := []string{"anna", "bert", "clara", "dora", "emil", "frida", "gustav", "hanna"}
	var all []clouds.Mailbox
	for i := range tenantMailboxes {
		name := names[i%len(names)]
		if i >= len(names) {
			name = fmt.Sprintf("%s%d", name, i/len(names)+1)
		}
		m := clouds.Mailbox{Address: name + "@" + domain, Name: name, Aliases: []string{name + ".old@" + domain}}
		if i%20 == 19 && other != clouds.User {
			m.Kind, m.Unlicensed, m.Name = other, true, "Team "+name
		}
		all = append(all, m)
	}
	return all
}

// serve starts a web server on a free port of the loopback interface.
func (t *tenants) serve(h http.Handler) (url string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server, served := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}, make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.web, t.served = append(t.web, server), append(t.served, served)
	return "http://" + listener.Addr().String(), nil
}

// masterLogin opens all mailboxes at the new servers.
const masterLogin = "postferry"

// addDomain starts a domain's two mail servers, and sets it up.
func (t *tenants) addDomain(ctx context.Context, domain string, allows func(token, login string) error) error {
	old, err := servers.StartTenant(func(token, login string) error { return refusalOf(allows(token, login)) }, tenantMail, pause/4)
	if err != nil {
		return err
	}
	t.mailServers = append(t.mailServers, old)
	fresh, err := servers.StartTenant(func(string, string) error { return errors.New("no tokens here") }, 0, 0)
	if err != nil {
		return err
	}
	t.mailServers = append(t.mailServers, fresh)
	secret := rand.Text()
	fresh.LetIn(masterLogin, secret)
	return t.daemon.AddDomain(ctx, store.Domain{Name: domain, Old: old.URL(), New: fresh.URL(), OldSetBy: store.SetByAll, Created: time.Now()},
		store.SignIn{Domain: domain, Side: store.NewSide, Method: store.SignInMaster, Login: masterLogin, Separator: "*", Secret: store.Secret(secret), SetBy: "demo", Created: time.Now()})
}

// refusalOf makes a mail server refuse as its cloud does.
func refusalOf(err error) error {
	if no, ok := errors.AsType[*clouds.IMAPRefusal](err); ok {
		return &servers.Refusal{Challenge: no.Challenge, Text: no.Text, Bad: no.Bad}
	}
	return err
}

func (t *tenants) close() error {
	errs := []error{t.stage.close()}
	for i, server := range t.web {
		errs = append(errs, server.Close())
		<-t.served[i]
	}
	for _, server := range t.mailServers {
		server.Close()
	}
	return errors.Join(errs...)
}

// invite says what to enter where.
func (t *tenants) invite(out io.Writer, page page) {
	app, client := t.microsoft.Apps[0], t.open.Apps[0]
	fmt.Fprintf(out, `Tenants that nobody has to have, and Postferry in front of their new servers.
Open the import page in a browser, and walk through the page "Sign-in" of a domain with
these values:

  page       %s
  name       %s
  password   %s

  %s/d/%s/connect?kind=microsoft
  tenant     %s
  client id  %s
  secret     %s
  tokens     %s   (under "Tokens come from another place")

  %s/d/%s/connect?kind=google
  key        the text of %s
  admin      %s

Then list the mailboxes, pick some, and begin. In a third domain each person agrees:

  %s/d/%s/connect?kind=consent
  provider   %s
  client id  %s
  secret     %s
  asked for  openid mail offline_access   (under "other permissions")

Ctrl-C ends the demo and removes everything.
`, page.url, page.name, page.password.Reveal(), page.url, microsoftDomain, t.microsoft.Tenant, app.ID, app.Secret, t.urls[0],
		page.url, googleDomain, t.keyFile, t.google.People[0].Address,
		page.url, openDomain, t.urls[2], client.ID, client.Secret)
}
