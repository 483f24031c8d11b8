package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/store"
)

const (
	anna = "anna@example.com" // speaks to Dovecot
	bert = "bert@example.com" // speaks to the proxy in front of it
)

// startDovecot starts a new server on which both have the same mail.
func startDovecot(t testing.TB) *lab.Dovecot {
	t.Helper()
	d := lab.StartDovecot(t, lab.DovecotOptions{
		Format: "sdbox", AutoCreate: true,
		Users:       []lab.User{{Login: anna, Password: "pw"}, {Login: bert, Password: "pw"}},
		ExtraConfig: "protocol imap {\n  imap_max_line_length = 8M\n}\n",
	})
	for _, login := range []string{anna, bert} {
		d.Append(login, "INBOX", lab.Generate(1, 10, 2000)...)
	}
	return d
}

// dovecotProxy is a proxy in front of it, with TLS on both sides.
func dovecotProxy(t testing.TB, d *lab.Dovecot) *proxyRig {
	return startProxy(t, d.ImplicitTLS(), func(p *proxyRig) {
		creds := store.Credentials{Login: bert, Password: "pw"}
		p.store.accounts[bert] = store.Account{
			ID: 7, Domain: "example.com", Login: bert, State: store.Active, Old: creds, New: creds,
		}
	})
}

// dialTLS connects without looking at the certificate.
func dialTLS(t testing.TB, addr string) net.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// speaker plays a transcript and writes down what it is answered.
type speaker struct {
	t       testing.TB
	conn    net.Conn
	r       *bufio.Reader
	heard   strings.Builder
	uv      string
	deliver func(folder string)
}

var uidValidity = regexp.MustCompile(`(UIDVALIDITY|APPENDUID|COPYUID) (\d+)`)

// say sends a line.
func (s *speaker) say(line string) {
	s.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(s.conn, "%s\r\n", strings.ReplaceAll(line, "$UV", s.uv)); err != nil {
		s.t.Fatalf("saying %q: %v", line, err)
	}
}

// wait reads up to a line that begins with the text.
func (s *speaker) wait(text string) {
	s.t.Helper()
	tag, _, _ := strings.Cut(text, " ")
	s.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			s.t.Fatalf("waiting for %q: %v after\n%s%s", text, err, s.heard.String(), line)
		}
		if m := uidValidity.FindStringSubmatch(line); m != nil && m[1] == "UIDVALIDITY" {
			s.uv = m[2]
		}
		s.heard.WriteString(line)
		if strings.HasPrefix(line, text) {
			return
		}
		if tag != "*" && tag != "+" && strings.HasPrefix(line, tag+" ") {
			s.t.Fatalf("waiting for %q, got %q", text, line)
		}
	}
}

func (s *speaker) play(script string) {
	s.t.Helper()
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		switch text, _ := strings.CutPrefix(line[min(1, len(line)):], ": "); {
		case strings.HasPrefix(line, "C:"):
			s.say(text)
		case strings.HasPrefix(line, "W:"):
			s.wait(text)
		case strings.HasPrefix(line, "D:"):
			s.deliver(text)
		}
	}
}

// volatile is what differs between two equal sessions.
var volatile = []struct {
	re   *regexp.Regexp
	with string
}{
	{uidValidity, "$1 N"},
	{regexp.MustCompile(`\(\d+\.\d+ \+ [^)]*secs\)`), "(secs)"},
}

func (s *speaker) transcript() string {
	text := s.heard.String()
	for _, v := range volatile {
		text = v.re.ReplaceAllString(text, v.with)
	}
	return text
}

func newSpeaker(t testing.TB, conn net.Conn) *speaker {
	return &speaker{t: t, conn: conn, r: bufio.NewReader(conn)}
}

// compare plays a script to Dovecot and to the proxy in front of it.
func compare(t *testing.T, script string) {
	t.Helper()
	d := startDovecot(t)
	p := dovecotProxy(t, d)
	mail := lab.Generate(2, 1, 1000)
	said := map[string]string{}
	for login, addr := range map[string]string{anna: d.IMAPS, bert: p.IMAPSAddr().String()} {
		s := newSpeaker(t, dialTLS(t, addr))
		s.deliver = func(folder string) { d.Append(login, folder, mail...) }
		s.say("l LOGIN " + login + " pw")
		s.wait("l OK")
		s.heard.Reset()
		s.play(script)
		said[login] = s.transcript()
	}
	if a, b := said[anna], said[bert]; a != b {
		t.Errorf("through the proxy:\n%s\ndirectly:\n%s\nfirst difference: %s", b, a, firstDifference(a, b))
	}
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("line %d: directly %q, through the proxy %q", i+1, x[i], y[i])
		}
	}
	return "one is longer"
}

func TestDovecotSpeaksAsDirectly(t *testing.T) {
	script, err := os.ReadFile("testdata/extensions.txt")
	if err != nil {
		t.Fatal(err)
	}
	compare(t, string(script))
}

func TestDovecotTakesMegabytesOfUIDs(t *testing.T) {
	set := strings.Repeat("123456789,", 300_000) + "1:3"
	compare(t, "C: a SELECT INBOX\nW: a OK\nC: b UID FETCH "+set+" (FLAGS)\nW: b OK\nC: c NOOP\nW: c OK\n")
}

func TestDovecotShowsWhatAVisitBrought(t *testing.T) {
	d := startDovecot(t)
	p := dovecotProxy(t, d)
	p.ferry.visit = func(_ context.Context, mailbox string, _ func(done, total int)) {
		d.Append(bert, mailbox, lab.Generate(3, 3, 1000)...)
	}
	s := newSpeaker(t, dialTLS(t, p.IMAPSAddr().String()))
	s.play("C: a LOGIN " + bert + " pw\nW: a OK\nC: b NOOP\nC: c SELECT Sent\nW: b OK\nW: * 3 EXISTS\nW: c OK\nC: d LOGOUT\nW: d OK\n")
}

func TestDovecotHangsUp(t *testing.T) {
	compare(t, "C: a SELECT INBOX\nW: a OK\nC: b DELETE {1000000000}\nW: * BYE\n")
}

func TestDovecotMessagesArriveUnchanged(t *testing.T) {
	d := startDovecot(t)
	p := dovecotProxy(t, d)
	s := newSpeaker(t, dialTLS(t, p.IMAPSAddr().String()))
	s.say("a LOGIN " + bert + " pw")
	s.wait("a OK")
	body := bytes.Repeat([]byte("a OK [CAPABILITY STARTTLS] {5}\r\n* BYE\r\n"), 300_000) // 11 MB
	body = append([]byte("Subject: x\r\n\r\n"), body...)
	s.say(fmt.Sprintf("b APPEND Sent {%d}", len(body)))
	s.wait("+")
	s.conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := s.conn.Write(append(body, '\r', '\n')); err != nil {
		t.Fatal(err)
	}
	s.wait("b OK")
	s.say("c SELECT Sent")
	s.wait("c OK")
	s.say("d FETCH 1 BODY.PEEK[]")
	s.heard.Reset()
	s.conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := s.r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(body))
	for n := 0; n < len(got); {
		k, err := s.r.Read(got[n:])
		if n += k; err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, body) {
		t.Error("the body is another one")
	}
	s.wait("d OK")
}
