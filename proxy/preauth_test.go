package proxy

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postferry/config"
)

// nowhere is a server that refuses connections.
var nowhere = config.Server{Security: config.Insecure, Host: "127.0.0.1", Port: 1}

func TestBeforeLogin(t *testing.T) {
	p := startProxy(t, nowhere, nil)
	c := p.greeted(t)
	steps := []struct{ says, hears string }{
		{"a1 CAPABILITY\n", "* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS AUTH=PLAIN\na1 OK Done\n"},
		{"a2 ID (\"name\" {1+}\nx)\n", "* ID NIL\na2 OK Done\n"},
		{"a3 noop\n", "a3 OK Done\n"},
		{"a4 SELECT x\n", "a4 BAD Log in first\n"},
		{"\n", "* BAD A command needs a tag and a name\n"},
		{"a5\n", "* BAD A command needs a tag and a name\n"},
		{"a6 LOGIN x\n", "a6 BAD LOGIN needs a login and a password\n"},
		{"a7 LOGIN {9000}\n", "a7 BAD [TOOBIG] The literal is too long\n"},
		{"a8 AUTHENTICATE X\n", "a8 NO [CANNOT] This mechanism is not known here\n"},
		{"a9 AUTHENTICATE PLAIN\n", "+ \n"},
		{"*\n", "a9 BAD Authentication given up\n"},
		{"b1 AUTHENTICATE PLAIN %%\n", "b1 BAD This is no PLAIN response\n"},
		{"b2 AUTHENTICATE PLAIN =\n", "b2 BAD This is no PLAIN response\n"},
		{"b3 AUTHENTICATE PLAIN " + saslPlain("boss", "joe", "") + "\n", "b3 NO [AUTHENTICATIONFAILED] Login or password is not right\n"},
		{"c1 AUTHENTICATE XOAUTH2 %%\n", "c1 BAD This is no XOAUTH2 response\n"},
		{"c2 AUTHENTICATE OAUTHBEARER " + b64("n,,\x01auth=Bearer t\x01\x01") + "\n", "c2 NO [AUTHENTICATIONFAILED] Say whose mailbox it is\n"},
		{"b4 LOGIN joe@elsewhere.example {2}\n", "+ Ready for the literal\n"},
		{"pw\n", "b4 NO [AUTHENTICATIONFAILED] Login or password is not right\n"},
		{"b5 LOGOUT\n", "* BYE Goodbye\nb5 OK Done\n"},
	}
	for _, s := range steps {
		c.says(s.says)
		c.hears(s.hears)
	}
	c.hearsEnd()
}

func saslPlain(identity, login, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(identity + "\x00" + login + "\x00" + password))
}

func TestNoLoginWithoutTLS(t *testing.T) {
	p := startProxy(t, nowhere, func(p *proxyRig) { p.cfg.Proxy.AllowPlaintext = false })
	c := p.connect(t)
	c.hears("* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS LOGINDISABLED] Postferry ready\n")
	c.says("a LOGIN joe pw\nb AUTHENTICATE PLAIN\nc AUTHENTICATE PLAIN " + saslPlain("", "joe", "pw") + "\n")
	c.hears("a NO [PRIVACYREQUIRED] Log in with TLS only\nb NO [PRIVACYREQUIRED] Log in with TLS only\nc NO [PRIVACYREQUIRED] Log in with TLS only\n")
}

func TestStartTLS(t *testing.T) {
	p := startProxy(t, nowhere, func(p *proxyRig) { p.cfg.Proxy.AllowPlaintext = false })
	c := p.connect(t)
	c.hears("* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS LOGINDISABLED] Postferry ready\n")
	c.says("a STARTTLS\n")
	c.hears("a OK Begin TLS now\n")
	s := newPeer(t, "client", tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true}))
	s.says("b CAPABILITY\nc STARTTLS\n")
	s.hears("* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID AUTH=PLAIN\nb OK Done\nc BAD TLS is active already\n")
}

func TestInputBehindStartTLSIsAnAttack(t *testing.T) {
	p := startProxy(t, nowhere, nil)
	c := p.greeted(t)
	c.says("a STARTTLS\nb NOOP\n")
	c.hears("a BAD Nothing may follow STARTTLS\n* BYE Nothing may follow STARTTLS\n")
	c.hearsEnd()
}

func TestImplicitTLS(t *testing.T) {
	p := startProxy(t, nowhere, nil)
	conn, err := tls.Dial("tcp", p.IMAPSAddr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := newPeer(t, "client", conn)
	c.hears("* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID AUTH=PLAIN] Postferry ready\n")
	p.stopWith(func() {
		c.hears("* BYE Postferry is shutting down\n")
		c.hearsEnd()
		c.Close()
	})
}

func TestInputBeforeLoginIsBounded(t *testing.T) {
	tests := []struct{ name, says string }{
		{"endless line", "a LOGIN " + strings.Repeat("x", maxCommand+1)},
		{"large literal+", "a LOGIN {70000+}\n" + strings.Repeat("x", maxCommand+1)},
		{"long tag", strings.Repeat("x", 300)},
		{"nonsense", strings.Repeat("x y\n", 20)},
		{"long response", "a AUTHENTICATE PLAIN\n" + strings.Repeat("x", 20000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := startProxy(t, nowhere, nil)
			c := p.greeted(t)
			go c.Write([]byte(crlf(tt.says)))
			c.SetReadDeadline(time.Now().Add(patience))
			var got bytes.Buffer
			if _, err := got.ReadFrom(c.r); err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(got.String(), "* BYE Too much input before login\r\n") {
				t.Errorf("got %q", &got)
			}
		})
	}
}

func TestSlowClientsAreSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, imaps, imap := startProxyInMemory(t, nobody(), nil)
		silent, c := connectInMemory(t, imaps), connectInMemory(t, imap)
		c.hears(ready)
		c.says("a NOO")
		silent.hearsNothing()
		time.Sleep(handshakeBound)
		silent.hearsEnd()
		c.hearsNothing()
		time.Sleep(preauthBound - handshakeBound)
		c.hears("* BYE Too slow to log in\n")
		c.hearsEnd()
	})
}

func TestStoppingBeforeLogin(t *testing.T) {
	p := startProxy(t, nowhere, nil)
	c := p.greeted(t)
	p.stopWith(func() {
		c.hears("* BYE Postferry is shutting down\n")
		c.hearsEnd()
		c.Close()
	})
	if conn, err := net.Dial("tcp", p.IMAPAddr().String()); err == nil {
		conn.Close()
		t.Error("still accepting")
	}
}
