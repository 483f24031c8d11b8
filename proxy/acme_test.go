package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postferry/config"
	"postferry/proxy/certificate"
)

// authority gives certificates (RFC 8555) for names whose port 80 it finds at an address.
type authority struct {
	*httptest.Server
	key    *ecdsa.PrivateKey
	port80 atomic.Pointer[string] // host:port
	refuse atomic.Bool
	proved atomic.Bool // the name is theirs
	mu     sync.Mutex  // one request at a time
	names  []string    // that were asked for
	cert   []byte
	orders atomic.Int32
}

func startAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

// ServeHTTP implements http.Handler. Who asks is not looked at.
func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Replay-Nonce", rand.Text())
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	var said struct{ Payload string }
	_ = json.NewDecoder(r.Body).Decode(&said)
	payload, _ := base64.RawURLEncoding.DecodeString(said.Payload)
	order := map[string]any{"status": "pending", "authorizations": []string{a.URL + "/authz"}, "finalize": a.URL + "/finalize", "identifiers": []any{}}
	if a.proved.Load() {
		order["status"] = "ready"
	}
	if a.cert != nil {
		order["status"], order["certificate"] = "valid", a.URL+"/cert"
	}
	switch r.URL.Path {
	case "/directory":
		answer(200, map[string]string{"newNonce": a.URL + "/nonce", "newAccount": a.URL + "/account", "newOrder": a.URL + "/order"})
	case "/account":
		w.Header().Set("Location", a.URL+"/account/1")
		answer(201, map[string]string{"status": "valid"})
	case "/order":
		if a.refuse.Load() {
			answer(403, map[string]string{"type": "urn:ietf:params:acme:error:unauthorized", "detail": "not today"})
			return
		}
		a.orders.Add(1)
		var asked struct{ Identifiers []struct{ Value string } }
		_ = json.Unmarshal(payload, &asked)
		a.names = []string{asked.Identifiers[0].Value}
		w.Header().Set("Location", a.URL+"/order/1")
		answer(201, order)
	case "/order/1":
		answer(200, order)
	case "/authz", "/challenge":
		if r.URL.Path == "/challenge" {
			a.proved.Store(a.isTheirs())
		}
		status := map[bool]string{true: "valid", false: "pending"}[a.proved.Load()]
		challenge := map[string]string{"type": "http-01", "url": a.URL + "/challenge", "token": "token", "status": status}
		if r.URL.Path == "/challenge" {
			answer(200, challenge)
			return
		}
		answer(200, map[string]any{"status": status, "identifier": map[string]string{"type": "dns", "value": a.names[0]}, "challenges": []any{challenge}})
	case "/finalize":
		var asked struct{ CSR string }
		_ = json.Unmarshal(payload, &asked)
		a.cert = a.issue(asked.CSR)
		order["status"], order["certificate"] = "valid", a.URL+"/cert"
		w.Header().Set("Location", a.URL+"/order/1")
		answer(200, order)
	case "/cert":
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: a.cert})
	}
}

// isTheirs looks at port 80 of the name.
func (a *authority) isTheirs() bool {
	req, err := http.NewRequest(http.MethodGet, "http://"+*a.port80.Load()+"/.well-known/acme-challenge/token", nil)
	if err != nil {
		return false
	}
	req.Host = a.names[0]
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req) // servers of other tests that end close those of http.DefaultClient
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode == 200 && strings.HasPrefix(string(text), "token.")
}

func (a *authority) issue(csr string) []byte {
	der, _ := base64.RawURLEncoding.DecodeString(csr)
	asked, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: asked.DNSNames, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour)}
	cert, _ := x509.CreateCertificate(rand.Reader, template, template, asked.PublicKey, a.key)
	return cert
}

// startACME is a proxy that gets its certificates from an authority.
func startACME(t *testing.T, a *authority, state string) *proxyRig {
	t.Helper()
	return startProxy(t, nowhere, func(p *proxyRig) {
		p.cfg.State = state
		p.cfg.Proxy.ACME = config.ACME{Hosts: []string{"imap.example.com"}, Directory: a.URL + "/directory", Listen: "127.0.0.1:0"}
		answers, err := listenACME(nil, p.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if p.certs, err = certificate.New(p.cfg, answers, p.Server.log); err != nil {
			t.Fatal(err)
		}
		at := answers.Addr().String()
		a.port80.Store(&at)
	})
}

// shown is the name of the certificate that a client is shown.
func shown(t *testing.T, p *proxyRig, asks string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", p.IMAPSAddr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: asks})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return fmt.Sprint(conn.ConnectionState().PeerCertificates[0].DNSNames)
}

// TestCertificateByACME: it is got before a client comes, shown whatever name clients use, kept
// over a restart, and as long as the authority gives none there is another one.
func TestCertificateByACME(t *testing.T) {
	t.Parallel()
	a, state := startAuthority(t), t.TempDir()
	a.refuse.Store(true)
	p := startACME(t, a, state)
	if got := shown(t, p, "imap.example.com"); strings.Contains(got, "imap.example.com") {
		t.Errorf("shown without the authority: %s", got)
	}
	until(t, "the log says why", func() bool {
		log := p.log.String()
		return strings.Contains(log, "no certificate could be got by ACME") && strings.Contains(log, "not today")
	})
	p.stop()
	a.refuse.Store(false)
	p = startACME(t, a, state)
	until(t, "a certificate", func() bool {
		_, err := os.Stat(filepath.Join(state, "acme", "imap.example.com"))
		return err == nil
	})
	for _, asks := range []string{"imap.example.com", "IMAP.example.com", "mail.example.com", ""} {
		if got := shown(t, p, asks); got != "[imap.example.com]" {
			t.Errorf("who asks for %q is shown %s", asks, got)
		}
	}
	p.stop()
	p = startACME(t, a, state)
	if got := shown(t, p, ""); got != "[imap.example.com]" || a.orders.Load() != 1 {
		t.Errorf("after a restart: %s, %d orders", got, a.orders.Load())
	}
}
