package config

import (
	"reflect"
	"strings"
	"testing"
)

// Where Postferry signs in in another way, a list has logins alone.
func TestAccountsWithoutPasswords(t *testing.T) {
	d := Domain{Name: "a.example", Old: Server{SignIn: &SignIn{Method: Master}}}
	both := d
	both.New.SignIn = &SignIn{Method: Master}
	for _, tt := range []struct {
		name, list string
		domain     Domain
		want       []AccountLine
		mistakes   int
	}{
		{"logins alone", "anna@a.example\nbert@a.example\n", both, []AccountLine{{1, "anna@a.example", "", "", ""}, {2, "bert@a.example", "", "", ""}}, 0},
		{"CSV", "email;new login\nanna@a.example;anna@b.example\n", both, []AccountLine{{2, "anna@a.example", "", "anna@b.example", ""}}, 0},
		{"CSV, one column", "login\nanna@a.example\n", both, []AccountLine{{2, "anna@a.example", "", "", ""}}, 0},
		{"CSV, a password for the new server", "login,password,new password\nanna@a.example,,pw\n", d, []AccountLine{{2, "anna@a.example", "", "", "pw"}}, 0},
		{"none for the new server", "anna@a.example\n", d, nil, 1},
		{"with passwords all the same", "anna@a.example pw\n", both, []AccountLine{{1, "anna@a.example", "pw", "", ""}}, 0},
		{"another domain", "anna@b.example\n", both, nil, 1},
		{"a NUL", "anna@a.example\x00\n", both, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := ReadAccounts(strings.NewReader(tt.list), ListOptions{Passwordless: func(a AccountLine) bool {
				return strings.HasSuffix(a.Login, "@a.example") && !tt.domain.NeedsPassword(a)
			}})
			if err != nil || len(list.Mistakes) != tt.mistakes || !reflect.DeepEqual(list.Accounts, tt.want) {
				t.Errorf("%v, %v, %v", list.Accounts, list.Mistakes, err)
			}
		})
	}
}
