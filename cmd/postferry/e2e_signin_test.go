package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"

	"postferry/config"
	"postferry/credential"
	"postferry/internal/demo/clouds"
	"postferry/internal/lab"
	"postferry/store"
)

// provider is a provider of tokens that two mail servers ask about them.
type provider struct {
	*clouds.Google
	url, keyFile string
	away         atomic.Bool // it gives out no tokens
}

// startProvider starts a provider with a service account that may act for logins.
func startProvider(t *testing.T, lifetime time.Duration, logins ...string) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{Google: &clouds.Google{Domain: "example.com", Lifetime: lifetime, Accounts: []clouds.ServiceAccount{
		{Email: "ferry@project.example", ID: "1", KeyID: "k1", Key: key, Delegated: []string{clouds.ScopeMail}},
	}}}
	for _, login := range logins {
		p.People = append(p.People, clouds.Mailbox{Address: login})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(p.Ahead).UTC().Format(http.TimeFormat))
		if p.away.Load() && r.URL.Path == "/token" {
			http.Error(w, "Service Unavailable", http.StatusServiceUnavailable)
			return
		}
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.url, p.keyFile = server.URL, filepath.Join(t.TempDir(), "key.json")
	file, err := p.Accounts[0].KeyFile(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, p.keyFile, string(file))
	return p
}

// startTokenPair starts two servers that take the provider's tokens. Postferry is told no password.
func startTokenPair(t *testing.T, p *provider, logins ...string) *pair {
	t.Helper()
	var users []lab.User
	for _, login := range logins {
		users = append(users, lab.User{Login: login, Password: odd})
	}
	ca := lab.NewCA(t)
	pp := &pair{t: t, ca: ca, newCA: true}
	introspect := p.url + "/introspect"
	pp.old = lab.StartDovecot(t, lab.DovecotOptions{Separator: ".", Prefix: "INBOX.", Users: users, CA: ca, Introspection: introspect})
	pp.new = lab.StartDovecot(t, lab.DovecotOptions{Format: "sdbox", Users: users, CA: ca, AutoCreate: true, Introspection: introspect})
	pp.oldURL, pp.newURL = pp.old.Insecure().String(), pp.new.ImplicitTLS().String()
	pp.more = fmt.Sprintf("[domain.old_sign_in]\nmethod = 'google'\nkey_file = %q\n[domain.new_sign_in]\nmethod = 'google'\nkey_file = %[1]q\n", p.keyFile)
	return pp
}

