package lab

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"
)

// User is a mail user of a lab server.
type User struct {
	Login    string // anything but ':', line ends and a leading '#'
	Password string // any bytes
}

// DovecotOptions say what kind of server to start. The zero value is a
// maildir server without users.
type DovecotOptions struct {
	Format    string // mail storage: maildir (default), sdbox, mdbox
	Separator string // of the personal namespace; default "." for maildir, else "/"
	Prefix    string // of the personal namespace, e.g. "INBOX."; default none
	Users     []User
	// SpecialUse names the folders with a special use: decoded name without
	// prefix -> attribute. nil: Sent, Drafts, Trash, Junk and Archive.
	SpecialUse map[string]string
	// AutoCreate makes the special-use folders at first login and subscribes them.
	AutoCreate bool
	// Fsync makes Dovecot sync to disk as in production (mail_fsync =
	// optimized); by default it never does, which is faster.
	Fsync bool
	// CA issues the certificate; nil for a new authority.
	CA *CA
	// Hosts are the names in the certificate; none for localhost and the loopback addresses.
	Hosts []string
	// Introspection is where it asks about tokens (RFC 7662); "" if it takes none.
	Introspection string
	// ExtraConfig ends the configuration file and so overrides what precedes it.
	ExtraConfig string
}

// Dovecot is a running server. Its methods may be called by one goroutine at
// a time, AddUser by several.
type Dovecot struct {
	// Addresses, host:port, kept over restarts. IMAP and POP3 also take STARTTLS.
	IMAP, IMAPS, POP3, POP3S string
	// CA is the authority that issued the certificate.
	CA *CA
	// Fingerprint is the certificate's SHA-256.
	Fingerprint []byte
	// Dir holds configuration, log and mail.
	Dir string

	tb      testing.TB
	opt     DovecotOptions
	account account
	token   string // part of the greeting, to know this server from others
	proc    *process

	mu        sync.Mutex          // guards what follows
	running   bool                // has been started
	users     map[string]mailUser // by login
	usersSize int                 // of the user file, octets
	mails     int                 // files written so far
}

// defaultSpecialUse is what a server offers unless told otherwise.
var defaultSpecialUse = map[string]string{
	"Sent": `\Sent`, "Drafts": `\Drafts`, "Trash": `\Trash`, "Junk": `\Junk`, "Archive": `\Archive`,
}

// StartDovecot starts a server on free loopback ports and waits until it
// answers. It is stopped when the test ends; its log is shown if that failed.
func StartDovecot(tb testing.TB, opt DovecotOptions) *Dovecot {
	tb.Helper()
	if _, err := dovecotBinary(); err != nil {
		tb.Fatalf("lab: %v; install dovecot-imapd and dovecot-pop3d", err)
	}
	who, err := serverAccount()
	if err != nil {
		tb.Fatalf("lab: account to run Dovecot as: %v", err)
	}
	d := &Dovecot{tb: tb, opt: withDefaults(tb, opt), account: who, users: map[string]mailUser{}}
	d.Dir = serverDir(tb, who)
	d.token = "lab " + filepath.Base(d.Dir)
	d.writeCertificate()
	d.AddUser(opt.Users...)
	tb.Cleanup(func() {
		d.KillAll() // its mail goes with it: no need to wait for a tidy end
		if tb.Failed() {
			tb.Logf("Dovecot's log:\n%s%s", tail(d.Dir+"/output.log", 20), tail(d.Dir+"/dovecot.log", 100))
		}
	})
	d.startSomewhere()
	d.running = true
	return d
}

