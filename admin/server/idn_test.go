package server

import (
	"testing"
)

// TestHostsWithOtherLetters: a server's host may be written as people write it, on the page and for the API; what is no host is
// told with what one is.
func TestHostsWithOtherLetters(t *testing.T) {
	p := startPage(t)
	p.program("").want(200, "PUT", aDomain, map[string]any{"old": "imaps://почта.пример.рф", "new": "imaps://new.example"}, nil)
	if d, _ := p.directory.DomainNamed("a.example"); d.Old.Host != "xn--80a1acny.xn--e1afmkfd.xn--p1ai" {
		t.Errorf("the host is %s", d.Old.Host)
	}
	c := p.admin("anna", "")
	status, _, text := c.form("/domains", "domain", "c.example", "old", "other", "host", "imap.bücher.example", "security", "tls", "protocol", "imap",
		"new_host", "new.example", "new_port", "99999", "new_security", "tls", "do", "save")
	shows(t, "a port that is none", status, 422, text, "New server: this is not a server", "a port from 1 to 65535")
}
