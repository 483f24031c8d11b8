package server

import (
	"fmt"
	"strings"
	"testing"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/config"
	"postferry/store"
)

// TestMailboxesThatDiffer: where no password shows whose a mailbox is, because Postferry signs in at the old server by itself or
// because new mail goes back there, whoever looks after one domain can't have mail copied between mailboxes of two people,
// and then read it in their own one.
func TestMailboxesThatDiffer(t *testing.T) {
	const boss, dave, eve = "boss@a.example", "dave@a.example", "eve@a.example"
	for name, x := range map[string]struct {
		put     func(p *page)
		refused bool
	}{
		"passwords": {func(*page) {}, false},
		"a way back": {func(p *page) {
			p.program("").want(200, "PUT", aDomain, map[string]any{"way_back": true}, nil)
		}, true},
		"a master login at the old server": {func(p *page) {
			in := admin.SignInInput{Method: config.Master, Login: "master", Secret: "of the master", Separator: "*"}
			if err := p.app.Tenants.PutSignIn(t.Context(), access.CommandLine(), "a.example", store.OldSide, in); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := startPage(t)
			p.program("").want(200, "PUT", aDomain, map[string]any{"old": "imaps://old.a.example", "new": "imaps://new.example"}, nil)
			id := p.put("a.example", boss)[0]
			account := fmt.Sprint(aDomain, "/accounts/", id)
			own, early, root, b := p.program("a.example"), p.program("a.example"), p.program(""), p.admin("carol", "a.example")
			var before admin.ListView
			early.want(201, "POST", aDomain+"/lists", eve+" pw "+dave+" pw2\n", &before)
			x.put(p)
			ways := map[string]func(c *caller) reply{
				"the old mailbox": func(c *caller) reply {
					return c.do("PATCH", account, map[string]string{"old_login": dave, "old_password": "pw"})
				},
				"one without a domain": func(c *caller) reply {
					return c.do("PATCH", account, map[string]string{"old_login": "dave", "old_password": "pw"})
				},
				"both, with all passwords": func(c *caller) reply {
					return c.do("PATCH", account, map[string]string{"old_login": dave, "old_password": "pw", "new_login": eve, "new_password": "pw2"})
				},
				"the new mailbox": func(c *caller) reply {
					return c.do("PATCH", account, map[string]string{"new_login": dave, "new_password": "pw2", "old_password": "any"})
				},
				"added": func(c *caller) reply {
					return c.do("POST", aDomain+"/accounts", map[string]any{"accounts": []map[string]string{{"login": boss, "password": "pw", "new_login": dave, "new_password": "pw2"}}})
				},
				"added anew": func(c *caller) reply {
					return c.do("POST", aDomain+"/accounts", map[string]any{"accounts": []map[string]string{{"login": "web1", "password": "pw", "new_login": boss, "new_password": "pw2"}}})
				},
				"in a list": func(c *caller) reply {
					var list admin.ListView
					c.want(201, "POST", aDomain+"/lists", boss+" pw "+dave+" pw2\n", &list)
					return c.do("POST", aDomain+"/accounts", map[string]any{"list": list.ID})
				},
			}
			was := p.credentials(id)
			for way, give := range ways {
				got := give(own)
				if refused := got.StatusCode/100 == 4 && strings.Contains(got.text, "pair_fixed"); refused != x.refused || !refused && got.StatusCode != 200 {
					t.Errorf("%s: %s %s", way, got.Status, got.text)
				}
				if x.refused && p.credentials(id) != was {
					t.Errorf("%s: it was done", way)
				}
			}
			if status, _, text := b.form(fmt.Sprintf("/d/a.example/a/%d", id), "old_login", dave, "old_password", "pw", "new_login", boss, "new_password", "pw"); x.refused != (status == 422) {
				t.Errorf("the form: %d\n%s", status, text)
			}
			if got := early.do("POST", aDomain+"/accounts", map[string]any{"list": before.ID}); x.refused != strings.Contains(got.text, "pair_fixed") || !x.refused && got.StatusCode != 200 {
				t.Errorf("a list that was read before: %s %s", got.Status, got.text)
			}
			// Those of one name are theirs to pair, and what those of everything have paired may be given again.
			root.want(200, "POST", aDomain+"/accounts", map[string]any{"accounts": []map[string]string{{"login": "web7", "password": "pw", "new_login": "carl@a.example", "new_password": "pw2"}}}, nil)
			own.want(200, "POST", aDomain+"/accounts", map[string]any{"accounts": []map[string]string{{"login": "web7", "password": "pw3", "new_login": "Carl@a.example", "new_password": "pw4"}}}, nil)
			own.want(200, "PATCH", account, map[string]string{"old_login": boss, "old_password": "pw", "new_login": "Boss@a.example", "new_password": "pw2"}, nil)
			own.want(200, "POST", aDomain+"/accounts", map[string]any{"accounts": []map[string]string{{"login": dave, "password": "pw"}}}, nil)
			for way, give := range ways {
				if got := give(root); got.StatusCode != 200 {
					t.Errorf("%s, by those of everything: %s %s", way, got.Status, got.text)
				}
			}
		})
	}
}

// credentials are an account's, as text.
func (p *page) credentials(id store.AccountID) string {
	p.t.Helper()
	a, err := p.store.AccountByID(p.t.Context(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprint(a.Old.Login, " ", a.Old.Password.Reveal(), " ", a.New.Login, " ", a.New.Password.Reveal())
}

// TestUnlikePairs: who looks after everything is shown which accounts have mailboxes of different names before a way back is switched
// on: whoever looks after the domain may have paired them with passwords that both servers took.
func TestUnlikePairs(t *testing.T) {
	p := startPage(t)
	own, root, c := p.admin("berta", "a.example"), p.admin("root", ""), p.program("a.example")
	c.want(200, "POST", aDomain+"/accounts", map[string]any{"accounts": []map[string]string{
		{"login": "same@a.example", "password": "pw"}, {"login": "other@a.example", "password": "pw", "new_login": "Other", "new_password": "pw2"}}}, nil)
	settings := func(b *caller) string { return b.do("GET", "/d/a.example/settings", nil).text }
	if text := settings(root); strings.Contains(text, "different names") {
		t.Errorf("mailboxes of one name: %s", text)
	}
	for i := range 22 {
		c.want(200, "POST", aDomain+"/accounts", map[string]any{"accounts": []map[string]string{
			{"login": fmt.Sprintf("old%d@a.example", i), "password": "pw", "new_login": fmt.Sprintf("new%d@a.example", i), "new_password": "pw2"}}}, nil)
	}
	text := settings(root)
	shows(t, "the settings", 200, 200, text, "22 accounts have mailboxes of different names", "old0@a.example → new0@a.example", "old19@a.example", "<li>…</li>")
	if strings.Contains(text, "old20@") || strings.Contains(text, "same@") || strings.Contains(text, "other@") {
		t.Errorf("more than is meant: %s", text)
	}
	if text := settings(own); strings.Contains(text, "different names") {
		t.Errorf("shown to the domain's administrator: %s", text)
	}
}
