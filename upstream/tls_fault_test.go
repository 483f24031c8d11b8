package upstream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postferry/config"
	"postferry/store"
	"postferry/upstream/link"
)

// certificate describes one that a test needs.
type certificate struct {
	names      []string
	from, to   time.Duration // from now
	rsa        bool          // for key exchange by RSA
	selfSigned bool
}

// made is a certificate and the file with its authority.
func (c certificate) made(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-9000 * time.Hour), NotAfter: time.Now().Add(9000 * time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return c.issued(t, authority, authorityKey), file
}

func (c certificate) issued(t *testing.T, authority *x509.Certificate, authorityKey *ecdsa.PrivateKey) tls.Certificate {
	t.Helper()
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "mail"}, DNSNames: c.names,
		NotBefore: time.Now().Add(c.from), NotAfter: time.Now().Add(c.to), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment}
	if ip := net.ParseIP("127.0.0.1"); len(c.names) == 0 {
		leaf.IPAddresses = []net.IP{ip}
	}
	var key any
	var public any
	if c.rsa {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		key, public = k, &k.PublicKey
	} else {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key, public = k, &k.PublicKey
	}
	parent, signer := authority, any(authorityKey)
	if c.selfSigned {
		parent, signer = leaf, key
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// oldSuites are ciphers with key exchange by RSA alone.
var oldSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}

// serveTLS answers one connection by talk and returns where.
func serveTLS(t *testing.T, talk func(net.Conn)) config.Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		talk(nc)
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return config.Server{Security: config.ImplicitTLS, Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port}
}

// greetOver speaks TLS and greets as an IMAP server does.
func greetOver(c *tls.Config) func(net.Conn) {
	return func(nc net.Conn) {
		t := tls.Server(nc, c)
		if t.Handshake() == nil {
			io.WriteString(t, "* OK [CAPABILITY IMAP4rev1] hello\r\n")
			io.Copy(io.Discard, t)
		}
	}
}

// answerHello reads the client's first record and answers with octets, or hangs up.
func answerHello(octets string) func(net.Conn) {
	return func(nc net.Conn) {
		if _, err := nc.Read(make([]byte, 4096)); err == nil {
			io.WriteString(nc, octets)
		}
	}
}

