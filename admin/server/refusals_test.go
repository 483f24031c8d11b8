package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestRefusedMethods: what is there but can't be done so is told from what is not there, with what can.
func TestRefusedMethods(t *testing.T) {
	c := startPage(t).program("a.example")
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"DELETE", "/domains/a.example/progress", 405, "GET, HEAD"},
		{"GET", "/domains/a.example/begin", 405, "POST"},
		{"PATCH", "/domains/a.example", 405, "DELETE, GET, HEAD, PUT"},
		{"GET", "/domains/a.example/nothing", 404, ""},
	} {
		got := c.do(tt.method, apiPath+tt.path, nil)
		if allow := got.Header.Get("Allow"); got.StatusCode != tt.status || allow != tt.allow || got.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %s, Allow %q, want %d, %q\n%s", tt.method, tt.path, got.Status, allow, tt.status, tt.allow, got.text)
		}
	}
}

// TestUnknownAttribute: the name of an attribute that is unknown is told, but nothing that may be a secret.
func TestUnknownAttribute(t *testing.T) {
	c := startPage(t).program("a.example")
	for name, told := range map[string]bool{"stat": true, "old_pasword": true, "Tr0ub4dor&3": false, "correct horse": false} {
		got := c.do("POST", "/api/v1/domains/a.example/begin", map[string]any{name: true})
		if got.StatusCode != 400 || strings.Contains(got.text, name) != told || strings.Contains(got.text, `"unknown_attribute"`) != told {
			t.Errorf("%q: %s %s", name, got.Status, got.text)
		}
	}
}

// TestRefusalsAreHeard: a client that sends everything before it reads gets the answer, too.
func TestRefusalsAreHeard(t *testing.T) {
	p := startPage(t)
	token := p.program("a.example").token.Reveal()
	spaces := strings.NewReader(strings.Repeat(" ", 2<<20)) // more than is taken
	for _, tt := range []struct {
		body   io.Reader
		status int
		says   string
	}{
		{io.MultiReader(spaces, endless{}), 413, "1 MiB"},
		{endless{}, 400, "malformed"},
	} {
		sendAll(t, p, token, tt.body, tt.status, tt.says)
	}
}

// sendAll sends a body, reads the answer, and wants it to be a refusal.
func sendAll(t *testing.T, p *page, token string, body io.Reader, status int, says string) {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const size = 16 << 20 // more than the buffers on the way hold
	fmt.Fprintf(conn, "POST /api/v1/domains/a.example/begin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", token, size)
	if _, err := io.CopyN(conn, body, size); err != nil {
		t.Fatalf("it isn't heard out: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("the answer is lost: %v", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || !strings.Contains(string(text), says) {
		t.Errorf("%s %s, %v", resp.Status, text, err)
	}
}
