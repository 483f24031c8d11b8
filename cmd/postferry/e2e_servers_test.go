package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// awaitCheck starts a check of all accounts, waits for its end and returns what it found.
func awaitCheck(t *testing.T, p *panel, domain string) string {
	t.Helper()
	p.want("POST", "/domains/"+domain+"/check", map[string]bool{"all": true}, nil)
	var check struct{ State string }
	eventually(t, "the check's end", func() bool {
		p.want("GET", "/domains/"+domain+"/check", nil, &check)
		return check.State != "running"
	})
	var found json.RawMessage
	p.want("GET", "/domains/"+domain+"/check/accounts", nil, &found)
	return string(found)
}

// TestPasswordsStayFromCatchers: whoever looks after one domain can't have the stored
// passwords, or those of people who log in, sent to a server of theirs.
func TestPasswordsStayFromCatchers(t *testing.T) {
	t.Parallel()
	h := startHosting(t, "anna@example.com", "bert@other.example")
	honest := h.pair.old.ImplicitTLS().String()
	h.root.want("PUT", "/domains/example.com", map[string]string{"old": honest, "old_fingerprint": fmt.Sprintf("%x", h.pair.old.Fingerprint)}, nil)
	h.add(h.root, "anna@example.com")
	trap := startCatcher(t, "127.0.0.1:0", "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n")

	own := h.token("example.com")
	for _, in := range []map[string]any{
		{"old": "imap+insecure://" + trap.addr, "old_fingerprint": ""},
		{"old": "imap://" + trap.addr},
		{"old": "imaps://" + trap.addr},
		{"old": "pop3s://" + trap.addr},
		{"old": h.pair.old.StartTLS().String()},
		{"old_fingerprint": strings.Repeat("ab", 32)},
		{"old_fingerprint": ""},
		{"enrol": true},
	} {
		if status, text, err := own.try("PUT", "/domains/example.com", in, nil); err != nil || status != http.StatusForbidden {
			t.Errorf("PUT %v: %d, %v\n%s", in, status, err, text)
		}
	}
	b := h.browser("carol", "example.com")
	values := b.servers("example.com")
	host, port, _ := net.SplitHostPort(trap.addr)
	for name, value := range map[string]string{"host": host, "port": port, "security": "insecure", "protocol": "imap", "fingerprint": ""} {
		values.Set(name, value)
	}
	if status, text := b.send("/domains", values); status != http.StatusUnprocessableEntity || !strings.Contains(text, "This domain has accounts, whose passwords would go to another server") {
		t.Errorf("the form: %d\n%s", status, text)
	}
	awaitCheck(t, own, "example.com")
	own.want("POST", "/domains/example.com/begin", map[string]bool{"all": true}, nil)
	eventually(t, "a transfer", func() bool {
		var d pageDomain
		own.want("GET", "/domains/example.com", nil, &d)
		return d.Totals.Complete+d.Totals.Failed+d.Totals.Retrying == 1
	})
	trap.heard(t, "a transfer", odd)
	h.pair.sameMail("anna@example.com")

	// A domain of one's own, with a server of one's own, where strangers log in.
	own = h.token("other.example")
	if status, text, err := own.try("PUT", "/domains/other.example", map[string]any{"old": "imap://" + trap.addr, "enrol": true}, nil); err != nil || status != http.StatusForbidden {
		t.Errorf("enrolment at a server of one's own: %d, %v\n%s", status, err, text)
	}
	if status, text, err := own.try("PUT", "/domains/other.example", map[string]any{"old": "imap+insecure://" + trap.addr}, nil); err != nil || status != http.StatusForbidden {
		t.Errorf("a server without protection: %d, %v\n%s", status, err, text)
	}
	own.want("PUT", "/domains/other.example", map[string]any{"old": "imaps://" + trap.addr}, nil)
	h.login("bert@other.example")
	trap.heard(t, "a login", odd)
	if n := trap.visitors(); n > 0 {
		t.Errorf("%d connections came to the catcher", n)
	}
}

