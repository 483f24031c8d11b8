package discover

import (
	"strings"
	"testing"

	"postferry/internal/lab"
)

// hosts that take mail are often others than those it is read from.
func TestMXOfTheNewServersProvider(t *testing.T) {
	for _, c := range []struct {
		newHost, mx, domain string
		state               MXState
		code                string
	}{
		{"imap.new.example", "mx7.new.example", "example.com", MXMoved, codeMXProvider},
		{"imap.new.example", "mx.old.example", "example.com", MXNotMoved, codeMXOther},
		{"outlook.office365.com", "example-com.mail.protection.outlook.com", "example.com", MXMoved, codeMXProvider},
		{"imap.gmail.com", "aspmx.l.google.com", "example.com", MXMoved, codeMXProvider},
		// Both may lie in the domain itself; then only addresses tell.
		{"new.example.com", "old.example.com", "example.com", MXNotMoved, codeMXOther},
		{"imap.new.co.uk", "mx.old.co.uk", "example.com", MXNotMoved, codeMXOther},
	} {
		w := newWorld(t, c.domain+". 300 IN MX 10 "+c.mx+".", c.newHost+". 300 IN A 10.0.0.2", c.mx+". 300 IN A 10.0.0.1")
		w.New = func(string) []string { return []string{c.newHost} }
		r := w.find(c.domain)
		if r.MX.State != c.state || r.MX.Message.Code != c.code {
			t.Errorf("MX %s, new server %s: %s, %s", c.mx, c.newHost, r.MX.State, r.MX.Message.Text)
		}
		for _, at := range w.asked {
			if c.state == MXMoved && strings.HasPrefix(at, "10.0.0.1:") {
				t.Errorf("MX %s: %s was connected to", c.mx, at)
			}
		}
	}
}

// If the new server can't be looked up, nothing is claimed.
func TestMXWithUnknownNewServer(t *testing.T) {
	w := newWorld(t, "example.com. 300 IN MX 10 mx.other.example.", "mx.other.example. 300 IN A 10.0.0.1")
	w.New = func(string) []string { return []string{"imap.misspelt.example"} }
	r := w.find("example.com")
	if r.MX.State != MXUnknown || codes(r.Notes) != codeNewUnknown {
		t.Fatalf("%s, notes %s", r.MX.State, codes(r.Notes))
	}
	for _, m := range []Message{r.MX.Message, r.Notes[0]} {
		wantCause(t, m, codeHost, "imap.misspelt.example: there is no such name")
		for _, part := range m.Parts["cause"] {
			wantCause(t, part, codeNoAddress, "there is no such name")
		}
	}
}

// wantCause wants a message to say by a code why something is not known.
func wantCause(t *testing.T, m Message, code Code, text string) {
	t.Helper()
	if parts := m.Parts["cause"]; codes(parts) != code || parts[0].Text != text || m.Params["cause"] != text || !strings.Contains(m.Text, text) {
		t.Errorf("want %s (%s): %+v", code, text, m)
	}
}

// TestMXUnknown: why the MX is not known is a code as well, for other languages.
func TestMXUnknown(t *testing.T) {
	w := newWorld(t, "example.com. 300 IN A 10.0.0.1")
	wantCause(t, w.find("nowhere.example").MX.Message, codeNoAddress, "there is no such name")
	w.Resolvers = []string{"127.0.0.1:1"}
	m := w.find("example.com").MX.Message
	if codes(m.Parts["cause"]) != codeDNSFailed {
		t.Fatalf("%+v", m)
	}
	wantCause(t, m, codeDNSFailed, m.Parts["cause"][0].Text)
}

// The domain's own name servers know the newest and the whole TTL.
func TestMXByTheDomainsOwnNameServers(t *testing.T) {
	cached := []string{
		"sub.example.com. 17 IN MX 10 old.example.", "old.example. 300 IN A 10.0.0.1", "new.example. 300 IN A 10.0.0.2",
		"example.com. 300 IN NS ns.example.com.", "ns.example.com. 300 IN A 10.0.0.53",
	}
	w := newWorld(t, cached...)
	w.ownSays("sub.example.com. 3600 IN MX 10 new.example.")
	w.New = func(string) []string { return []string{"new.example"} }
	mx, err := w.MX(t.Context(), "sub.example.com")
	if err != nil || mx.State != MXMoved || mx.Seconds != 3600 || !strings.Contains(mx.Message.Text, "60 minutes") {
		t.Errorf("%+v, %v", mx, err)
	}
	// Where they can't be asked, a recursive server's answer serves.
	w = newWorld(t, append(cached[:4:4], "ns.example.com. 300 IN A 10.0.0.99")...)
	w.New = func(string) []string { return []string{"new.example"} }
	if mx, err = w.MX(t.Context(), "sub.example.com"); err != nil || mx.State != MXNotMoved || mx.Seconds != 17 {
		t.Errorf("%+v, %v", mx, err)
	}
}

// Whatever is at the MX, the usual names get their turn.
func TestManyMXLeaveRoomForUsualNames(t *testing.T) {
	records := []string{"imap.example.com. 300 IN A 10.0.0.1"}
	for _, x := range strings.Split("abcdefghij", "") {
		records = append(records, "example.com. 300 IN MX 10 mx."+x+".filter-"+x+".example.")
	}
	w := newWorld(t, records...)
	cert := w.ca.Issue(t, "imap.example.com")
	w.says("10.0.0.1:993", ready, &cert)
	if r := w.find("example.com"); r.Found == nil || r.Found.Host != "imap.example.com" {
		t.Errorf("found %+v", r.Found)
	}
}

func TestCustomersServerOfAKnownProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "example.com. 300 IN MX 1 aspmx.l.google.com.", "imap.gmail.com. 300 IN A 10.0.0.1")
	w.dovecot("10.0.0.1", lab.DovecotOptions{Hosts: []string{"imap.gmail.com"}})
	r := w.find("example.com")
	if r.Found == nil || r.Found.URL != "imaps://imap.gmail.com" || codes(r.Why) != "why_imap why_source_provider why_trusted" {
		t.Fatalf("found %+v because %s", r.Found, codes(r.Why))
	}
	if codes(r.Notes) != "note_google note_daily_limit" || !strings.Contains(r.Notes[0].Text, "app password") {
		t.Errorf("notes: %+v", r.Notes)
	}
}

func TestParents(t *testing.T) {
	for host, want := range map[string]string{
		"mx1.hoster.co.uk": "hoster.co.uk", "hoster.co.uk": "", "co.uk": "", "mx.a.b.hoster.de": "a.b.hoster.de b.hoster.de",
		"customer.github.io": "", "mx": "",
	} {
		if got := strings.Join(parents(host), " "); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for seconds, want := range map[int64]string{0: "0 seconds", 119: "119 seconds", 300: "5 minutes", 3600: "60 minutes", 86400: "24 hours"} {
		if got := span(seconds); got != want {
			t.Errorf("%d: %q, want %q", seconds, got, want)
		}
	}
}
