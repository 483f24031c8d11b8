package server

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"postferry/admin/access"
	"postferry/store"
)

func TestAdmins(t *testing.T) {
	p := startPage(t)
	anna := p.admin("anna", "")
	input := map[string]string{"password": testPassword}
	anna.want(201, "PUT", "/api/v1/admins/bert", map[string]string{"password": testPassword, "domain": "A.example"}, nil)
	bert := p.browser()
	var me identity
	bert.want(200, "POST", "/api/v1/login", map[string]string{"name": "BERT", "password": testPassword}, &me)
	if me.Who != "bert" || me.Domain != "a.example" {
		t.Errorf("%+v", me)
	}
	anna.want(204, "PUT", "/api/v1/admins/bert", map[string]string{"password": testPassword, "domain": "a.example"}, nil)
	bert.want(401, "GET", "/api/v1/me", nil, nil) // the session ended with the password
	anna.want(409, "DELETE", "/api/v1/admins/Anna", nil, nil)
	anna.want(409, "PUT", "/api/v1/admins/anna", map[string]string{"password": testPassword, "domain": "a.example"}, nil)
	anna.want(422, "PUT", "/api/v1/admins/carl", map[string]string{"password": "short"}, nil)
	anna.want(422, "PUT", "/api/v1/admins/%20carl", input, nil)
	anna.want(201, "PUT", "/api/v1/admins/carl", input, nil)
	anna.want(204, "DELETE", "/api/v1/admins/carl", nil, nil)
	anna.want(404, "DELETE", "/api/v1/admins/carl", nil, nil)
	var list struct{ Admins []access.AdminView }
	anna.want(200, "GET", "/api/v1/admins", nil, &list)
	if len(list.Admins) != 2 {
		t.Errorf("%+v", list)
	}
	other := p.browser()
	other.want(200, "POST", "/api/v1/login", map[string]string{"name": "anna", "password": testPassword}, nil)
	anna.want(422, "PUT", "/api/v1/me/password", map[string]string{"old_password": "wrong", "password": "another good one"}, nil)
	anna.want(204, "PUT", "/api/v1/me/password", map[string]string{"old_password": testPassword, "password": "another good one"}, nil)
	anna.want(401, "GET", "/api/v1/me", nil, nil)
	other.want(401, "GET", "/api/v1/me", nil, nil)
	other.want(200, "POST", "/api/v1/login", map[string]string{"name": "anna", "password": "another good one"}, nil)
	p.program("").want(403, "PUT", "/api/v1/me/password", map[string]string{"old_password": "", "password": "another good one"}, nil)
}

func TestTokens(t *testing.T) {
	p := startPage(t)
	c := p.program("a.example")
	var made struct {
		access.TokenView
		Token store.Secret
	}
	c.want(201, "POST", "/api/v1/tokens", map[string]string{"name": "panel", "domain": "a.example"}, &made)
	panel := p.browser()
	panel.token = made.Token
	var me identity
	panel.want(200, "GET", "/api/v1/me", nil, &me)
	if me.Who != "token panel" || me.Domain != "a.example" {
		t.Errorf("%+v", me)
	}
	p.program("b.example").want(404, "DELETE", fmt.Sprint("/api/v1/tokens/", made.ID), nil, nil)
	c.want(204, "DELETE", fmt.Sprint("/api/v1/tokens/", made.ID), nil, nil)
	panel.want(401, "GET", "/api/v1/me", nil, nil)
	c.want(404, "DELETE", "/api/v1/tokens/x", nil, nil)
	var audit struct{ Entries []access.AuditView }
	c.want(200, "GET", "/api/v1/audit?per_page=2", nil, &audit)
	if len(audit.Entries) != 2 || audit.Entries[0].Action != "revoke_token" || audit.Entries[0].From != "127.0.0.1" || audit.Entries[1].Who != "token test" {
		t.Errorf("%+v", audit)
	}
	c.want(200, "GET", fmt.Sprint("/api/v1/audit?before=", audit.Entries[1].ID), nil, &audit)
	if len(audit.Entries) == 0 || audit.Entries[0].Action != "create_token" {
		t.Errorf("%+v", audit)
	}
}

// TestSessionsLive: a session survives restarts of the server, and ends when
// it was not used for long, or is old.
func TestSessionsLive(t *testing.T) {
	inBubble(t, func(t *testing.T, p *page) {
		restart := func(c *caller, later time.Duration) {
			p.stop()
			time.Sleep(later)
			p.serve()
			u, _ := url.Parse(p.URL())
			old, _ := url.Parse(c.url)
			if u.Host != old.Host {
				c.client.Jar.SetCookies(u, c.client.Jar.Cookies(old))
				c.url = p.URL()
			}
		}
		c := p.admin("anna", "")
		for _, step := range []struct {
			later time.Duration
			want  int
		}{{0, 200}, {11 * time.Hour, 200}, {11 * time.Hour, 200}, {13 * time.Hour, 401}} {
			restart(c, step.later)
			c.want(step.want, "GET", "/api/v1/me", nil, nil)
		}
		c = p.admin("anna", "")
		begun := time.Now()
		for later := 10 * time.Hour; later < access.SessionLife; later += 10 * time.Hour {
			restart(c, time.Until(begun.Add(later)))
			c.want(200, "GET", "/api/v1/me", nil, nil)
		}
		const moment = 2 * time.Minute // less than until old sessions are swept away
		restart(c, time.Until(begun.Add(access.SessionLife-moment)))
		c.want(200, "GET", "/api/v1/me", nil, nil)
		time.Sleep(2 * moment)
		c.want(401, "GET", "/api/v1/me", nil, nil)
	})
}
