package web

import (
	"fmt"
	"testing"
)

// TestAccountNamed: the sentence of the engine names the account, whatever its login is.
func TestAccountNamed(t *testing.T) {
	for _, login := range []string{"anna@a.example", "o'neill", `with "quotes" and \\`, "фёдор@пример", ""} {
		for _, format := range []string{
			"This login may lead to the same mailbox as the account %q: both look alike, but it can't be proved.",
			"This login leads to the same mailbox at the new server as the account %q; whether the old mailbox is the same, too, can't be told.",
		} {
			if got := accountNamed(fmt.Sprintf(format, login)); got != login {
				t.Errorf("%q, want %q", got, login)
			}
		}
	}
	for _, none := range []string{"", "the account of somebody", `as the account "`, "as an account of another domain"} {
		if got := accountNamed(none); got != "" {
			t.Errorf("%q: %q", none, got)
		}
	}
}
