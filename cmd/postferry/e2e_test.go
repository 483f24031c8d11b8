package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/control"
	"postferry/internal/lab"
)

// The end-to-end tests run the daemon in a process of its own between two real
// servers. The old one is a maildir with "." between the parts of its folder
// names, all of them below "INBOX.", the new one an sdbox with "/" and none.

const (
	anna = "anna@example.com"
	// odd has all that software trips over when it quotes by hand.
	odd = `pass "word" \ 100% §ü`
)

// patience bounds waiting for what should come soon.
const patience = time.Minute

// pair is an old server and a new one, and how Postferry is told of them.
type pair struct {
	t        *testing.T
	ca       *lab.CA
	old, new *lab.Dovecot
	oldURL   string
	newURL   string
	newCA    bool   // trust the new server through the authority's file
	proxy    string // further lines of [proxy]
	sync     string // lines of [sync]
	domain   string // further lines of the domain
	more     string // further sections
}

// startPair starts two servers on which each login has the password odd.
func startPair(t *testing.T, logins ...string) *pair {
	t.Helper()
	return startPairOf(t, "maildir", logins...)
}

// startPairOf is startPair with an old server that keeps mail in another format.
func startPairOf(t *testing.T, format string, logins ...string) *pair {
	t.Helper()
	var users []lab.User
	for _, login := range logins {
		users = append(users, lab.User{Login: login, Password: odd})
	}
	ca := lab.NewCA(t)
	p := &pair{t: t, ca: ca, newCA: true}
	p.old = lab.StartDovecot(t, lab.DovecotOptions{
		Format: format, Separator: ".", Prefix: "INBOX.", Users: users, CA: ca,
		SpecialUse: map[string]string{"Gesendet": `\Sent`, "Entwürfe": `\Drafts`, "Papierkorb": `\Trash`, "Spam": `\Junk`},
	})
	p.new = lab.StartDovecot(t, lab.DovecotOptions{Format: "sdbox", Users: users, CA: ca, AutoCreate: true})
	p.oldURL, p.newURL = p.old.Insecure().String(), p.new.ImplicitTLS().String()
	return p
}

// config is a configuration for the pair, with listeners on free ports and a
// certificate that the authority issued.
func (p *pair) config() string {
	p.t.Helper()
	dir := p.t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	lab.WritePair(p.t, p.ca.Issue(p.t), cert, key)
	if p.newCA {
		p.domain += fmt.Sprintf("\nnew_ca = %q", p.ca.File)
	}
	return fmt.Sprintf(`state = "state"
[admin]
listen = ""
[proxy]
imaps = "127.0.0.1:0"
imap = "127.0.0.1:0"
cert = %q
key = %q
%s
[sync]
%s
[[domain]]
name = "example.com"
old = %q
new = %q
%s
%s
`, cert, key, p.proxy, p.sync, p.oldURL, p.newURL, p.domain, p.more)
}

// serve starts the daemon. When the test ends, what it has logged must speak
// neither of a race nor of a password.
func (p *pair) serve() *testDaemon {
	p.t.Helper()
	return p.serveTraced("")
}

// serveTraced is serve with a trace in a file; "" for none.
func (p *pair) serveTraced(file string) *testDaemon {
	p.t.Helper()
	d := &testDaemon{t: p.t, Config: filepath.Join(p.t.TempDir(), "config.toml")}
	if file != "" {
		d.args = []string{"--trace", file}
	}
	d.begin(p.config())
	p.t.Cleanup(func() {
		d.Kill9()
		checkLog(p.t, d.Log())
	})
	return d
}

// checkLog wants no race, no crash and no secret in a log.
func checkLog(t *testing.T, log string) {
	t.Helper()
	quoted, _ := json.Marshal(odd)
	for _, bad := range []string{"DATA RACE", "panic:", odd, strings.Trim(string(quoted), `"`)} {
		if strings.Contains(log, bad) {
			t.Errorf("the log has %q", bad)
		}
	}
}

// takeOverAll imports logins with the password odd on both servers.
func takeOverAll(t *testing.T, config string, logins ...string) {
	t.Helper()
	var list strings.Builder
	for _, login := range logins {
		fmt.Fprintf(&list, "%s %s\n", login, quoted(odd))
	}
	takeOver(t, config, list.String())
}

// takeOver imports a list of accounts.
func takeOver(t *testing.T, config, list string) {
	t.Helper()
	if status, _, stderr := postferry(t, list, "import", "-c", config, "-"); status != 0 {
		t.Fatalf("import: status %d, %s", status, stderr)
	}
}

