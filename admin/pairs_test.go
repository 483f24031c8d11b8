package admin

import (
	"testing"

	"postferry/admin/access"
	"postferry/config"
)

// TestMayPair: whoever looks after one domain pairs mailboxes of one name, wherever no password shows whose they are.
func TestMayPair(t *testing.T) {
	const passwords, back, oldIn, newIn, newInBack = 1, 2, 4, 8, 16 // what of the domain's servers is so
	own := access.Actor{Name: "mallory", Scope: "a.example"}
	for _, x := range []struct {
		old, new string
		refused  int
	}{
		{"anna@a.example", "anna@a.example", 0},
		{"anna@a.example", "Anna@A.example", 0},
		{"anna", "anna@a.example", oldIn}, // at the old server it may be another domain's
		{"anna@a.example", "anna", newIn | newInBack},
		{"anna", "anna", oldIn | newIn | newInBack},
		{"boss@a.example", "mallory@a.example", back | oldIn | newInBack},
		{"boss", "mallory@a.example", back | oldIn | newInBack},
		{"boss@a.example", "mallory", back | oldIn | newIn | newInBack},
		{"boss@x@a.example", "boss@a.example", back | oldIn | newInBack},
		{"boss@b.example", "boss@a.example", oldIn}, // which is refused before, as another domain's
	} {
		for kind, d := range map[int]config.Domain{
			passwords: {}, back: {WayBack: true}, oldIn: {Old: config.Server{SignIn: &config.SignIn{}}}, newIn: {New: config.Server{SignIn: &config.SignIn{}}},
			newInBack: {WayBack: true, New: config.Server{SignIn: &config.SignIn{}}},
		} {
			d.Name = "a.example"
			a := Scopes{config.NewDirectory([]config.Domain{d, {Name: "b.example"}})}
			if got := a.mayPair(own, &d, x.old, x.new); got != (x.refused&kind == 0) {
				t.Errorf("%s > %s, kind %d: %v", x.old, x.new, kind, got)
			}
			if !a.mayPair(access.CommandLine(), &d, x.old, x.new) {
				t.Errorf("%s > %s, kind %d: refused to those who look after everything", x.old, x.new, kind)
			}
		}
	}
	d := config.Domain{Name: "a.example", Default: true, Old: config.Server{SignIn: &config.SignIn{}}, New: config.Server{SignIn: &config.SignIn{}}}
	a := Scopes{config.NewDirectory([]config.Domain{d})}
	for _, login := range []string{"anna", "anna@a.example"} {
		if !a.mayPair(own, &d, login, "anna@a.example") || !a.mayPair(own, &d, "anna@a.example", login) {
			t.Errorf("%s: logins without a domain are the default domain's", login)
		}
	}
}
