package upstream

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"postferry/config"
	"postferry/upstream/link"
)

// serveTLSMany answers connections, each with the configuration that is in use then.
func serveTLSMany(t *testing.T, use *atomic.Pointer[tls.Config], resumed chan<- bool) config.Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			c := tls.Server(nc, use.Load())
			if c.Handshake() == nil {
				resumed <- c.ConnectionState().DidResume
				_, _ = c.Write([]byte("* OK [CAPABILITY IMAP4rev1] hello\r\n"))
				_, _ = c.Read(make([]byte, 1))
			}
			nc.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return config.Server{Security: config.ImplicitTLS, Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port}
}

// TestSharedTLS: another session with a server resumes the TLS session of the first one; a
// certificate that is not to be accepted still isn't, and a file of authorities that was replaced
// counts from then on.
func TestSharedTLS(t *testing.T) {
	t.Parallel()
	var use atomic.Pointer[tls.Config]
	resumed := make(chan bool, 10)
	server := serveTLSMany(t, &use, resumed)
	cert, authority := certificate{from: -time.Hour, to: time.Hour}.made(t)
	other, otherAuthority := certificate{from: -time.Hour, to: time.Hour}.made(t)
	server.CA = authority
	opt := testOptions(t)
	opt.SharedTLS = &link.SharedTLS{}
	dial := func() error {
		s, err := Dial(t.Context(), server, opt)
		if err == nil {
			s.Close()
		}
		return err
	}
	use.Store(&tls.Config{Certificates: []tls.Certificate{cert}})
	for i := range 3 {
		if err := dial(); err != nil {
			t.Fatal(err)
		}
		if <-resumed != (i > 0) {
			t.Errorf("session %d: resumed: %v", i, i == 0)
		}
	}
	use.Store(&tls.Config{Certificates: []tls.Certificate{other}})
	if err := dial(); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Errorf("a certificate of another authority: %v", err)
	}
	text, err := os.ReadFile(otherAuthority)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(authority, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := dial(); err != nil {
		t.Errorf("the authority that is in the file now: %v", err)
	}
}
