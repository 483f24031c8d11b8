package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"postferry/internal/demo/clouds"
)

// spoken is what a command has printed; ready is closed once it invites.
type spoken struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ready chan struct{}
	once  sync.Once
}

func (s *spoken) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.text.Write(p)
	if strings.Contains(s.text.String(), "Ctrl-C ends the demo") {
		s.once.Do(func() { close(s.ready) })
	}
	return n, err
}

// value is what stands behind a word.
func (s *spoken) value(t *testing.T, name string) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	m := regexp.MustCompile(`(?m)^  ` + name + ` +(\S+)`).FindStringSubmatch(s.text.String())
	if m == nil {
		t.Fatalf("no %s in\n%s", name, s.text.String())
	}
	return m[1]
}

// awaitMoved waits until so many accounts of a domain are complete, with so much mail.
func awaitMoved(t *testing.T, client *http.Client, domain string, accounts int, messages uint64) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); ; <-tick.C {
		var d struct {
			Totals struct {
				Complete int
				Copied   uint64
			}
		}
		r, err := client.Get(domain)
		if err == nil {
			err = errors.Join(json.NewDecoder(r.Body).Decode(&d), r.Body.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		if d.Totals.Complete == accounts && d.Totals.Copied == messages {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not moved: %+v", d)
		}
	}
}

// agreement is somebody's mailbox that moves because its owner has agreed in the browser.
type agreement struct {
	t              *testing.T
	page, provider string
	client         *http.Client
	form           func(path string, pairs ...string) string
}

// walk has the owner agree, takes the refresh token of one use twice, and moves the mailbox.
func (m agreement) walk(mailbox string) {
	m.t.Helper()
	const domain = "/d/people.example"
	going := regexp.MustCompile(`<a class="button first" href="(` + regexp.QuoteMeta(m.provider) + `/authorize[^"]+)"`).FindStringSubmatch(m.form(domain+"/consents", "do", "browser", "mailbox", mailbox))
	if going == nil {
		m.t.Fatal("no way to the provider")
	}
	back, err := clouds.Answer(m.client, html.UnescapeString(going[1]), mailbox)
	if err != nil {
		m.t.Fatal(err)
	}
	r, err := m.client.Get(back.String())
	if err != nil {
		m.t.Fatal(err)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil || r.Body.Close() != nil || !strings.Contains(string(text), "opens the mailbox from now on") {
		m.t.Fatalf("%v\n%.3000s", err, text)
	}
	for range 2 {
		if text := m.form(domain+"/connect", "kind", "consent", "do", "test", "mailbox", mailbox); !strings.Contains(text, "its inbox has 20 messages") {
			m.t.Errorf("tried:\n%.3000s", text)
		}
	}
	m.form(domain+"/accounts", "login-1", mailbox)
	m.form(domain+"/do", "do", "begin", "all", "1")
	awaitMoved(m.t, m.client, m.page+"/api/v1/domains/people.example", 1, 30)
}

// TestDemoTenant walks through what demo --tenant invites to: connect, list, pick, move.
func TestDemoTenant(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, ended := &spoken{ready: make(chan struct{})}, make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		ended <- run(ctx, []string{"demo", "--tenant"}, strings.NewReader(""), out, &stderr)
		out.once.Do(func() { close(out.ready) })
	}()
	<-out.ready
	page := out.value(t, "page")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	read := func(r *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		return string(text)
	}
	form := func(path string, pairs ...string) string {
		t.Helper()
		values := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			values.Add(pairs[i], pairs[i+1])
		}
		return read(client.PostForm(page+path, values))
	}
	contains := func(text string, all ...string) {
		t.Helper()
		for _, want := range all {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%.4000s", want, text)
			}
		}
	}
	form("/login", "name", out.value(t, "name"), "password", out.value(t, "password"))
	contains(form("/d/contoso.example/connect", "kind", "microsoft", "tenant", out.value(t, "tenant"), "client_id", out.value(t, "client id"),
		"secret", out.value(t, "secret"), "authority", out.value(t, "tokens"), "do", "save"), "Connected", "240 are listed", "opens; its inbox has 20 messages")
	contains(read(client.Get(page+"/d/contoso.example/mailboxes")), "anna@contoso.example", "shared", "Add all 240")
	contains(form("/d/contoso.example/mailboxes", "do", "ticked", "mailbox", "anna@contoso.example", "mailbox", "dora3@contoso.example"), "2 accounts were added")
	form("/d/contoso.example/do", "do", "begin", "all", "1")
	awaitMoved(t, client, page+"/api/v1/domains/contoso.example", 2, 60)
	contains(form("/d/people.example/connect", "kind", "consent", "issuer", out.value(t, "provider"), "client_id", "postferry",
		"client_secret", out.value(t, "client id  postferry\n  secret"), "scope", "openid mail offline_access", "do", "save"), "Connected", "people can sign in there")
	agreement{t: t, page: page, client: client, form: form, provider: out.value(t, "provider")}.walk("anna@people.example")
	stop()
	if status := <-ended; status != exitOK {
		t.Errorf("status %d\n%s", status, &stderr)
	}
}
