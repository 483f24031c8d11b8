package proxy

import (
	"net"
	"os"
	"regexp"
	"testing"

	"postferry/internal/lab"
	"postferry/store"
)

// cyrusVolatile is what differs between two equal sessions with Cyrus.
var cyrusVolatile = regexp.MustCompile(`MAILBOXID \([^)]*\)|0\.\d+ secs?\b`)

// TestCyrusSpeaksAsDirectly: through the proxy Cyrus says what it says directly.
func TestCyrusSpeaksAsDirectly(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("testdata/cyrus.txt")
	if err != nil {
		t.Fatal(err)
	}
	c := lab.StartCyrus(t, lab.CyrusOptions{AltNamespace: true, UnixSeparator: true,
		Users: []lab.User{{Login: anna, Password: "pw"}, {Login: bert, Password: "pw"}}})
	for _, login := range []string{anna, bert} {
		client := c.Client(login)
		for _, m := range lab.Generate(1, 10, 2000) {
			if err := lab.Append(client, "INBOX", m); err != nil {
				t.Fatal(err)
			}
		}
		client.Close()
	}
	p := startProxy(t, c.Insecure(), func(p *proxyRig) {
		creds := store.Credentials{Login: bert, Password: "pw"}
		p.store.accounts[bert] = store.Account{ID: 7, Domain: "example.com", Login: bert, State: store.Active, Old: creds, New: creds}
	})
	said := map[string]string{}
	for login, addr := range map[string]string{anna: c.IMAP, bert: p.IMAPAddr().String()} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		s := newSpeaker(t, conn)
		s.say("l LOGIN " + login + " pw")
		s.wait("l OK")
		s.heard.Reset()
		s.play(string(script))
		said[login] = cyrusVolatile.ReplaceAllString(s.transcript(), "x")
	}
	if a, b := said[anna], said[bert]; a != b {
		t.Errorf("through the proxy:\n%s\ndirectly:\n%s\nfirst difference: %s", b, a, firstDifference(a, b))
	}
}
