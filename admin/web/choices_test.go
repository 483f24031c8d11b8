package web

import (
	"fmt"
	"testing"

	"postferry/discover"
)

// TestChoices: the names of one machine are one choice, the one that was found stands first and those by POP3 last.
func TestChoices(t *testing.T) {
	attempt := func(number int, protocol discover.Protocol, host, address string, port int) discover.Attempt {
		return discover.Attempt{Number: number, Protocol: protocol, Host: host, Address: address, Port: port, Usable: true, Trusted: true}
	}
	r := &discover.Report{Found: &discover.Found{Attempt: 4}, Attempts: []discover.Attempt{
		attempt(1, discover.POP3, "pop.example.com", "192.0.2.1", 995), attempt(2, discover.IMAP, "other.example.com", "192.0.2.9", 993),
		attempt(3, discover.IMAP, "mail.example.com", "192.0.2.1", 993), attempt(4, discover.IMAP, "imap.example.com", "192.0.2.1", 993),
		attempt(5, discover.IMAP, "mx.example.com", "192.0.2.1", 993), attempt(6, discover.POP3, "mail.example.com", "192.0.2.1", 995),
	}}
	var got string
	for _, c := range (&visit{}).choices(r) {
		got += fmt.Sprint(c.Protocol, " ", c.Host, ", ")
	}
	if want := "imap imap.example.com, imap other.example.com, pop3 pop.example.com, "; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
