package lab

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/template"

	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/config"
)

// CyrusOptions say what kind of Cyrus to start. The zero value has folders as
// in Cyrus's early days: everything below INBOX, "." between names.
type CyrusOptions struct {
	// AltNamespace puts folders beside INBOX instead of below it.
	AltNamespace bool
	// UnixSeparator makes "/" the separator; names may then hold dots.
	UnixSeparator bool
	// MaxMessage is the size of the largest message it takes, octets; 0 for no limit.
	MaxMessage int64
	// Mechanisms are those that it offers, between blanks; "" for PLAIN and LOGIN.
	Mechanisms string
	// Proxy is a login that may act for all others; "" for none.
	Proxy string
	Users []User
}

// Cyrus is a running Cyrus IMAP server. Unlike Dovecot it refuses messages
// with NUL, bare LF or broken headers. It takes plain IMAP only.
type Cyrus struct {
	IMAP string // address, host:port
	Dir  string // configuration, log and mail

	tb       testing.TB
	opt      CyrusOptions
	account  account
	unpacked unpacked
	token    string // the server's name, part of the greeting
	proc     *process

	mu    sync.Mutex        // guards what follows
	users map[string]string // login to password
}

// StartCyrus starts a server on a free loopback port and waits until it
// answers. It is stopped when the test ends.
func StartCyrus(tb testing.TB, opt CyrusOptions) *Cyrus {
	tb.Helper()
	who, err := serverAccount()
	if err != nil {
		tb.Fatalf("lab: account to run Cyrus as: %v", err)
	}
	c := &Cyrus{tb: tb, opt: opt, account: who, Dir: serverDir(tb, who), users: map[string]string{}}
	c.unpacked = openUnpacked(tb, who, "cyrus", c.Dir)
	c.token = strings.ToLower(filepath.Base(c.Dir)) + ".invalid"
	for _, sub := range []string{"config/db", "config/socket", "mail", "proc", "lock"} {
		if err := who.mkdir(filepath.Join(c.Dir, sub)); err != nil {
			tb.Fatalf("lab: %v", err)
		}
	}
	c.AddUser(opt.Users...)
	tb.Cleanup(func() {
		c.kill()
		if tb.Failed() {
			tb.Logf("Cyrus's output (its log goes to syslog):\n%s", tail(c.Dir+"/output.log", 50))
		}
	})
	c.startSomewhere()
	return c
}

func (c *Cyrus) startSomewhere() {
	c.tb.Helper()
	var err error
	for range 5 { // another process may have been faster to take the port
		freePorts(c.tb, &c.IMAP)
		if err = c.start(); err == nil {
			return
		}
	}
	c.tb.Fatalf("lab: Cyrus does not start: %v\n%s", err, tail(c.Dir+"/output.log", 20))
}

func (c *Cyrus) start() error {
	err := errors.Join(
		c.writeConfig("cyrus-imapd.conf.tmpl", "imapd.conf"),
		c.writeConfig("cyrus.conf.tmpl", "cyrus.conf"),
	)
	if err != nil {
		return err
	}
	proc, err := startProcess(c.account, c.Dir, c.unpacked.env(), c.unpacked.path("usr/lib/cyrus/bin/master"),
		"-D", "-C", c.Dir+"/imapd.conf", "-M", c.Dir+"/cyrus.conf", "-p", c.Dir+"/master.pid")
	if err != nil {
		return err
	}
	if err := proc.awaitGreeting(c.IMAP, c.token); err != nil {
		return errors.Join(err, proc.kill())
	}
	c.proc = proc
	return nil
}

func (c *Cyrus) kill() {
	c.tb.Helper()
	if c.proc == nil {
		return
	}
	if err := c.proc.kill(); err != nil {
		c.tb.Errorf("lab: killing Cyrus: %v", err)
	}
	c.proc = nil
}

// writeConfig fills in a template of testdata/lab.
func (c *Cyrus) writeConfig(from, to string) error {
	tmpl, err := template.New(to).Option("missingkey=error").Parse(string(testdata(c.tb, "lab", from)))
	if err != nil {
		return err
	}
	yes := map[bool]string{true: "yes", false: "no"}
	var out bytes.Buffer
	err = tmpl.Execute(&out, map[string]any{
		"Dir": c.Dir, "Bin": c.unpacked.path("usr/lib/cyrus/bin"), "Token": c.token, "IMAP": c.IMAP,
		"User": c.account.user, "Group": c.account.group,
		"AltNamespace": yes[c.opt.AltNamespace], "UnixSeparator": yes[c.opt.UnixSeparator],
		"MaxMessage": c.opt.MaxMessage, "Mechanisms": cmp.Or(c.opt.Mechanisms, "PLAIN LOGIN"), "Proxy": c.opt.Proxy,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.Dir, to), out.Bytes(), 0o644)
}

// AddUser adds users, or changes their passwords, from the next login on.
// Logins have the form of addresses.
func (c *Cyrus) AddUser(users ...User) {
	c.tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range users {
		name, domain, ok := strings.Cut(u.Login, "@")
		if !ok {
			c.tb.Fatalf("lab: Cyrus here wants logins with a domain, not %q", u.Login)
		}
		database := c.Dir + "/sasldb2"
		cmd := exec.Command(c.unpacked.path("usr/sbin/saslpasswd2"), "-p", "-c", "-f", database, "-u", domain, name)
		cmd.Env = append(os.Environ(), c.unpacked.env()...)
		cmd.Stdin = strings.NewReader(u.Password)
		if out, err := cmd.CombinedOutput(); err != nil {
			c.tb.Fatalf("lab: saslpasswd2: %v\n%s", err, out)
		}
		if err := c.account.own(database); err != nil {
			c.tb.Fatalf("lab: %v", err)
		}
		c.users[u.Login] = u.Password
	}
}

// Client logs a user in with go-imap's client. It is closed when the test ends.
func (c *Cyrus) Client(login string) *imapclient.Client {
	c.tb.Helper()
	c.mu.Lock()
	password := c.users[login]
	c.mu.Unlock()
	return Login(c.tb, c.IMAP, login, password)
}

// Snapshot reads all of a user's mail without changing it.
func (c *Cyrus) Snapshot(login string) *Snapshot {
	c.tb.Helper()
	client := c.Client(login)
	defer client.Close()
	return ReadSnapshot(c.tb, client)
}

// Insecure describes the server as a configuration does.
func (c *Cyrus) Insecure() config.Server {
	return At(config.Server{Security: config.Insecure}, c.IMAP)
}
