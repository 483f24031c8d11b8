package proxy

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/proxy/certificate"
)

func TestNewNamesEveryMistake(t *testing.T) {
	cfg := &config.Config{Proxy: config.Proxy{Cert: filepath.Join(t.TempDir(), "c.pem"), IMAPS: "127.0.0.1:99999", IMAP: "192.0.2.1:0"}}
	_, err := New(cfg, nil, nil, zerolog.Nop())
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"proxy.cert", "proxy.imaps", "proxy.imap:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

func TestHandshakeUsesTheReloadedCertificate(t *testing.T) {
	p := startProxy(t, nowhere, nil)
	leaf := func() string {
		conn, err := tls.Dial("tcp", p.IMAPSAddr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return string(conn.ConnectionState().PeerCertificates[0].Raw)
	}
	first := leaf()
	for _, name := range []string{"proxy-cert.pem", "proxy-key.pem"} {
		if err := os.Remove(filepath.Join(p.cfg.State, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := certificate.New(p.cfg, nil, zerolog.Nop()); err != nil { // which makes another
		t.Fatal(err)
	}
	p.Reload()
	if leaf() == first {
		t.Error("the old certificate is still shown")
	}
}
