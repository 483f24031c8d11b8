package server

import (
	"fmt"
	"testing"
	"time"
)

// TestPasswordsAreNotGuessed: whoever looks after one domain tries out no more passwords of the new server than a
// client may, whichever way they are given.
func TestPasswordsAreNotGuessed(t *testing.T) {
	inBubble(t, func(t *testing.T, p *page) {
		root := p.program("")
		customer, same, session := p.program("a.example"), p.program("a.example"), p.admin("anna", "a.example")
		ids := p.put("a.example", "boss@a.example", "carla@a.example")
		account := fmt.Sprint(aDomain, "/accounts/", ids[0])
		n := 0
		guess := func() map[string]any {
			n++
			return map[string]any{"new_password": fmt.Sprint("guess", n)}
		}
		list := func() map[string]any {
			n++
			return map[string]any{"accounts": []map[string]any{{"login": "boss@a.example", "password": "x", "new_password": fmt.Sprint("guess", n)}}}
		}
		for range 10 {
			customer.want(200, "PATCH", account, guess(), nil)
		}
		known := map[string]any{"new_password": fmt.Sprint("guess", n)}
		refused := func(when string) {
			t.Helper()
			for who, c := range map[string]*caller{"token": customer, "another token": same, "session": session} {
				for what, got := range map[string]reply{
					"a correction":           c.do("PATCH", account, guess()),
					"one with the old one":   c.do("PATCH", account, map[string]any{"new_password": "y", "old_password": "y"}),
					"an account given again": c.do("POST", aDomain+"/accounts", list()),
					"in other letters": c.do("POST", aDomain+"/accounts", map[string]any{"accounts": []map[string]any{
						{"login": "other@a.example", "password": "x", "new_login": "BOSS@a.example", "new_password": "z"}}}),
				} {
					if got.StatusCode != 429 || got.Header.Get("Retry-After") == "" {
						t.Errorf("%s, %s of a %s: %s %s", when, what, who, got.Status, got.text)
					}
				}
			}
		}
		refused("after ten")
		customer.want(200, "PATCH", account, known, nil) // it is the one on record
		customer.want(200, "PATCH", account, map[string]any{"old_password": "x"}, nil)
		customer.want(200, "PATCH", fmt.Sprint(aDomain, "/accounts/", ids[1]), guess(), nil)
		root.want(200, "PATCH", account, guess(), nil)
		customer.want(200, "POST", aDomain+"/accounts/remove", map[string]any{"accounts": ids[:1]}, nil)
		if got := customer.do("POST", aDomain+"/accounts", list()); got.StatusCode != 429 {
			t.Errorf("removed and added again: %s %s", got.Status, got.text)
		}
		time.Sleep(6 * time.Second)
		customer.want(200, "POST", aDomain+"/accounts", list(), nil)
		if got := customer.do("POST", aDomain+"/accounts", list()); got.StatusCode != 429 {
			t.Errorf("a second one after a moment: %s %s", got.Status, got.text)
		}
		// All logins together: the first password of each costs nothing.
		accounts := func(password string, from, to int) map[string]any {
			var all []map[string]any
			for i := from; i < to; i++ {
				all = append(all, map[string]any{"login": fmt.Sprintf("p%d@a.example", i), "password": password})
			}
			return map[string]any{"accounts": all}
		}
		other := p.program("a.example")
		other.want(200, "POST", aDomain+"/accounts", accounts("one", 0, 150), nil)
		if got := other.do("POST", aDomain+"/accounts", accounts("two", 0, 150)); got.StatusCode != 429 {
			t.Errorf("the second passwords of 150 logins: %s %s", got.Status, got.text)
		}
		root.want(200, "POST", aDomain+"/accounts", accounts("two", 0, 150), nil)
	})
}
