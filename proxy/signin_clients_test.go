package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postferry/internal/lab"
	"postferry/store"
)

// imaplibClient is Python's, which signs in with a token as it is told to.
const imaplibClient = `
import imaplib, sys
host, port, mechanism, user, token = sys.argv[1:]
m = imaplib.IMAP4(host, int(port), timeout=20)
if "AUTH=" + mechanism not in m.capabilities:
    sys.exit("not offered")
first = {"XOAUTH2": f"user={user}\x01auth=Bearer {token}\x01\x01", "OAUTHBEARER": f"n,a={user},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01"}[mechanism]
steps = [first.encode(), b"\x01"]
m.authenticate(mechanism, lambda challenge: steps.pop(0))
print(m.status("INBOX", "(MESSAGES)"))
m.logout()
`

// imapflowClient is one in JavaScript, which takes the first mechanism that is offered: it is shown one of them. It
// reads a mailbox, or says how it was refused.
const imapflowClient = `
const [packages, host, port, mechanism, user, accessToken] = process.argv.slice(1);
const { ImapFlow } = require(packages + "/imapflow");
const client = new ImapFlow({ host, port: +port, secure: false, doSTARTTLS: false, logger: false, auth: { user, accessToken } });
const authenticate = client.authenticate;
client.authenticate = function () {
	if (!this.capabilities.has("AUTH=" + mechanism)) throw new Error("not offered");
	for (const other of ["OAUTHBEARER", "XOAUTH2"]) if (other !== mechanism) this.capabilities.delete("AUTH=" + other);
	return authenticate.call(this);
};
(async () => {
	try {
		await client.connect();
	} catch (err) {
		console.log(err.serverResponseCode, JSON.stringify(err.oauthError));
		process.exit(1);
	}
	if (!client.authCapabilities.get("AUTH=" + mechanism)) throw new Error("signed in by something else");
	const box = await client.mailboxOpen("INBOX");
	let bodies = 0;
	for await (const m of client.fetch("1:*", { uid: true, source: true })) bodies += m.uid > 0 && m.source.length > 500;
	console.log("MESSAGES", box.exists, "BODIES", bodies);
	await client.logout();
})();
`

// TestClientsWithToken: curl, Python's imaplib, which sends no initial response, and imapflow sign in with a token through
// the relay at a real Dovecot, by both mechanisms. Another token is refused, and nobody hangs.
func TestClientsWithToken(t *testing.T) {
	t.Parallel()
	introspection := startIntrospection(t, "t0ken", anna)
	d := lab.StartDovecot(t, lab.DovecotOptions{Users: []lab.User{{Login: anna, Password: "pw"}}, Introspection: introspection})
	d.Append(anna, "INBOX", lab.Generate(1, 3, 500)...)
	p := startProxy(t, d.Insecure(), func(p *proxyRig) {
		p.store.accounts[anna] = store.Account{ID: 7, Domain: "example.com", Login: anna, State: store.Active, New: store.Credentials{Login: anna}}
	})
	awaitOffers(t, p)
	host, port, err := net.SplitHostPort(p.IMAPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	packages := filepath.Join(lab.Root(t), ".cache", "npm", "node_modules")
	if _, err := os.Stat(packages); err != nil {
		t.Fatalf("%v; run scripts/test-deps.sh", err)
	}
	for name, client := range map[string]struct {
		args    func(mechanism, token string) []string
		reads   string // what it prints of the mailbox
		refused string // what it says of another token, and not after having hung
	}{
		"curl": {func(mechanism, token string) []string {
			return []string{"--silent", "--show-error", "--max-time", "20", "--url", "imap://" + host + ":" + port + "/", "--user", anna,
				"--oauth2-bearer", token, "--login-options", "AUTH=" + mechanism, "--request", "STATUS INBOX (MESSAGES)"}
		}, "MESSAGES 3", "Login denied"},
		"python3": {func(mechanism, token string) []string {
			return []string{"-c", imaplibClient, host, port, mechanism, anna, token}
		}, "MESSAGES 3", "AUTHENTICATIONFAILED"},
		"node": {func(mechanism, token string) []string {
			return []string{"-e", imapflowClient, packages, host, port, mechanism, anna, token}
		}, "MESSAGES 3 BODIES 3", "AUTHENTICATIONFAILED"},
	} {
		program, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(name + " is missing; scripts/test-deps.sh installs it")
		}
		for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
			for token, want := range map[string]string{"t0ken": client.reads, "other": client.refused} {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				out, err := exec.CommandContext(ctx, program, client.args(mechanism, token)...).CombinedOutput()
				cancel()
				if !strings.Contains(string(out), want) || (err == nil) != (token == "t0ken") {
					t.Errorf("%s, %s, %s: %v, %s", name, mechanism, token, err, out)
				}
			}
		}
	}
	if strings.Contains(p.log.String(), "t0ken") {
		t.Error("the token is in the log")
	}
}

// mbsyncWithToken is a configuration of mbsync; PassCmd prints a token.
const mbsyncWithToken = `
FSync no

IMAPAccount server
Host 127.0.0.1
Port %s
User %s
PassCmd "printf t0ken"
SSLType None
AuthMechs XOAUTH2

IMAPStore far
Account server

MaildirStore near
Path %[3]s/
Inbox %[3]s/INBOX

Channel all
Far :far:
Near :near:
Sync Pull
SyncState *
`

// TestMbsyncWithToken: mbsync signs in with what a program prints for a token, through the relay at a real Dovecot.
func TestMbsyncWithToken(t *testing.T) {
	t.Parallel()
	plugin, ok := lab.FindUnpacked(t, "xoauth2", "usr/lib")
	if !ok {
		t.Fatal("SASL's plugin for XOAUTH2 is missing; scripts/lab-servers.sh unpacks it")
	}
	d := lab.StartDovecot(t, lab.DovecotOptions{Users: []lab.User{{Login: anna, Password: "pw"}}, Introspection: startIntrospection(t, "t0ken", anna)})
	d.Append(anna, "INBOX", lab.Generate(1, 3, 500)...)
	p := startProxy(t, d.Insecure(), func(p *proxyRig) {
		p.store.accounts[anna] = store.Account{ID: 7, Domain: "example.com", Login: anna, State: store.Active, New: store.Credentials{Login: anna}}
	})
	awaitOffers(t, p)
	_, port, err := net.SplitHostPort(p.IMAPAddr().String())
	dir := t.TempDir()
	if err := errors.Join(err, os.WriteFile(dir+"/config", fmt.Appendf(nil, mbsyncWithToken, port, anna, dir+"/mail"), 0o600), os.Mkdir(dir+"/mail", 0o700)); err != nil {
		t.Fatal(err)
	}
	mbsync := exec.CommandContext(t.Context(), "mbsync", "-c", dir+"/config", "-a")
	mbsync.Env = plugin.Env()
	out, err := mbsync.CombinedOutput()
	got, _ := filepath.Glob(dir + "/mail/INBOX/*/*") //nolint:errcheck // the pattern is well-formed
	if err != nil || len(got) != 3 {
		t.Errorf("%d messages, %v: %s", len(got), err, out)
	}
	if strings.Contains(p.log.String(), "t0ken") {
		t.Error("the token is in the log")
	}
}
