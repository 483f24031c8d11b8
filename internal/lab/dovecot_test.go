package lab

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/config"

	"postferry/internal/lab/loopback"
)

func TestDovecotServesEveryFormat(t *testing.T) {
	for _, format := range []string{"maildir", "sdbox", "mdbox"} {
		t.Run(format, func(t *testing.T) {
			d := StartDovecot(t, DovecotOptions{Format: format, Users: []User{{anna, "x"}}})
			d.Append(anna, "Entwürfe", Generate(1, 3, 600)...)
			if n := len(d.Snapshot(anna).Folders["Entwürfe"].Messages); n != 3 {
				t.Errorf("%d messages", n)
			}
		})
	}
}

func TestDovecotTLS(t *testing.T) {
	d := StartDovecot(t, DovecotOptions{Users: []User{{anna, "x"}}})
	trusting := &imapclient.Options{TLSConfig: &tls.Config{RootCAs: d.CA.Pool()}}
	for name, dial := range map[string]func(string, *imapclient.Options) (*imapclient.Client, error){
		d.IMAPS: imapclient.DialTLS, d.IMAP: imapclient.DialStartTLS,
	} {
		c, err := dial(name, trusting)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := c.Login(anna, "x").Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c.Close()
	}
	var unknown x509.UnknownAuthorityError
	if _, err := imapclient.DialTLS(d.IMAPS, nil); !errors.As(err, &unknown) {
		t.Errorf("without the authority: %v", err)
	}
	conn, err := tls.Dial("tcp", d.IMAPS, trusting.TLSConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sum := sha256.Sum256(conn.ConnectionState().PeerCertificates[0].Raw)
	if !slices.Equal(sum[:], d.Fingerprint) {
		t.Errorf("certificate %x, fingerprint %x", sum, d.Fingerprint)
	}
}

func TestDovecotDescribesItself(t *testing.T) {
	d := StartDovecot(t, DovecotOptions{})
	for _, tt := range []struct {
		server   config.Server
		security config.Security
		addr     string
		trusted  bool
	}{
		{d.Insecure(), config.Insecure, d.IMAP, false},
		{d.StartTLS(), config.StartTLS, d.IMAP, true},
		{d.ImplicitTLS(), config.ImplicitTLS, d.IMAPS, true},
		{d.Pinned(), config.ImplicitTLS, d.IMAPS, false},
	} {
		s := tt.server
		if s.Security != tt.security || net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) != tt.addr || (s.CA != "") != tt.trusted {
			t.Errorf("%+v", s)
		}
	}
	if !slices.Equal(d.Pinned().Fingerprint, d.Fingerprint) {
		t.Error("Pinned has no fingerprint")
	}
}

func TestDovecotServesPOP3(t *testing.T) {
	d := StartDovecot(t, DovecotOptions{Users: []User{{anna, "x"}}})
	d.FillMaildir(anna, "INBOX", Generate(1, 2, 600))
	secured, err := tls.Dial("tcp", d.POP3S, &tls.Config{RootCAs: d.CA.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	defer secured.Close()
	for _, conn := range []net.Conn{loopback.Dial(t, d.POP3), secured} {
		loopback.Say(t, conn, "USER "+anna+"\r\nPASS x\r\nSTAT\r\nQUIT\r\n")
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(answer), "+OK 2 1200\r\n") {
			t.Errorf("%q, %v", answer, err)
		}
	}
}

func TestDovecotTakesOddLogins(t *testing.T) {
	d := StartDovecot(t, DovecotOptions{})
	users := []User{
		{"anna", `a b"c\d%s§ü{5}`}, {"jürgen@büro.example", ":colon:"}, {"a/b c", "\xff\xfe8-bit"},
		{"UPPER@Example.com", "#"}, {"upper@example.com", "another person"},
	}
	d.AddUser(users...)
	for _, u := range users {
		if err := rawLogin(t, d.IMAP, u); err != nil {
			t.Errorf("%q: %v", u, err)
		}
	}
	for _, password := range []string{"changed", "changer"} { // of one length
		former := users[0]
		users[0].Password = password
		d.AddUser(users[0])
		if err := rawLogin(t, d.IMAP, users[0]); err != nil {
			t.Errorf("%q: %v", users[0], err)
		}
		if err := rawLogin(t, d.IMAP, former); err == nil {
			t.Errorf("%q: the former password will do", former)
		}
	}
	if d.UserDir("UPPER@Example.com") == d.UserDir("upper@example.com") {
		t.Error("two people share a home")
	}
}

// rawLogin logs in with literals, which carry any octet.
func rawLogin(t *testing.T, addr string, u User) error {
	t.Helper()
	c := loopback.Dial(t, addr)
	loopback.Say(t, c, fmt.Sprintf("a LOGIN {%d+}\r\n%s {%d+}\r\n%s\r\n", len(u.Login), u.Login, len(u.Password), u.Password))
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil || strings.HasPrefix(line, "a OK") {
			return err
		}
		if strings.HasPrefix(line, "a ") {
			return errors.New(line)
		}
	}
}

