package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/demo/servers"
	"postferry/internal/lab"
)

// privateWords are in every message of the test, and nowhere else.
const privateWords = "strictly-private-words"

// forms are the ways in which a password may appear.
func forms(login, password string) []string {
	all := []string{password, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(password)}
	for _, s := range []string{password, "\x00" + login + "\x00" + password, login + "\x00" + login + "\x00" + password} {
		all = append(all, base64.StdEncoding.EncodeToString([]byte(s)))
	}
	// The middle of the password's base64 at each of its three alignments.
	for shift := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + password))
		all = append(all, text[4:len(text)-4])
	}
	return all
}

// checkTrace wants no secret and no mail in a trace, and every line in form.
func checkTrace(t *testing.T, trace string, secrets []string) {
	t.Helper()
	for _, bad := range append(secrets, privateWords, base64.StdEncoding.EncodeToString([]byte(privateWords))) {
		if i := strings.Index(trace, bad); i >= 0 {
			t.Errorf("the trace has %q: ...%q", bad, trace[max(0, i-200):min(len(trace), i+100)])
		}
	}
	form := regexp.MustCompile(`^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \d+ \S+:\d+ \S+ [CS-]: .*$`)
	for line := range strings.Lines(trace) {
		if !form.MatchString(strings.TrimSuffix(line, "\n")) || len(line) > 4000 {
			t.Errorf("a line of %d octets: %.300q", len(line), line)
		}
	}
}

// privateMail is mail of all kinds and sizes that is nobody's business.
func privateMail() []lab.Msg {
	var mail []lab.Msg
	for i := range 30 {
		body := fmt.Sprintf("From: a@example.com\r\nSubject: %s %d\r\nMessage-ID: <%d-%s@example.com>\r\n\r\n* 1 %s\r\n+ %s\r\nP5 OK %s {5}\r\n",
			privateWords, i, i, privateWords, privateWords, privateWords, privateWords)
		if i == 7 {
			body += strings.Repeat(privateWords+"\r\n", 100_000)
		}
		mail = append(mail, lab.Msg{Body: []byte(body), Flags: []imap.Flag{imap.FlagSeen}, Date: time.Unix(1_600_000_000, 0)})
	}
	return mail
}

// TestTraceOfPasses wants the protocol of whole passes between real servers in
// the trace, with TLS and without, for a login that is refused, too, and
// nothing in it that is private.
func TestTraceOfPasses(t *testing.T) {
	t.Parallel()
	const bert = "bert@example.com"
	p := startPair(t, anna, bert)
	p.old.FillMaildir(anna, "INBOX", privateMail())
	p.old.FillMaildir(anna, "INBOX.Ordner", privateMail())
	p.new.Append(anna, "INBOX", privateMail()[3]) // headers are fetched to recognise it
	dir := t.TempDir()
	config, trace := filepath.Join(dir, "config.toml"), filepath.Join(dir, "trace")
	writeFile(t, config, p.config())
	if err := os.WriteFile(trace, nil, 0o644); err != nil { // left behind by somebody careless
		t.Fatal(err)
	}
	const wrong = "wrong but secret"
	takeOver(t, config, fmt.Sprintf("%s %s\n%s %s\n", anna, quoted(odd), bert, quoted(wrong)))
	for range 2 {
		if code, out, stderr := postferry(t, "", "sync", "-c", config, "--trace", trace); code != exitFailed {
			t.Fatalf("status %d\n%s%s", code, out, stderr)
		}
	}
	p.sameMail(anna)
	info, err := os.Stat(trace)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %s, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	checkTrace(t, string(text), append(forms(anna, odd), forms(bert, wrong)...))
	for _, want := range []string{" -: connected", " -: TLS", "[CAPABILITY IMAP4rev1 ", " AUTHENTICATE [secret]", " NO [AUTHENTICATIONFAILED] [masked]",
		" BODY.PEEK[]", " FETCH (UID ", " octets}", " APPEND \"", "[APPENDUID ", p.old.IMAP + " " + anna + " S: * OK "} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the trace has no %q", want)
		}
	}
	if t.Failed() {
		t.Logf("%.3000s", text)
	}
}

// TestTraceOfDemoServers is the same with servers of another kind.
func TestTraceOfDemoServers(t *testing.T) {
	t.Parallel()
	_, config, list := memoryServers(t, 0)
	trace := filepath.Join(t.TempDir(), "trace")
	mustRun(t, "import", "-c", config, list)
	mustRun(t, "sync", "-c", config, "--trace", trace)
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	checkTrace(t, string(text), forms(servers.Login, servers.Password))
	for _, f := range servers.Folders() {
		for _, subject := range f.Subjects {
			if len(subject) > 8 && strings.Contains(string(text), subject) {
				t.Errorf("the trace has the subject %q", subject)
			}
		}
	}
	if !strings.Contains(string(text), " APPEND \"") {
		t.Errorf("nothing of the pass is in the trace:\n%s", text)
	}
}