func TestTLSFaults(t *testing.T) {
	good := certificate{to: time.Hour, from: -time.Hour, rsa: true}
	const handshakeFailure, protocolVersion = "\x15\x03\x03\x00\x02\x02\x28", "\x15\x03\x01\x00\x02\x02\x46"
	tests := map[string]struct {
		cert   certificate
		config *tls.Config
		answer string // instead of TLS; "-" hangs up
		old    bool   // old_tls = "1.0"
		role   string
		noCA   bool
		kind   store.ProblemKind // "" if a session comes about
		class  link.Class
		says   []string
	}{
		"all right":                {cert: good},
		"TLS 1.0":                  {cert: good, config: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, role: link.RoleOld, kind: store.OldEncryption, class: link.Fix, says: []string{"too old", `old_tls = "1.0"`}},
		"TLS 1.1":                  {cert: good, config: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, role: link.RoleOld, kind: store.OldEncryption, class: link.Fix, says: []string{"too old"}},
		"TLS 1.0, new server":      {cert: good, config: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, role: link.RoleNew, kind: store.OldEncryption, class: link.Fix, says: []string{"too old", "Have its TLS settings corrected."}},
		"RSA key exchange":         {cert: good, config: &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: oldSuites}, role: link.RoleOld, kind: store.OldEncryption, class: link.Fix, says: []string{"RSA", `old_tls = "1.0"`}},
		"TLS 1.0, accepted":        {cert: good, config: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: oldSuites}, old: true, role: link.RoleOld},
		"RSA, accepted":            {cert: good, config: &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: oldSuites}, old: true, role: link.RoleOld},
		"newest, old accepted":     {cert: good, config: &tls.Config{MinVersion: tls.VersionTLS13}, old: true, role: link.RoleOld},
		"DHE only":                 {answer: handshakeFailure, role: link.RoleOld, kind: store.OldEncryption, class: link.Fix, says: []string{"DHE", "handshake failure"}},
		"DHE only, old accepted":   {answer: handshakeFailure, old: true, role: link.RoleOld, kind: store.OldEncryption, class: link.Fix, says: []string{"not even an old one", "DHE"}},
		"an alert on the version":  {answer: protocolVersion, role: link.RoleOld, kind: store.OldEncryption, class: link.Fix, says: []string{"protocol version not supported"}},
		"plain text":               {answer: "* OK IMAP4rev1 ready\r\n", role: link.RoleOld, kind: store.NotTLS, class: link.Fix, says: []string{"does not speak TLS on this port", "STARTTLS"}},
		"hangs up":                 {answer: "-", role: link.RoleOld, kind: store.Unreachable, class: link.Later, says: []string{"hung up while a protected connection was being made"}},
		"another alert":            {answer: "\x15\x03\x03\x00\x02\x02\x70", role: link.RoleOld, kind: store.NoEncryption, class: link.Fix, says: []string{"refuses a protected connection", "unrecognized name"}},
		"another name":             {cert: certificate{names: []string{"mail.example.com", "mx.example.com"}, to: time.Hour}, kind: store.CertificateName, class: link.Fix, says: []string{"another name: mail.example.com, mx.example.com", "fingerprint"}},
		"many names":               {cert: certificate{names: strings.Fields("a.example b.example c.example d.example e.example f.example g.example"), to: time.Hour}, kind: store.CertificateName, class: link.Fix, says: []string{"e.example, and 2 more"}},
		"self-signed":              {cert: certificate{to: time.Hour, selfSigned: true}, noCA: true, kind: store.CertificateUntrusted, class: link.Fix, says: []string{"self-signed", "fingerprint"}},
		"unknown authority":        {cert: certificate{to: time.Hour}, noCA: true, kind: store.CertificateUntrusted, class: link.Fix, says: []string{"issued by CN=Test authority", "chain"}},
		"expired":                  {cert: certificate{from: -2 * time.Hour, to: -time.Hour}, kind: store.CertificateExpired, class: link.Fix, says: []string{"has expired", "Have it renewed"}},
		"not valid yet":            {cert: certificate{from: time.Hour, to: 2 * time.Hour}, kind: store.CertificateExpired, class: link.Fix, says: []string{"not valid yet"}},
		"no name in the handshake": {answer: "\x15\x03\x03\x00\x02\x02\x47", role: link.RoleOld, kind: store.OldEncryption, class: link.Fix, says: []string{"insufficient security level"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			talk, ca := answerHello(strings.TrimPrefix(tt.answer, "-")), ""
			if tt.answer == "" {
				cert, file := tt.cert.made(t)
				c := &tls.Config{}
				if tt.config != nil {
					c = tt.config.Clone()
				}
				c.Certificates = []tls.Certificate{cert}
				talk, ca = greetOver(c), file
			}
			server := serveTLS(t, talk)
			server.TLS10 = tt.old
			if !tt.noCA {
				server.CA = ca
			}
			opt := testOptions(t)
			opt.Role = tt.role
			s, err := Dial(context.Background(), server, opt)
			if tt.kind == "" {
				if err != nil {
					t.Fatal(err)
				}
				s.Close()
				return
			}
			wantFault(t, err, tt.kind, tt.class, tt.says)
		})
	}
}

func wantFault(t *testing.T, err error, kind store.ProblemKind, class link.Class, says []string) {
	t.Helper()
	e, ok := err.(*link.Error)
	if !ok || e.Kind() != kind || e.Class != class {
		t.Fatalf("%#v, want kind %s, class %v", err, kind, class)
	}
	for _, want := range says {
		if !strings.Contains(e.Summary().String(), want) {
			t.Errorf("%s\nwant %q in it", e.Summary(), want)
		}
	}
	if strings.Contains(e.Summary().String(), "can't be reached") {
		t.Errorf("%s", e.Summary())
	}
}
