package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"postferry/admin/request"
)

// TestLoginIsLimited guesses passwords.
func TestLoginIsLimited(t *testing.T) {
	p := startPage(t)
	p.admin("anna", "")
	from := func(addr string) []string { return []string{"X-Forwarded-For", addr} }
	wrong := map[string]string{"name": "anna", "password": "wrong password"}
	right := map[string]string{"name": "anna", "password": testPassword}
	for range 10 {
		p.browser().want(401, "POST", "/api/v1/login", wrong, nil, from("192.0.2.1")...)
	}
	got := p.browser().want(429, "POST", "/api/v1/login", right, nil, from("192.0.2.1")...)
	if got.Header.Get("Retry-After") == "" {
		t.Error("it doesn't say when to try again")
	}
	for range 20 { // success costs nothing
		p.browser().want(200, "POST", "/api/v1/login", right, nil, from("198.51.100.7")...)
	}
	for i := range 10 { // many addresses, one name
		p.browser().want(401, "POST", "/api/v1/login", wrong, nil, from(fmt.Sprint("203.0.113.", i))...)
	}
	p.browser().want(429, "POST", "/api/v1/login", wrong, nil, from("203.0.113.99")...)
	p.browser().want(401, "POST", "/api/v1/login", map[string]string{"name": "nobody", "password": "wrong password"}, nil, from("203.0.113.98")...)
	for i := range 12 {
		got := p.browser().do("POST", "/api/v1/welcome", map[string]string{"code": "guess", "name": "eve", "password": testPassword}, from("192.0.2.77")...)
		if want := map[bool]int{true: 403, false: 429}[i < 10]; got.StatusCode != want {
			t.Errorf("guess %d of a link: %s, want %d", i, got.Status, want)
		}
	}
	if strings.Contains(p.log.String(), "wrong password") {
		t.Error("a tried password is in the log")
	}
}

// TestTooLarge sends more than is taken.
func TestTooLarge(t *testing.T) {
	p := startPage(t, func(opt *Options) { opt.maxList = 2 << 20 })
	c := p.program("a.example")
	c.want(413, "POST", "/api/v1/domains/a.example/begin", map[string]string{"state": strings.Repeat("x", maxBody)}, nil)
	req, err := http.NewRequestWithContext(t.Context(), "POST", p.URL()+"/api/v1/domains/a.example/lists", io.LimitReader(endless{}, 2<<20+1))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	req.Header.Set("Content-Type", "text/plain")
	resp, err := c.client.Do(req)
	if err == nil { // or the server has hung up on us already
		resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Errorf("an endless list: %s", resp.Status)
		}
	}
	if n := p.waitingLists(); n > 0 {
		t.Errorf("%d lists were kept", n)
	}
}

// endless is a list of comments.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '#'
		if i%1000 == 999 {
			b[i] = '\n'
		}
	}
	return len(b), nil
}

// TestSlowRequests dribbles a request's header, or its body.
func TestSlowRequests(t *testing.T) {
	inBubble(t, func(t *testing.T, p *page) {
		token := p.program("a.example").token.Reveal()
		for name, begin := range map[string]string{
			"header": "GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX-Slow: ",
			"body": "POST /api/v1/domains/a.example/begin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token +
				"\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
		} {
			conn, err := p.wire.DialContext(t.Context(), "tcp", "")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, begin); err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(time.Hour))
			begun := time.Now()
			if _, err := io.Copy(io.Discard, conn); err != nil || time.Since(begun) > 2*request.BodyBound {
				t.Errorf("a slow %s holds its connection for %v, %v", name, time.Since(begun), err)
			}
		}
	})
}

// TestThousandStreams opens more streams than a domain may have: those that have a
// place get events, the others are told, and the page stays usable, streams for
// others included.
func TestThousandStreams(t *testing.T) {
	p := startPage(t)
	p.put("a.example", "anna@a.example")
	const many, tokens = 1000, 40
	const streamsEach = 100 // that a domain's people and programs may have
	var programs []*caller
	for range tokens {
		programs = append(programs, p.program("a.example"))
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ctx, leave := context.WithCancel(t.Context())
	var all, asked sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for i := range many {
		asked.Add(1)
		all.Go(func() {
			req, err := http.NewRequestWithContext(ctx, "GET", p.URL()+"/events?domain=a.example", nil)
			if err != nil {
				t.Error(err)
			}
			req.Header.Set("Authorization", "Bearer "+programs[i%tokens].token.Reveal())
			resp, err := client.Do(req)
			status := 0
			if err == nil {
				status = resp.StatusCode
				defer resp.Body.Close()
				if status == 200 {
					const begin = "retry: 1000\n\nevent: totals\n"
					got := make([]byte, len(begin))
					if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != begin {
						t.Errorf("a stream begins with %q, %v", got, err)
					}
				}
			}
			mu.Lock()
			got[status]++
			mu.Unlock()
			asked.Done()
			<-ctx.Done()
		})
	}
	asked.Wait()
	if got[200] != streamsEach || got[429] != many-streamsEach {
		t.Errorf("answers: %v", got)
	}
	for _, other := range []*caller{p.program("b.example"), p.program("")} {
		if status, _ := other.watch("b.example"); status != 200 {
			t.Errorf("another one's stream: %d", status)
		}
	}
	p.program("").want(200, "GET", "/api/v1/domains/a.example/accounts", nil, nil)
	leave()
	all.Wait()
	eventually(t, "the domain's streams end", func() bool {
		status, _ := p.program("a.example").watch("a.example")
		return status == 200
	})
}

// eventually waits for what should come soon.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
		<-tick.C
	}
}
