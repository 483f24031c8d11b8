package web

import (
	"testing"

	"postferry/report/reason"
)

// TestAccountNamed: what the engine says of two logins names the account, whatever its login is; also
// what an earlier version has stored as a sentence.
func TestAccountNamed(t *testing.T) {
	for _, login := range []string{"anna@a.example", "o'neill", `with "quotes" and \\`, "фёдор@пример", ""} {
		for _, code := range []reason.Code{reason.TroubleSame, reason.TroubleSameTwice, reason.TroubleSameUncertain} {
			why := reason.Of(code, reason.Of(reason.AccountNamed, login))
			if got := accountNamed(why); got != login {
				t.Errorf("%q, want %q", got, login)
			}
			if got := accountNamed(reason.StoredProblem(why.String())); got != login {
				t.Errorf("of a sentence %q, want %q", got, login)
			}
		}
	}
	for _, none := range []reason.Reason{"", reason.Said("the account of somebody"), reason.Of(reason.TroubleSame, reason.Of(reason.AccountElsewhere))} {
		if got := accountNamed(none); got != "" {
			t.Errorf("%q: %q", string(none), got)
		}
	}
}
