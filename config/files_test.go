package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair writes a certificate that is valid until then, and its key.
func pair(t *testing.T, dir, name string, until time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: until}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for suffix, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	pair(t, dir, "a", time.Now().Add(time.Hour))
	pair(t, dir, "b", time.Now().Add(time.Hour))
	pair(t, dir, "old", time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC))
	pair(t, dir, "open", time.Now().Add(time.Hour))
	if err := os.Chmod(filepath.Join(dir, "openkey.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ cert, key, want string }{
		"good":     {"acert.pem", "akey.pem", ""},
		"mixed up": {"akey.pem", "acert.pem", `config.toml:2: proxy.cert: "akey.pem" holds no certificate in PEM form`},
		"no key in it": {"acert.pem", "acert.pem",
			`config.toml:3: proxy.key: "acert.pem" holds no private key in PEM form`},
		"strangers": {"acert.pem", "bkey.pem",
			`config.toml:3: proxy.key: "bkey.pem" and the certificate "acert.pem" cannot be used together: private key does not match public key`},
		"expired": {"oldcert.pem", "oldkey.pem", `warning: config.toml:2: proxy.cert: "oldcert.pem" expired on 2020-01-02`},
		"open": {"opencert.pem", "openkey.pem",
			`warning: config.toml:3: proxy.key: "openkey.pem" can be read by every user of this machine; expected chmod 600`},
		"neither there": {"none.pem", "nokey.pem", `config.toml:2: proxy.cert: "none.pem" cannot be read: no such file or directory
config.toml:3: proxy.key: "nokey.pem" cannot be read: no such file or directory`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "config.toml")
			text := fmt.Sprintf("[proxy]\ncert = %q\nkey = %q\n%s", tt.cert, tt.key, goodDomain)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, warnings, err := Load(path)
			var got []string
			for _, w := range warnings {
				got = append(got, "warning: "+w.String())
			}
			if err != nil {
				got = append(got, err.Error())
			}
			if text := strings.ReplaceAll(strings.Join(got, "\n"), dir+"/", ""); text != tt.want {
				t.Errorf("got\n%s\nwant\n%s", text, tt.want)
			}
		})
	}
}

func TestAuthorities(t *testing.T) {
	dir := t.TempDir()
	pair(t, dir, "a", time.Now().Add(time.Hour))
	path := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(path, []byte(goodDomain+`old_ca = "acert.pem"`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "acert.pem"); cfg.Domains[0].Old.CA != want {
		t.Errorf("old_ca is %s, want %s", cfg.Domains[0].Old.CA, want)
	}
	got := mistakes(t, goodDomain+"old_ca = \"/dev/null/x\"\nold_fingerprint = \""+strings.Repeat("0f", 32)+`"`)
	want := `config.toml:6: domain.old_ca: "/dev/null/x" cannot be read: not a directory
config.toml:7: domain.old_fingerprint: expected either old_ca or old_fingerprint: a fingerprint is accepted whoever issued the certificate`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}