// TestCustomersServersAreOutside: a server that was chosen by whoever looks after one
// domain is never looked for on this machine or in private networks, whatever its
// name or address is, and what is found there can't be told.
func TestCustomersServersAreOutside(t *testing.T) {
	t.Parallel()
	h := startHosting(t, "anna@example.com")
	const words = "inner-words"
	ssh, mail := startCatcher(t, "0.0.0.0:0", "SSH-2.0-"+words+"\r\n"), startCatcher(t, "0.0.0.0:0", "* OK "+words+"\r\n")
	ports := []string{portOf(t, ssh.addr), portOf(t, mail.addr), portOf(t, startClosed(t)), "25"}
	var servers []string
	for _, scheme := range []string{"imaps", "imap", "pop3s", "pop3"} {
		for _, port := range ports {
			servers = append(servers, scheme+"://127.0.0.1:"+port)
		}
	}
	for _, host := range []string{"127.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "169.254.169.254", "10.0.0.1"} {
		servers = append(servers, "imap://"+host+":"+ports[1])
	}
	own := h.token("example.com")
	answers := map[string]string{}
	for i, server := range servers {
		own.want("PUT", "/domains/example.com", map[string]string{"old": server}, nil)
		h.add(own, fmt.Sprintf("anna%d@example.com", i)) // one login may not be tried that often
		text := awaitCheck(t, own, "example.com")
		own.want("POST", "/domains/example.com/accounts/remove", map[string]bool{"all": true}, nil)
		if strings.Contains(text, words) || strings.Contains(text, "SSH") {
			t.Errorf("%s: the check tells %s", server, text)
		}
		answers[withoutServer(text, server)] = server
	}
	if len(answers) != 1 {
		t.Errorf("what is there can be told apart: %v", answers)
	}

	// Transfers, logins, visits and verifications go the same way.
	own.want("PUT", "/domains/example.com", map[string]string{"old": "imap://localhost:" + ports[1]}, nil)
	h.add(own, "anna@example.com")
	own.want("POST", "/domains/example.com/begin", map[string]bool{"all": true}, nil)
	client := h.login("anna@example.com")
	if _, err := client.Select("INBOX", nil).Wait(); err != nil {
		t.Errorf("a visit: %v", err)
	}
	eventually(t, "a transfer that failed", func() bool {
		var d pageDomain
		own.want("GET", "/domains/example.com", nil, &d)
		return d.Totals.Failed+d.Totals.Retrying == 1
	})
	own.want("POST", "/domains/example.com/verify", map[string]bool{"all": true}, nil)
	var verification struct{ State string }
	eventually(t, "the verification's end", func() bool {
		own.want("GET", "/domains/example.com/verify", nil, &verification)
		return verification.State != "running"
	})
	if n := ssh.visitors() + mail.visitors(); n > 0 {
		t.Errorf("%d connections came to this machine", n)
	}
}

// startClosed is an address of this machine at which nobody listens.
func startClosed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// withoutServer is what a check found, without what was asked for and what differs by itself.
func withoutServer(text, server string) string {
	var found struct {
		Accounts []struct {
			Problem map[string]any `json:"old_problem"`
		}
	}
	if err := json.Unmarshal([]byte(text), &found); err != nil || len(found.Accounts) != 1 {
		return text
	}
	p := found.Accounts[0].Problem
	delete(p, "since")
	delete(p, "retry")
	rest, _ := json.Marshal(p)
	_, address, _ := strings.Cut(server, "://")
	host := strings.Trim(address[:strings.LastIndexByte(address, ':')], "[]")
	return strings.NewReplacer(address, "SERVER", host, "HOST").Replace(string(rest))
}

// TestPinStays: the one certificate of the new server that is accepted stays, whatever
// else is changed, by the API or on the page.
func TestPinStays(t *testing.T) {
	t.Parallel()
	h := startHosting(t, "anna@example.com")
	pin := fmt.Sprintf("%X", h.pair.new.Fingerprint)
	h.root.want("PUT", "/domains/example.com", map[string]any{
		"old": h.pair.old.Insecure().String(), "new": h.pair.new.ImplicitTLS().String(), "new_fingerprint": pin, "enrol": true}, nil)
	stays := func(after string) {
		t.Helper()
		var d struct {
			Enrol bool
			New   struct{ Fingerprint string }
		}
		h.root.want("GET", "/domains/example.com", nil, &d)
		if d.New.Fingerprint != pin || !d.Enrol {
			t.Errorf("%s: %+v, want the fingerprint %s", after, d, pin)
		}
		h.login("anna@example.com")
	}
	stays("set up")
	h.root.want("PUT", "/domains/example.com", map[string]any{"old": h.pair.old.ImplicitTLS().String()}, nil)
	stays("a PUT of the old server")
	h.root.want("PUT", "/domains/example.com", map[string]any{}, nil)
	stays("a PUT of nothing")
	b := h.browser("root", "")
	values := b.servers("example.com")
	if status, text := b.send("/domains", values); status != http.StatusOK {
		t.Errorf("saving the form: %d\n%s", status, text)
	}
	stays("the form as it was shown")
	values = b.servers("example.com")
	values.Set("host", "localhost")
	if status, text := b.send("/domains", values); status != http.StatusOK {
		t.Errorf("saving the form: %d\n%s", status, text)
	}
	stays("another old server in the form")
	own := h.token("example.com")
	if status, text, err := own.try("PUT", "/domains/example.com", map[string]string{"new_fingerprint": ""}, nil); err != nil || status != http.StatusForbidden {
		t.Errorf("a customer takes the fingerprint away: %d, %v\n%s", status, err, text)
	}
	stays("a customer")
	var log json.RawMessage
	h.root.want("GET", "/audit?domain=example.com", nil, &log)
	if !strings.Contains(string(log), pin) {
		t.Errorf("the audit log lacks the fingerprint: %s", log)
	}
}
