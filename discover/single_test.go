package discover

import (
	"testing"

	"postferry/config"
	"postferry/internal/lab"
)

// serverOf reads a server's URL.
func serverOf(t *testing.T, url string) config.Server {
	t.Helper()
	s, err := config.ParseServer(url)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSingle tries servers that somebody has named.
func TestSingle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mail.example.com. 300 IN A 10.0.0.1", "old.example.com. 300 IN A 10.0.0.1", "new.example.com. 300 IN A 10.0.0.9")
	w.dovecot("10.0.0.1", lab.DovecotOptions{Hosts: []string{"mail.example.com"}})
	inside, outside := *w.Finder, *w.Finder
	outside.AllowPrivate = false
	for _, tt := range []struct {
		url     string
		others  string // the domain's other server
		outside bool
		outcome Code
		usable  bool
	}{
		{"imaps://mail.example.com", "new.example.com", false, codeOK, true},
		{"imaps://old.example.com", "new.example.com", false, codeBadCert, true}, // made out to another name
		{"imaps://mail.example.com", "old.example.com", false, codeExcludedNew, false},
		{"imaps://nowhere.example.com", "new.example.com", false, codeNoAddress, false},
		{"imaps://mail.example.com:22", "new.example.com", true, codePort, false},
		{"imaps://mail.example.com", "new.example.com", true, PrivateAddress, false},
	} {
		f := &inside
		if tt.outside {
			f = &outside
		}
		a := f.Single(t.Context(), serverOf(t, tt.url), tt.others)
		if a.Outcome.Code != tt.outcome || a.Usable != tt.usable || a.Source != SourceNamed || a.Usable != (a.Certificate != nil) {
			t.Errorf("%s beside %s, outside: %v: %s, usable: %v, %+v", tt.url, tt.others, tt.outside, a.Outcome.Code, a.Usable, a.Certificate)
		}
	}
}

// TestSame: two names of one server are the same, two servers of one machine are not.
func TestSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "old.example.com. 300 IN A 10.0.0.1", "new.example.com. 300 IN A 10.0.0.1", "other.example.com. 300 IN A 10.0.0.2")
	f := w.Finder
	for _, tt := range []struct {
		old, new string
		same     bool
	}{
		{"imaps://old.example.com", "imaps://new.example.com", true},
		{"imap://old.example.com", "imaps://new.example.com", true},
		{"pop3s://old.example.com", "imaps://new.example.com", true},
		{"imaps://10.0.0.1", "imaps://new.example.com", true},
		{"imaps://unknown.example.com", "imap://unknown.example.com", true},
		{"imaps://old.example.com", "imaps://other.example.com", false},
		{"imaps://old.example.com:1993", "imaps://new.example.com:2993", false},
		{"imaps://old.example.com", "imaps://unknown.example.com", false},
	} {
		if got := f.Same(t.Context(), serverOf(t, tt.old), serverOf(t, tt.new)); got != tt.same {
			t.Errorf("%s and %s: %v", tt.old, tt.new, got)
		}
	}
}
