package proxy

import (
	"strings"
	"testing"

	"postferry/store"
)

// TestWhatTheNewServerSaysOfALogin: the code and the words of the new server reach the
// client, and nothing that is secret, breaks a response or leads the client elsewhere.
func TestWhatTheNewServerSaysOfALogin(t *testing.T) {
	const secret = `s3cret "x\`
	long := strings.Repeat("word ", 400)
	tests := map[string]struct{ answer, want string }{
		"expired":                    {"TAG NO [EXPIRED] Your password has expired, see https://mail.example/", "a NO [EXPIRED] Your password has expired, see https://mail.example/\n"},
		"contact the admin":          {"TAG NO [CONTACTADMIN] Mailbox is closed", "a NO [CONTACTADMIN] Mailbox is closed\n"},
		"limit":                      {"TAG NO [LIMIT] Too many logins today", "a NO [LIMIT] Too many logins today\n"},
		"TLS wanted":                 {"TAG NO [PRIVACYREQUIRED] Use TLS", "a NO [PRIVACYREQUIRED] Use TLS\n"},
		"later":                      {"TAG NO [UNAVAILABLE] Temporary authentication failure", "a NO [UNAVAILABLE] Temporary authentication failure\n"},
		"in use":                     {"TAG NO [INUSE] The mailbox is locked", "a NO [INUSE] The mailbox is locked\n"},
		"in lower case":              {"TAG NO [expired] old", "a NO [EXPIRED] old\n"},
		"authorization":              {"TAG NO [AUTHORIZATIONFAILED] Not this person's", "a NO [AUTHORIZATIONFAILED] Not this person's\n"},
		"somebody's own code":        {"TAG NO [SYS/TEMP] come back", "a NO [SYS/TEMP] come back\n"},
		"a code with a value":        {"TAG NO [WEBALERT https://accounts.example/] Web login required", "a NO [WEBALERT] Web login required\n"},
		"no code":                    {"TAG NO Account is disabled", "a NO [AUTHENTICATIONFAILED] Account is disabled\n"},
		"no code, it passes":         {"TAG NO Temporary failure", "a NO [UNAVAILABLE] Temporary failure\n"},
		"a code alone":               {"TAG NO [EXPIRED]", "a NO [EXPIRED] The mail server refused the login\n"},
		"nothing":                    {"TAG NO", "a " + unasked},
		"BAD":                        {"TAG BAD Logins with a blank are not possible", "a NO [AUTHENTICATIONFAILED] Logins with a blank are not possible\n"},
		"BYE":                        {"* BYE [UNAVAILABLE] The server is restarted", "a NO [UNAVAILABLE] The server is restarted\n"},
		"an alert before":            {"* OK [ALERT] Sign in with a browser\r\nTAG NO [AUTHENTICATIONFAILED] no", "* OK [ALERT] Sign in with a browser\na NO [AUTHENTICATIONFAILED] no\n"},
		"a warning before":           {"* NO The disk is full\r\nTAG NO [UNAVAILABLE] no", "* NO The disk is full\na NO [UNAVAILABLE] no\n"},
		"an alert as answer":         {"TAG NO [ALERT] Sign in with a browser", "a NO [ALERT] Sign in with a browser\n"},
		"another server":             {"TAG NO [REFERRAL imap://joe@evil.example/] Go there", "a NO [AUTHENTICATIONFAILED] Go there\n"},
		"capabilities":               {"TAG NO [CAPABILITY IMAP4rev1 STARTTLS] no", "a NO [AUTHENTICATIONFAILED] no\n"},
		"an odd code":                {"TAG NO [X\x01Y] no", "a NO [AUTHENTICATIONFAILED] no\n"},
		"an endless code":            {"TAG NO [" + strings.Repeat("X", 100) + "] no", "a NO [AUTHENTICATIONFAILED] "},
		"control characters":         {"TAG NO [EXPIRED] a\x1b[31mb\u202ec", "a NO [EXPIRED] a [31mbc\n"},
		"letters":                    {"TAG NO [EXPIRED] Passwort ungültig", "a NO [EXPIRED] Passwort ungültig\n"},
		"endless":                    {"TAG NO [EXPIRED] " + long, "a NO [EXPIRED] " + strings.TrimSpace(long[:500]) + "\n"},
		"the password":               {"TAG NO [EXPIRED] not " + secret, "a NO [EXPIRED] The mail server refused the login\n"},
		"the password, quoted":       {`TAG NO what is LOGIN joe "s3cret \"x\\"?`, "a " + unasked},
		"the password, in capitals":  {"TAG NO LOGIN JOE " + strings.ToUpper(secret), "a " + unasked},
		"the password, in an alert":  {"* OK [ALERT] not " + secret + "\r\nTAG NO [EXPIRED] no", "a NO [EXPIRED] no\n"},
		"the password, in a warning": {"* NO not " + secret + "\r\nTAG NO [EXPIRED] no", "a NO [EXPIRED] no\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := startFakeServer(t, nil)
			f.set(tt.answer)
			p := startProxy(t, f.config(), nil)
			c := p.greeted(t)
			c.says("a LOGIN joe@example.com {10+}\n" + secret + "\n")
			c.hears(tt.want)
		})
	}
}

// TestAlertOfAnAcceptedLogin: what the new server wants to be shown is said before the login is answered.
func TestAlertOfAnAcceptedLogin(t *testing.T) {
	tests := map[string]struct{ answer, want string }{
		"before":     {"* OK [ALERT] Your mailbox is 95% full\r\nTAG OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE] in", "* OK [ALERT] Your mailbox is 95% full\n"},
		"as answer":  {"TAG OK [ALERT] Your password expires soon", "* OK [ALERT] Your password expires soon\n"},
		"a warning":  {"* NO Please empty the trash\r\nTAG OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE] in", "* NO Please empty the trash\n"},
		"several":    {"* OK [ALERT] a\r\n* NO [ALERT] b\r\n* OK fine\r\nTAG OK [ALERT] c", "* OK [ALERT] a\n* OK [ALERT] b\n* OK [ALERT] c\n"},
		"very many":  {strings.Repeat("* OK [ALERT] a\r\n", 100) + "TAG OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE] in", strings.Repeat("* OK [ALERT] a\n", 8)},
		"a password": {"* OK [ALERT] pw\r\nTAG OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE] in", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := startFakeServer(t, nil)
			f.set(tt.answer)
			p := startProxy(t, f.config(), nil)
			c := p.greeted(t)
			c.says("a LOGIN joe@example.com pw\n")
			c.hears(tt.want + "a OK [CAPABILITY IMAP4rev1 LITERAL+")
		})
	}
}

// TestRefusalOfThePasswordOnRecord: who logs in with the old password learns why the new
// server refuses the one on record, not that the old one is not the new one.
func TestRefusalOfThePasswordOnRecord(t *testing.T) {
	f := startFakeServer(t, nil)
	f.says = map[string]string{"j.new new pw": "TAG NO [EXPIRED] Choose another password", "j.new guess": "TAG NO [AUTHENTICATIONFAILED] no"}
	p := startProxy(t, f.config(), func(p *proxyRig) {
		p.store.accounts["joe@example.com"] = known("old pw", "j.new", "new pw")
	})
	c := p.greeted(t)
	c.says("a LOGIN joe@example.com \"old pw\"\n")
	c.hears("a NO [EXPIRED] Choose another password\n")
	c.says("b LOGIN joe@example.com guess\n")
	c.hears("b NO [AUTHENTICATIONFAILED] no\n")
	f.mu.Lock()
	f.says["j.new old pw"] = "TAG NO [CONTACTADMIN] Closed"
	f.mu.Unlock()
	c.says("c LOGIN joe@example.com \"old pw\"\n")
	c.hears("c NO [CONTACTADMIN] Closed\n")
	if got := p.store.accounts["joe@example.com"].New.Password; got != store.Secret("new pw") {
		t.Errorf("recorded %q", got.Reveal())
	}
}
