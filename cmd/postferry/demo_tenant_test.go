package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
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
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); ; <-tick.C {
		var d struct {
			Totals struct {
				Complete int
				Copied   uint64
			}
		}
		if err := json.Unmarshal([]byte(read(client.Get(page+"/api/v1/domains/contoso.example"))), &d); err != nil {
			t.Fatal(err)
		}
		if d.Totals.Complete == 2 && d.Totals.Copied == 60 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("not moved: %+v\n%s", d, &stderr)
		}
	}
	contains(form("/d/people.example/connect", "kind", "consent", "issuer", out.value(t, "provider"), "client_id", "postferry",
		"client_secret", out.value(t, "client id  postferry\n  secret"), "scope", "openid mail offline_access", "do", "save"), "Connected", "people can sign in there")
	contains(form("/d/people.example/consents", "do", "browser", "mailbox", "anna@people.example"), "Sign in there as anna@people.example", out.value(t, "provider")+"/authorize")
	stop()
	if status := <-ended; status != exitOK {
		t.Errorf("status %d\n%s", status, &stderr)
	}
}