// TestTokens moves two accounts by tokens that last for seconds, through a line that breaks, while
// all tokens are revoked at times, the provider is away at times, and its clock is ten minutes behind.
// Nothing fails for good, nothing is doubled, and nothing secret is logged.
func TestTokens(t *testing.T) {
	t.Parallel()
	logins := []string{anna, "bert@example.com"}
	g := startProvider(t, 3*time.Second, logins...)
	g.Ahead = -10 * time.Minute
	p := startTokenPair(t, g, logins...)
	for i, login := range logins {
		p.old.FillMaildir(login, "INBOX", lab.Generate(uint64(i), 200, 6000))
		p.old.FillMaildir(login, "INBOX.Sent", lab.Generate(uint64(10+i), 50, 3000))
	}
	line := lab.FaultLine(t, p.old.IMAP, func(conn int) lab.Plan {
		if conn > 8 {
			return lab.Plan{}
		}
		return lab.Plan{ToClient: lab.Fault{Kind: lab.Cut, At: int64(80_000 + conn%3*50_000)}}
	})
	p.oldURL = lab.At(p.old.Insecure(), line.Addr).String()
	p.sync = `interval = "1s"`
	d := p.serve()
	list := strings.Join(logins, "\n") + "\n"
	if status, _, stderr := postferry(t, list, "import", "-c", d.Config, "-"); status != 0 {
		t.Fatalf("import: status %d, %s", status, stderr)
	}
	var accidents sync.WaitGroup
	stop := make(chan struct{})
	accidents.Go(func() {
		tick := time.NewTicker(700 * time.Millisecond)
		defer tick.Stop()
		defer g.away.Store(false)
		for n := range 10 {
			select {
			case <-stop:
				return
			case <-tick.C:
				g.EndAccess()
				g.away.Store(n%4 == 1)
			}
		}
	})
	p.visitWithToken(d, g, anna, 200)
	copied := func() bool {
		totals, _ := statusOf(t, d.Config)
		return totals.Copied == 500
	}
	eventually(t, "all copied", copied)
	close(stop)
	accidents.Wait()
	late := letter("late")
	p.old.Append(anna, "INBOX", lab.Msg{Body: late})
	eventually(t, "the late message copied, and no account in trouble", func() bool {
		totals, accounts := statusOf(t, d.Config)
		return totals.Copied == 501 && accounts[anna].Problem == nil && accounts[logins[1]].Problem == nil
	})
	for _, login := range logins {
		if diff := lab.SameMail(p.old.Snapshot(login), p.new.Snapshot(login), renamed); diff != "" {
			t.Errorf("the mail of %s differs:\n%s", login, diff)
		}
	}
	if n := g.Issued(); n < 6 {
		t.Errorf("only %d tokens were handed out", n)
	}
	for _, secret := range []string{"access-", "PRIVATE KEY", "Bearer"} {
		if strings.Contains(d.Log(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	if !strings.Contains(d.Log(), "the clock of this machine is wrong") {
		t.Error("the log says nothing of the clock")
	}
}

// visitWithToken has a client sign in through the relay with a token, as the greeting offers, and open the
// inbox until it has so many messages.
func (p *pair) visitWithToken(d *testDaemon, g *provider, login string, want int) {
	p.t.Helper()
	key, err := os.ReadFile(g.keyFile)
	if err != nil {
		p.t.Fatal(err)
	}
	keeper := credential.New(credential.Options{})
	server := config.Server{SignIn: &config.SignIn{Method: config.Google, Domain: "example.com", Side: "new", Secret: store.Secret(key)}}
	eventually(p.t, "a visit with a token", func() bool {
		keeper.Forget("example.com", store.NewSide, "")
		in, err := keeper.SignIn(p.t.Context(), server, login)
		if err != nil {
			return false // the provider is away
		}
		c := p.client(d)
		defer c.Close()
		if err := c.WaitGreeting(); err != nil || !c.Caps().Has(imap.AuthCap(sasl.OAuthBearer)) {
			return false // the new server was not asked yet
		}
		if err := c.Authenticate(sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: login, Token: in.Secret.Reveal()})); err != nil {
			return false // the token was revoked this very moment
		}
		box, err := c.Select("INBOX", nil).Wait()
		return err == nil && int(box.NumMessages) == want
	})
}

// TestMasterLogins moves twenty accounts from Dovecot to Cyrus and some of them from there to another
// Dovecot, with the login of a master at each and no password of a user: by a separator, and by
// SASL's authorization identity.
func TestMasterLogins(t *testing.T) {
	t.Parallel()
	const hush = "hush-hush-master"
	var users []lab.User
	var list strings.Builder
	for i := range 20 {
		users = append(users, lab.User{Login: fmt.Sprintf("user%02d@example.com", i), Password: odd})
		fmt.Fprintln(&list, users[i].Login)
	}
	master := fmt.Sprintf("auth_master_user_separator = *\npassdb {\n  driver = static\n  args = password=%s\n  master = yes\n  result_success = continue\n}\n", hush)
	old := lab.StartDovecot(t, lab.DovecotOptions{Users: users, Separator: "/", ExtraConfig: master})
	middle := lab.StartCyrus(t, lab.CyrusOptions{
		AltNamespace: true, UnixSeparator: true, Proxy: "boss@example.com",
		Users: append([]lab.User{{Login: "boss@example.com", Password: hush}}, users...),
	})
	last := lab.StartDovecot(t, lab.DovecotOptions{Users: users, Format: "sdbox", ExtraConfig: master})
	for i, u := range users {
		old.FillMaildir(u.Login, "INBOX", lab.Generate(uint64(i), 3, 1000))
		old.FillMaildir(u.Login, "Work", lab.Generate(uint64(100+i), 1, 1000))
	}
	configOf := func(from, to string, in string) string {
		path := filepath.Join(t.TempDir(), "config.toml")
		writeFile(t, path, fmt.Sprintf("state = \"state\"\n[admin]\nlisten = \"\"\n[[domain]]\nname = \"example.com\"\nold = %q\nnew = %q\n%s", from, to, in))
		return path
	}
	section := func(side, login, separator string) string {
		return fmt.Sprintf("[domain.%s_sign_in]\nmethod = 'master'\nlogin = %q\nsecret = %q\nseparator = %q\n", side, login, hush, separator)
	}
	first := configOf(old.Insecure().String(), middle.Insecure().String(), section("old", "boss", "*")+section("new", "boss@example.com", ""))
	takeOver(t, first, list.String())
	if status, out, errout := postferry(t, "", "sync", "-c", first, "--dry-run"); status != exitOK || !strings.Contains(out, "80 messages") {
		t.Errorf("dry run: status %d\n%s%s", status, out, errout)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	status, out, errout := postferry(t, "", "sync", "-c", first, "--trace", trace)
	if status != exitOK || !strings.Contains(out, "20 complete, 0 incomplete; 80 messages copied") {
		t.Errorf("the first move: status %d\n%s%s", status, out, errout)
	}
	if status, out, errout := postferry(t, "", "verify", "-c", first); status != exitOK {
		t.Errorf("verify: status %d\n%s%s", status, out, errout)
	}
	traced, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(traced), "AUTHENTICATE [secret]") {
		t.Error("the trace shows no login")
	}
	for _, secret := range []string{hush, base64.StdEncoding.EncodeToString([]byte("\x00user00@example.com*boss\x00" + hush)), "aHVzaC1odXNo", "h1c2gtaHVza", "odXNoLWh1c2"} {
		if strings.Contains(string(traced)+out+errout, secret) {
			t.Errorf("%q is shown", secret)
		}
	}
	for _, u := range users {
		if diff := lab.SameMail(old.Snapshot(u.Login), middle.Snapshot(u.Login), func(name string) string { return name }); diff != "" {
			t.Errorf("the mail of %s differs:\n%s", u.Login, diff)
		}
	}
	second := configOf(middle.Insecure().String(), last.Insecure().String(), section("old", "boss@example.com", "")+section("new", "boss", ""))
	takeOver(t, second, users[0].Login+"\n"+users[1].Login+"\n")
	if out := syncAll(t, second); !strings.Contains(out, "2 complete, 0 incomplete; 8 messages copied") {
		t.Errorf("the second move:\n%s", out)
	}
	for _, u := range users[:2] {
		if diff := lab.SameMail(middle.Snapshot(u.Login), last.Snapshot(u.Login), func(name string) string { return name }); diff != "" {
			t.Errorf("the mail of %s differs:\n%s", u.Login, diff)
		}
	}
}

// TestMasterRefused: a wrong master login is told once, and of all accounts.
func TestMasterRefused(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna, "bert@example.com")
	p.more = "[domain.old_sign_in]\nmethod = 'master'\nlogin = 'boss'\nsecret = 'hush-hush'\nseparator = '*'\n"
	config := filepath.Join(t.TempDir(), "config.toml")
	writeFile(t, config, p.config())
	takeOverAll(t, config, anna, "bert@example.com")
	status, out, errout := postferry(t, "", "sync", "-c", config)
	if status == exitOK || strings.Count(out, "refuses the master login") != 2 {
		t.Errorf("status %d\n%s", status, out)
	}
	if n := strings.Count(errout, "refuses the master login"); n != 1 {
		t.Errorf("told %d times:\n%s", n, errout)
	}
	if strings.Contains(out+errout, "hush-hush") {
		t.Error("the master's password is told")
	}
}
