package server

import (
	"fmt"
	"testing"
)

// TestFieldsAreCalledAsShown: what is wrong with a password is said with the name that its field has on the page.
func TestFieldsAreCalledAsShown(t *testing.T) {
	p := startPage(t)
	id := p.put("a.example", "anna@a.example")[0]
	c := p.admin("anna", "")
	status, _, text := c.form(fmt.Sprint("/d/a.example/a/", id), "old_password", "a\x00b")
	shows(t, "an account's", status, 422, text, "Password at the old server: has a character")
	status, _, text = c.form("/access/password", "old_password", "wrong password", "password", "long enough", "again", "long enough")
	shows(t, "one's own", status, 422, text, "Password now: this is not the password you have now")
}
