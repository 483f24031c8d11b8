package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"postferry/admin/request"
	"postferry/admin/selection"
	"postferry/report"
	"postferry/store"
)

// TestEvents watches a domain.
func TestEvents(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "bert@a.example")
	c := p.program("a.example")
	ctx, leave := context.WithTimeout(t.Context(), 20*time.Second)
	defer leave()
	req, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprint(p.URL(), "/events?domain=a.example&ids=", ids[0], ",999"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	resp, err := c.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("the events are %q", kind)
	}
	lines := bufio.NewScanner(resp.Body)
	await := func(event, part string) {
		t.Helper()
		for name := ""; lines.Scan(); {
			if rest, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = rest
			}
			if name == event && strings.HasPrefix(lines.Text(), "data: ") && strings.Contains(lines.Text(), part) {
				return
			}
		}
		t.Fatalf("no event %s with %s", event, part)
	}
	await("totals", `"waiting":2`)
	await("accounts", `"login":"anna@a.example"`)
	c.want(200, "POST", aDomain+"/begin", selection.Selection{All: true}, nil)
	await("totals", `"queued":2`)
	await("accounts", `"state":"queued"`)
	await("run", `"kind":"first"`)
	c.want(202, "POST", aDomain+"/check", selection.Selection{All: true}, nil)
	await("check", `"ready":2`)
	for _, query := range []string{"ids=x", "ids=" + strings.Repeat("1,", 200) + "1"} {
		c.want(422, "GET", "/events?domain=a.example&"+query, nil, nil)
	}
}

// A stream outlives the bound on how long a request may take to arrive.
func TestStreamOutlivesItsRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, p *page) {
		id := p.put("a.example", "x@a.example")[0]
		c := p.admin("anna", "")
		r, err := c.client.Get(c.url + fmt.Sprintf("/d/a.example/live?account=%d", id))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		lines, begun := bufio.NewScanner(r.Body), time.Now()
		next := func(part string) {
			t.Helper()
			for more := true; more; more = !strings.Contains(lines.Text(), part) {
				if !lines.Scan() {
					t.Fatalf("the stream ended after %v: %v", time.Since(begun), lines.Err())
				}
			}
		}
		next(`"account"`)
		for time.Since(begun) < 2*request.AnswerBound {
			next("still here")
		}
		p.ferry.SetLive(report.Live{Account: id, Running: true, Folder: "late", Done: 1, Total: 4})
		if _, err := p.ferry.Begin(t.Context(), []store.AccountID{id}); err != nil {
			t.Fatal(err)
		}
		next(`"account"`)
	})
}

// A stream that fails says so in the log.
func TestStreamFails(t *testing.T) {
	p := startPage(t)
	c := p.admin("anna", "")
	r, err := c.client.Get(c.url + "/d/a.example/live?account=4711")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if _, err := io.ReadAll(r.Body); err != nil {
		t.Fatal(err)
	}
	if log := p.log.String(); !strings.Contains(log, "a stream of events failed") {
		t.Error(log)
	}
}
