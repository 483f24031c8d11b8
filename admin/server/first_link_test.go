package server

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/admin"
)

// TestFirstLinkIsVoid: the link of the first start is not good any more when an
// administrator was made in another way, but an operator's own link is.
func TestFirstLinkIsVoid(t *testing.T) {
	p := startPage(t)
	p.browser().want(401, "GET", "/api/v1/me", nil, nil)
	_, code, _ := strings.Cut(logged(p.log.String(), "open"), "code=")
	if _, err := admin.NewOperator(p.store, zerolog.Nop()).SetPassword(t.Context(), "anna", nil, testPassword); err != nil {
		t.Fatal(err)
	}
	welcome := map[string]string{"code": code, "name": "eve", "password": testPassword}
	p.browser().want(403, "POST", "/api/v1/welcome", welcome, nil)
	link, err := p.NewLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, welcome["code"], _ = strings.Cut(link, "code=")
	p.browser().want(422, "POST", "/api/v1/welcome", map[string]string{"code": welcome["code"], "name": "eve", "password": "short"}, nil)
	p.browser().want(201, "POST", "/api/v1/welcome", welcome, nil)
	if strings.Contains(p.log.String(), welcome["code"]) {
		t.Error("the operator's link is in the log")
	}
	p.serve() // with administrators, no link is made
	p.browser().want(401, "GET", "/api/v1/me", nil, nil)
	if n := strings.Count(p.log.String(), "/welcome?code="); n != 1 {
		t.Errorf("%d links in the log", n)
	}
}
