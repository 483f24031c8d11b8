package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestNewLoginTwice: two lines whose mail would go into one mailbox are told, with the other's number.
func TestNewLoginTwice(t *testing.T) {
	tests := []struct {
		name, list string
		line       int // of the mistake; 0 for none
		first      int
	}{
		{"the same", "a pw anna pw\n\nb pw anna pw\n", 3, 1},
		{"another case", "a pw anna pw\nb pw Anna pw\n", 2, 1},
		{"one that has no login of its own", "anna pw\n# old\nb pw ANNA pw\n", 3, 1},
		{"the other way round", "b pw anna pw\nanna pw\n", 2, 1},
		{"csv", "login;password;new login;new password\na;pw;anna;pw\nb;pw;anna;pw\n", 3, 2},
		{"each its own", "anna pw berta pw\nberta pw anna pw\n", 0, 0},
		{"beside a wrong line", "a pw anna\nb pw anna pw\n", 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := ReadAccounts(strings.NewReader(tt.list), ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case tt.line == 0 && len(list.Mistakes) == 0 && len(list.Accounts) == 2:
				return
			case tt.line == 0 || len(list.Mistakes) != 1 || list.Mistakes[0].Line != tt.line || len(list.Accounts) != 1:
				t.Fatalf("%+v", list)
			}
			m := list.Mistakes[0]
			if twice := m.Code == "new_login_twice"; twice != (tt.first != 0) || twice && fmt.Sprint(m.Args["value"]) != fmt.Sprint(tt.first) {
				t.Errorf("%+v", m)
			}
		})
	}
}
