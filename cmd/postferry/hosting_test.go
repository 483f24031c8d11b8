package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/lab"
	"postferry/internal/lab/browser"
)

// hosting is a provider's Postferry: the domains come by the import page, and some
// of their administrators look after one domain only.
type hosting struct {
	t    *testing.T
	pair *pair
	d    *testDaemon
	root *panel // may do everything
}

// startHosting starts a daemon that moves to the pair's new server.
func startHosting(t *testing.T, logins ...string) *hosting {
	t.Helper()
	h := &hosting{t: t, pair: startPair(t, logins...)}
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	lab.WritePair(t, h.pair.ca.Issue(t), cert, key)
	h.d = startDaemon(t, fmt.Sprintf(`state = "state"
[admin]
listen = "127.0.0.1:0"
new = %q
[proxy]
imaps = "127.0.0.1:0"
imap = ""
cert = %q
key = %q
[sync]
interval = "1h"
`, h.pair.new.Insecure().String(), cert, key))
	h.root = h.d.panel()
	return h
}

// token is a program that may do what concerns one domain.
func (h *hosting) token(domain string) *panel {
	h.t.Helper()
	code, secret, stderr := postferry(h.t, "", "admin", "token", "create", "-c", h.d.Config, "customer", "--domain", domain)
	if code != exitOK {
		h.t.Fatalf("admin token: %d, %s", code, stderr)
	}
	p := *h.root
	p.token = strings.TrimSpace(secret)
	return &p
}

// browser is somebody who has signed in to the page and looks after one domain, or
// after all ("").
func (h *hosting) browser(name, domain string) *formBrowser {
	h.t.Helper()
	const password = "a long enough password"
	if code, _, stderr := postferry(h.t, password+"\n", "admin", "passwd", "-c", h.d.Config, name, "--domain", domain); code != exitOK {
		h.t.Fatalf("admin passwd: %d, %s", code, stderr)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	b := &formBrowser{t: h.t, url: h.root.url, client: &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}}
	if status, text := b.send("/login", url.Values{"name": {name}, "password": {password}}); status != http.StatusOK {
		h.t.Fatalf("signing in: %d\n%s", status, text)
	}
	return b
}

// add adds an account whose password is odd.
func (h *hosting) add(p *panel, login string) {
	h.t.Helper()
	domain := login[strings.LastIndexByte(login, '@')+1:]
	p.want("POST", "/domains/"+domain+"/accounts", map[string]any{"accounts": []map[string]string{{"login": login, "password": odd}}}, nil)
}

// login logs a client in through the proxy.
func (h *hosting) login(login string) *imapclient.Client {
	h.t.Helper()
	return h.pair.login(h.d, login)
}

// formBrowser sends forms as a browser without JavaScript does.
type formBrowser struct {
	t      *testing.T
	url    string
	client *http.Client
}

func (b *formBrowser) read(resp *http.Response, err error) (status int, text string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(page)
}

func (b *formBrowser) send(path string, values url.Values) (status int, text string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, strings.NewReader(values.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", b.url)
	return b.read(b.client.Do(req))
}

// servers opens the form of a domain's servers.
func (b *formBrowser) servers(domain string) url.Values {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+"/d/"+domain+"/servers", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	status, text := b.read(b.client.Do(req))
	if status != http.StatusOK {
		b.t.Fatalf("the form: %d\n%s", status, text)
	}
	return browser.Form(b.t, text, "/domains")
}

// catcher is a server that takes down what it is told and who comes.
type catcher struct {
	addr string
	mu   sync.Mutex
	came int
	told strings.Builder
}

// startCatcher listens at an address and greets whoever comes.
func startCatcher(t *testing.T, addr, greeting string) *catcher {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &catcher{addr: l.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { c.serve(conn, greeting) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return c
}

func (c *catcher) serve(conn net.Conn, greeting string) {
	defer conn.Close()
	c.mu.Lock()
	c.came++
	c.mu.Unlock()
	_, _ = io.WriteString(conn, greeting)
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		c.mu.Lock()
		c.told.Write(buf[:n])
		c.mu.Unlock()
		tag, _, _ := strings.Cut(string(buf[:n]), " ")
		if _, err := fmt.Fprintf(conn, "%s OK [CAPABILITY IMAP4rev1] done\r\n", tag); err != nil {
			return
		}
	}
}

func (c *catcher) visitors() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.came
}

// heard fails if the catcher was told a password.
func (c *catcher) heard(t *testing.T, what, password string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	told := c.told.String()
	for _, word := range strings.Fields(strings.NewReplacer(`"`, " ", "\r", " ", "\n", " ").Replace(told)) {
		if plain, err := base64.StdEncoding.DecodeString(word); err == nil && strings.Contains(string(plain), password) {
			t.Errorf("%s: the catcher was told the password", what)
		}
	}
	if strings.Contains(told, password) {
		t.Errorf("%s: the catcher was told the password", what)
	}
}
