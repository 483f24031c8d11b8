package config

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// signInFiles puts files into a folder that a configuration names.
func signInFiles(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	keyPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	account, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "x@y.example", "private_key": keyPEM})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"secret": "hush\n", "empty": "\n", "cert.pem": certPEM, "both.pem": certPEM + keyPEM, "sa.json": string(account),
		"evil.json": `{"type":"service_account","client_email":"a","private_key":"b","token_uri":"http://mail.example"}`, "token": "#!/bin/sh\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "token"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSignIn(t *testing.T) {
	dir := signInFiles(t)
	for _, tt := range []struct {
		name, keys string
		want       string // what it is; or the mistakes, each with its line
	}{
		{"none", ``, "<nil>"},
		{"password", `method = "password"`, "<nil>"},
		{"master", "method = 'master'\nlogin = 'boss'\nsecret_file = 'DIR/secret'\nseparator = '*'",
			`{master example.com old boss * "" "" "" "" hush []}`},
		{"microsoft, secret", "method = 'microsoft'\ntenant = 'contoso.example'\nclient_id = 'app'\nsecret = 'hush'",
			`{microsoft example.com old "" "" contoso.example app "" "" hush []}`},
		{"microsoft, elsewhere", "method = 'microsoft'\ntenant = 'x'\nclient_id = 'app'\nsecret = 'hush'\nauthority = 'https://login.example/'\nscope = 's'",
			`{microsoft example.com old "" "" x app https://login.example s hush []}`},
		{"microsoft, certificate", "method = 'microsoft'\ntenant = 'x'\nclient_id = 'app'\ncertificate_file = 'DIR/both.pem'",
			`{microsoft example.com old "" "" x app "" "" PEM []}`},
		{"google", "method = 'google'\nkey_file = 'DIR/sa.json'", `{google example.com old "" "" "" "" "" "" JSON []}`},
		{"consent", "method = 'consent'\nissuer = 'https://accounts.google.com'\nclient_id = 'app'",
			`{consent example.com old "" "" "" app https://accounts.google.com "" "" []}`},
		{"command", "method = 'token_command'\ncommand = ['DIR/token', '{login}']", `{token_command example.com old "" "" "" "" "" "" "" [DIR/token {login}]}`},
		{"unknown", `method = "oauth"`, `7: domain.old_sign_in.method: "oauth" is unknown; expected "password", "master", "microsoft", "google", "consent" or "token_command"`},
		{"all is missing", `method = "microsoft"`, `6: domain.old_sign_in.tenant: is missing with method = "microsoft"
6: domain.old_sign_in.client_id: is missing with method = "microsoft"
6: domain.old_sign_in.secret: is missing with method = "microsoft"; expected secret or secret_file`},
		{"not this method's", "method = 'google'\nkey_file = 'DIR/sa.json'\ntenant = 'x'\nsecret = 'hush'", `9: domain.old_sign_in.tenant: means nothing with method = "google"
10: domain.old_sign_in.secret: means nothing with method = "google"`},
		{"two secrets", "method = 'master'\nlogin = 'x'\nsecret = 'hush'\nsecret_file = 'DIR/secret'",
			`10: domain.old_sign_in.secret_file: expected only one of secret, secret_file and certificate_file`},
		{"empty file", "method = 'master'\nlogin = 'x'\nsecret_file = 'DIR/empty'", `9: domain.old_sign_in.secret_file: "DIR/empty" is empty`},
		{"no file", "method = 'master'\nlogin = 'x'\nsecret_file = 'DIR/none'", `9: domain.old_sign_in.secret_file: "DIR/none" cannot be read: no such file or directory`},
		{"no key", "method = 'microsoft'\ntenant = 'x'\nclient_id = 'app'\ncertificate_file = 'DIR/cert.pem'",
			`10: domain.old_sign_in.certificate_file: "DIR/cert.pem" holds no certificate with its private key in PEM form; expected both in this file`},
		{"no service account", "method = 'google'\nkey_file = 'DIR/secret'",
			`8: domain.old_sign_in.key_file: "DIR/secret" is not the key of a service account; expected the JSON file that Google gave out for it`},
		{"a service account that leads elsewhere", "method = 'google'\nkey_file = 'DIR/evil.json'",
			`8: domain.old_sign_in.key_file: "DIR/evil.json" names a token_uri that is not to be trusted; expected https`},
		{"without TLS", "method = 'consent'\nissuer = 'http://login.example'\nclient_id = 'app'",
			`8: domain.old_sign_in.issuer: expected an address that begins with https://, e.g. "https://login.example.com"`},
		{"no whole path", "method = 'token_command'\ncommand = ['token']", `8: domain.old_sign_in.command: "token" is not a whole path; expected one that begins with /`},
		{"no program", "method = 'token_command'\ncommand = ['DIR/secret']", `8: domain.old_sign_in.command: "DIR/secret" cannot be run: it is no program`},
		{"two characters", "method = 'master'\nlogin = 'x'\nsecret = 'hush'\nseparator = '**'",
			`10: domain.old_sign_in.separator: expected one character, e.g. "*", or "" to tell both logins by SASL`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := goodDomain + "[domain.old_sign_in]\n" + strings.ReplaceAll(tt.keys, "DIR", dir) + "\n"
			path := write(t, text)
			cfg, _, err := Load(path)
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), path+":", "")
			} else {
				got = describeSignIn(cfg.Domains[0].Old.SignIn)
			}
			if got = strings.ReplaceAll(got, dir, "DIR"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Error("the secret is told")
			}
			if cfg != nil && strings.Contains(fmt.Sprintf("%+v %#v", cfg.Domains[0].Old.SignIn, cfg.Domains[0].Old), "hush") {
				t.Error("the secret is printed")
			}
		})
	}
}

// describeSignIn writes all of a way to sign in, with what is secret.
func describeSignIn(s *SignIn) string {
	if s == nil {
		return "<nil>"
	}
	or := func(text string) string {
		switch {
		case text == "":
			return `""`
		case strings.HasPrefix(text, "-----BEGIN"):
			return "PEM"
		case strings.HasPrefix(text, "{"):
			return "JSON"
		}
		return text
	}
	return fmt.Sprintf("{%s %s %s %s %s %s %s %s %s %s %v}", s.Method, s.Domain, s.Side, or(s.Login), or(s.Separator), or(s.Tenant),
		or(s.ClientID), or(s.Issuer), or(s.Scope), or(s.Secret.Reveal()), s.Command)
}

// A domain that is put once more keeps how it is signed in at its servers; one that is deleted leaves nothing.
func TestDirectorySignIn(t *testing.T) {
	d := NewDirectory(nil)
	in := &SignIn{Method: Master, Domain: "a.example", Side: "old"}
	d.PutSignIn("A.example", "old", in)
	d.Put(Domain{Name: "a.example"})
	d.Put(Domain{Name: "a.example", Enrol: true})
	if got, _ := d.DomainNamed("a.example"); got.Old.SignIn != in || got.New.SignIn != nil {
		t.Errorf("%+v", got)
	}
	d.Delete("a.example")
	d.Put(Domain{Name: "a.example"})
	if got, _ := d.DomainNamed("a.example"); got.Old.SignIn != nil {
		t.Error("the way to sign in outlives its domain")
	}
}