func TestDovecotSpecialUse(t *testing.T) {
	d := StartDovecot(t, DovecotOptions{
		Separator: "/", Prefix: "INBOX/", Users: []User{{anna, "x"}}, AutoCreate: true,
		SpecialUse: map[string]string{"Gesendet": `\Sent`, "Gelöschte Objekte": `\Trash`},
	})
	d.Open(anna, "INBOX")
	snap := d.Snapshot(anna)
	for name, use := range map[string]imap.MailboxAttr{
		"INBOX/Gesendet": imap.MailboxAttrSent, "INBOX/Gelöschte Objekte": imap.MailboxAttrTrash,
	} {
		if f := snap.Folders[name]; f == nil || !slices.Equal(f.Attrs, []imap.MailboxAttr{use}) || !slices.Contains(snap.Subscribed, name) {
			t.Errorf("%s: %+v among %q", name, f, snap.Subscribed)
		}
	}
	d = StartDovecot(t, DovecotOptions{Users: []User{{anna, "x"}}})
	if folders := d.Snapshot(anna).Folders; len(folders) != 1 {
		t.Errorf("folders nobody made: %v", folders)
	}
}

func TestDovecotComesBack(t *testing.T) {
	d := StartDovecot(t, DovecotOptions{Users: []User{{anna, "x"}}})
	d.FillMaildir(anna, "INBOX", Generate(1, 3, 600))
	before, addr := d.Snapshot(anna), d.IMAP
	for name, end := range map[string]func(){"stop": d.Stop, "kill": d.KillAll, "nothing": func() {}} {
		open := loopback.Dial(t, d.IMAP)
		end()
		if _, err := net.Dial("tcp", addr); name != "nothing" && err == nil {
			t.Errorf("%s: still there", name)
		}
		d.Restart()
		if _, err := io.Copy(io.Discard, open); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %v", name, err)
		}
		if d.IMAP != addr {
			t.Errorf("%s: moved to %s", name, d.IMAP)
		}
		if diff := before.Diff(d.Snapshot(anna)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestDovecotNoticesATakenPort(t *testing.T) {
	d := StartDovecot(t, DovecotOptions{})
	d.Stop()
	l, err := net.Listen("tcp", d.POP3)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := d.start(); err == nil || time.Since(start) > 9*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	l.Close()
	d.Restart()
}

// childEnv makes TestDovecotDiesWithItsTest the test that is killed.
const childEnv = "POSTFERRY_LAB_CHILD"

func TestDovecotDiesWithItsTest(t *testing.T) {
	if os.Getenv(childEnv) != "" {
		d := StartDovecot(t, DovecotOptions{Users: []User{{anna, "x"}}})
		d.Client(anna) // a session is a process more
		fmt.Printf("group %d dir %s\n", d.proc.cmd.Process.Pid, d.Dir)
		select {}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDovecotDiesWithItsTest$")
	cmd.Env = append(os.Environ(), childEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var group int
	var dir string
	if _, err := fmt.Fscanf(out, "group %d dir %s\n", &group, &dir); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	start := time.Now()
	if err := poll(ctx, func() bool { return !groupAlive(group) }); err != nil {
		t.Errorf("Dovecot lives on: %v", syscall.Kill(-group, syscall.SIGKILL))
	}
	t.Logf("gone after %v", time.Since(start))
}
