package admin

import (
	"fmt"
	"testing"

	"postferry/store"
)

// TestAliasOf answers whether two logins are one mailbox.
func TestAliasOf(t *testing.T) {
	p := startPage(t)
	c := p.program("")
	ids := p.put("a.example", "anna@a.example", "berta@a.example")
	p.put("b.example", "carla@b.example")
	patch := func(status int, of any) {
		t.Helper()
		c.want(status, "PATCH", fmt.Sprint(aDomain, "/accounts/", ids[1]), map[string]any{"alias_of": of}, nil)
	}
	is := func(alias store.AccountID, apart bool) {
		t.Helper()
		got, err := p.store.AccountByID(t.Context(), ids[1])
		if err != nil || got.Alias != alias || got.Apart != apart {
			t.Errorf("alias %d, apart %v, want %d, %v (%v)", got.Alias, got.Apart, alias, apart, err)
		}
	}
	patch(200, "anna@a.example")
	is(ids[0], false)
	for _, wrong := range []string{"berta@a.example", "carla@b.example", "nobody@a.example"} {
		patch(422, wrong)
	}
	is(ids[0], false)
	patch(200, nil)
	is(ids[0], false)
	patch(200, "")
	is(0, true)
}
