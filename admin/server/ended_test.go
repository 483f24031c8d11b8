package server

import (
	"strings"
	"testing"
)

// TestFormAfterTheSession: whoever sends a form when the session has ended is told how not to lose what was entered.
func TestFormAfterTheSession(t *testing.T) {
	p := startPage(t)
	c := p.admin("anna", "a.example")
	c.want(204, "POST", "/api/v1/logout", nil, nil)
	status, _, text := c.form("/d/a.example/accounts", "login-1", "bert@a.example", "password-1", "secret")
	shows(t, "a form", status, 401, text, "Your session has ended", `href="/login" target="_blank"`, "load this page again")
	if strings.Contains(text, "bert@") || strings.Contains(text, "secret") {
		t.Error(text)
	}
	if got := c.do("GET", "/d/a.example", nil); got.StatusCode != 303 || got.Header.Get("Location") != "/login?next=%2Fd%2Fa.example" {
		t.Errorf("a page: %s, %s", got.Status, got.Header.Get("Location"))
	}
}