// quoted is a value as lists of accounts spell it.
func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// syncAll makes a pass and wants everything to be on the new server.
func syncAll(t *testing.T, config string, logins ...string) (stdout string) {
	t.Helper()
	status, stdout, stderr := postferry(t, "", append([]string{"sync", "-c", config}, logins...)...)
	if status != exitOK {
		t.Fatalf("sync: status %d\n%s%s", status, stdout, stderr)
	}
	return stdout
}

// statusOf asks for the status of all accounts with their folders.
func statusOf(t *testing.T, config string) (control.StatusTotals, map[string]control.AccountStatus) {
	t.Helper()
	code, stdout, stderr := postferry(t, "", "status", "-c", config, "--json", "--folders")
	if code != exitOK {
		t.Fatalf("status: %d, %s", code, stderr)
	}
	var all struct {
		Totals   control.StatusTotals
		Accounts []control.AccountStatus
	}
	if err := json.Unmarshal([]byte(stdout), &all); err != nil {
		t.Fatalf("status: %v\n%s", err, stdout)
	}
	accounts := make(map[string]control.AccountStatus)
	for _, a := range all.Accounts {
		accounts[a.Login] = a
	}
	return all.Totals, accounts
}

// client is go-imap's client at the daemon's listener with TLS, not logged in.
func (p *pair) client(d *testDaemon) *imapclient.Client {
	p.t.Helper()
	c, err := imapclient.DialTLS(d.IMAPS(), &imapclient.Options{TLSConfig: p.clientTLS()})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	return c
}

func (p *pair) clientTLS() *tls.Config {
	return &tls.Config{RootCAs: p.ca.Pool(), ServerName: "localhost"}
}

// login is a client that has logged in through the proxy with the password odd.
func (p *pair) login(d *testDaemon, login string) *imapclient.Client {
	p.t.Helper()
	c := p.client(d)
	if err := c.Login(login, odd).Wait(); err != nil {
		p.t.Fatalf("login: %v", err)
	}
	return c
}

// untouched remembers a mailbox of the old server. The function it returns
// wants it to be as it was: to a client (flags, \Recent, counts, bodies) and on disk.
func (p *pair) untouched(login string) (check func()) {
	p.t.Helper()
	before, files := p.old.Snapshot(login), p.old.Files(login)
	return func() {
		p.t.Helper()
		if diff := before.Diff(p.old.Snapshot(login)); diff != "" {
			p.t.Errorf("the old server has changed:\n%s", diff)
		}
		if now := p.old.Files(login); !slices.Equal(files, now) {
			p.t.Errorf("the old server's files have changed from\n%s\nto\n%s", strings.Join(files, "\n"), strings.Join(now, "\n"))
		}
	}
}

// sameMail wants the new server to have exactly the old one's mail.
func (p *pair) sameMail(login string) {
	p.t.Helper()
	if diff := lab.SameMail(p.old.Snapshot(login), p.new.Snapshot(login), renamed); diff != "" {
		p.t.Errorf("the mail of %s differs:\n%s", login, diff)
	}
}

// renamed is what a folder of the old server is called on the new one.
func renamed(old string) string {
	special := map[string]string{
		"INBOX.Gesendet": "Sent", "INBOX.Entwürfe": "Drafts", "INBOX.Papierkorb": "Trash", "INBOX.Spam": "Junk",
	}
	if name, ok := special[old]; ok {
		return name
	}
	name, _ := strings.CutPrefix(old, "INBOX.")
	return strings.ReplaceAll(name, ".", "/")
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	eventuallyIn(t, what, patience, 20*time.Millisecond, ok)
}

// eventuallyIn is eventually with a patience of its own, and polls that often.
func eventuallyIn(t *testing.T, what string, patience, poll time.Duration, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if !ok() && !repeat(ctx, poll, ok) {
		t.Fatalf("after %s there is still not %s", patience, what)
	}
}

// repeat tries from time to time until it is done; false if the context ends before.
func repeat(ctx context.Context, every time.Duration, done func() bool) bool {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
			if done() {
				return true
			}
		}
	}
}

// messages asks how many messages a folder has.
func messages(t *testing.T, c *imapclient.Client, folder string) int {
	t.Helper()
	data, err := c.Status(folder, &imap.StatusOptions{NumMessages: true}).Wait()
	if err != nil {
		t.Fatalf("STATUS of %s: %v", folder, err)
	}
	return int(*data.NumMessages)
}