// Complaints are the lines of the log about a user that are more than information.
func (d *Dovecot) Complaints(login string) string {
	d.tb.Helper()
	data, err := os.ReadFile(filepath.Join(d.Dir, "dovecot.log"))
	if err != nil {
		d.tb.Fatalf("lab: %v", err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, "("+login+")") && !strings.Contains(line, ": Info: ") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// Pid is the process that has started the others.
func (d *Dovecot) Pid() int { return d.proc.cmd.Process.Pid }

func dovecotBinary() (string, error) {
	if path, err := exec.LookPath("dovecot"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/dovecot") // not in an ordinary user's PATH
}

func withDefaults(tb testing.TB, opt DovecotOptions) DovecotOptions {
	tb.Helper()
	if opt.Format == "" {
		opt.Format = "maildir"
	}
	if opt.Separator == "" && opt.Format == "maildir" {
		opt.Separator = "."
	} else if opt.Separator == "" {
		opt.Separator = "/"
	}
	if opt.SpecialUse == nil {
		opt.SpecialUse = defaultSpecialUse
	}
	if opt.CA == nil {
		opt.CA = NewCA(tb)
	}
	return opt
}

func (d *Dovecot) writeCertificate() {
	d.tb.Helper()
	d.CA = d.opt.CA
	cert := d.CA.Issue(d.tb, d.opt.Hosts...)
	d.Fingerprint = Fingerprint(cert)
	WritePair(d.tb, cert, d.Dir+"/cert.pem", d.Dir+"/key.pem")
	if err := d.account.own(d.Dir + "/key.pem"); err != nil {
		d.tb.Fatalf("lab: %v", err)
	}
}

// startSomewhere starts the server on free ports, trying others if another
// process was faster.
func (d *Dovecot) startSomewhere() {
	d.tb.Helper()
	var err error
	for range 5 {
		freePorts(d.tb, &d.IMAP, &d.IMAPS, &d.POP3, &d.POP3S)
		if err = d.start(); err == nil {
			return
		}
	}
	d.tb.Fatalf("lab: Dovecot does not start: %v\n%s%s", err,
		tail(d.Dir+"/output.log", 20), tail(d.Dir+"/dovecot.log", 20))
}

// start runs the server on its ports and waits for its greeting.
func (d *Dovecot) start() error {
	if err := d.writeConfig(); err != nil {
		return err
	}
	binary, err := dovecotBinary()
	if err != nil {
		return err
	}
	proc, err := startProcess(d.account, d.Dir, nil, binary, "-F", "-c", d.Dir+"/dovecot.conf")
	if err != nil {
		return err
	}
	if err := proc.awaitGreeting(d.IMAP, d.token); err != nil {
		return errors.Join(err, proc.kill())
	}
	d.proc = proc
	return nil
}

// Stop stops the server as its administrator would: clients get a BYE.
func (d *Dovecot) Stop() {
	d.tb.Helper()
	if d.proc == nil {
		return
	}
	if err := d.proc.stop(5 * time.Second); err != nil {
		d.tb.Fatalf("lab: stopping Dovecot: %v", err)
	}
	d.proc = nil
}

// KillAll ends all of the server's processes as a power cut would.
func (d *Dovecot) KillAll() {
	d.tb.Helper()
	if d.proc == nil {
		return
	}
	if err := d.proc.kill(); err != nil {
		d.tb.Errorf("lab: killing Dovecot: %v", err)
	}
	d.proc = nil
}

// Restart starts the server on the same ports with the same mail, stopping it
// first if it runs.
func (d *Dovecot) Restart() {
	d.tb.Helper()
	d.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var err error
	// Another process may hold a port for a moment.
	if poll(ctx, func() bool { err = d.start(); return err == nil }) != nil {
		d.tb.Fatalf("lab: Dovecot does not start again: %v", err)
	}
}

type specialUse struct{ Name, Use, Auto string }

// writeConfig fills in testdata/lab/dovecot.conf.tmpl.
func (d *Dovecot) writeConfig() error {
	tmpl, err := template.New("dovecot.conf").Option("missingkey=error").
		Parse(string(testdata(d.tb, "lab", "dovecot.conf.tmpl")))
	if err != nil {
		return err
	}
	oauth, err := d.oauthConfig()
	if err != nil {
		return err
	}
	values := map[string]any{
		"Dir": d.Dir, "Greeting": d.token, "User": d.account.user, "Group": d.account.group,
		"IMAP": port(d.IMAP), "IMAPS": port(d.IMAPS), "POP3": port(d.POP3), "POP3S": port(d.POP3S),
		"Format": d.opt.Format, "Separator": d.opt.Separator, "Prefix": d.opt.Prefix,
		"Fsync": "never", "SpecialUse": d.specialUse(), "Extra": oauth + d.opt.ExtraConfig,
	}
	if d.opt.Fsync {
		values["Fsync"] = "optimized"
	}
	var out bytes.Buffer
	if err := tmpl.Execute(&out, values); err != nil {
		return err
	}
	return os.WriteFile(d.Dir+"/dovecot.conf", out.Bytes(), 0o644)
}

func (d *Dovecot) specialUse() []specialUse {
	auto := "no"
	if d.opt.AutoCreate {
		auto = "subscribe"
	}
	var out []specialUse
	for name, use := range d.opt.SpecialUse {
		out = append(out, specialUse{name, use, auto})
	}
	slices.SortFunc(out, func(a, b specialUse) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}
