package admin

import (
	"testing"

	"postferry/store"
)

// TestLoginsInTheirField: what is wrong with a login is said where that way to sign in has it.
func TestLoginsInTheirField(t *testing.T) {
	for method, field := range map[store.SignInMethod]string{store.SignInMaster: "master_login", store.SignInGoogle: "admin"} {
		found := false
		for _, m := range checkSignIn(store.SignIn{Method: method, Login: "a\nb"}) {
			found = found || m.Field == field && m.Code == "unknown_value"
		}
		if !found {
			t.Errorf("%s: nothing is said at %s", method, field)
		}
	}
}
