package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/internal/lab"
	"postferry/store"
	"postferry/store/bolt"
)

// evil is a password that an administrator of one domain makes up.
const evil = "made up by somebody else"

// ownPassword is a way in which the administrator of one domain gives an account an old
// password of their own.
type ownPassword struct {
	name string
	give func(c *customer, login string) bool
	// later is what an administrator of everything does after that, if anything.
	later func(root *customer, login string) bool
	opens bool   // the mailbox: the new server's password was given as well
	audit string // what the audit log says of it
}

func ownPasswords() []ownPassword {
	const domain = "example.com"
	return []ownPassword{
		{name: "old password at the API", give: func(c *customer, login string) bool {
			return c.patch(domain, login, map[string]string{"old_password": evil})
		}, audit: "update_account old_password"},
		{name: "old login and password at the API", give: func(c *customer, login string) bool {
			return c.patch(domain, login, map[string]string{"old_login": "someone@example.com", "old_password": evil})
		}, audit: "update_account old_login, old_password"},
		{name: "old password in the form", give: func(c *customer, login string) bool {
			return c.fill(domain, login, map[string]string{"old_password": evil})
		}, audit: "update_account old_password"},
		{name: "added again with it alone", give: func(c *customer, login string) bool {
			return c.add(domain, map[string]string{"login": login, "password": evil})
		}, audit: "update_accounts old_password, new_password"},
		{name: "in a list again with it alone", give: func(c *customer, login string) bool {
			return c.upload(domain, fmt.Sprintf("%s %s\n", login, quoted(evil)))
		}, audit: "update_accounts old_password, new_password"},
		{name: "with a new one that is wrong", give: func(c *customer, login string) bool {
			return c.patch(domain, login, map[string]string{"old_password": evil, "new_password": "wrong"})
		}, audit: "update_account old_password, new_password"},
		{name: "with a wrong one that is corrected by others", give: func(c *customer, login string) bool {
			return c.patch(domain, login, map[string]string{"old_password": evil, "new_password": "wrong"})
		}, later: func(root *customer, login string) bool {
			return root.patch(domain, login, map[string]string{"new_password": odd})
		}, audit: "update_account new_password\nupdate_account old_password, new_password"},
		{name: "both at the API", give: func(c *customer, login string) bool {
			return c.patch(domain, login, map[string]string{"old_password": evil, "new_password": odd})
		}, opens: true, audit: "update_account old_password"},
		{name: "both in the form", give: func(c *customer, login string) bool {
			return c.fill(domain, login, map[string]string{"old_password": evil, "new_password": odd})
		}, opens: true, audit: "update_account old_password"},
		{name: "added again with both", give: func(c *customer, login string) bool {
			return c.add(domain, map[string]string{"login": login, "password": evil, "new_login": login, "new_password": odd})
		}, opens: true, audit: "update_accounts old_password"},
		{name: "in a list again with both", give: func(c *customer, login string) bool {
			return c.upload(domain, fmt.Sprintf("%s %s %s %s\n", login, quoted(evil), login, quoted(odd)))
		}, opens: true, audit: "update_accounts old_password"},
	}
}

// TestOldPasswordOpensOnlyWithTheNewOne: whoever looks after a domain may say with what
// its mail is read from the old server, but reads nobody's mailbox at the new one with that,
// neither at once nor after its person has logged in.
func TestOldPasswordOpensOnlyWithTheNewOne(t *testing.T) {
	t.Parallel()
	ways := ownPasswords()
	var logins []string
	for i := range ways {
		logins = append(logins, fmt.Sprintf("person%d@example.com", i))
	}
	p := startPair(t, logins...)
	d := p.servePage()
	takeOverAll(t, d.Config, logins...)
	own, root := d.customer("example.com"), d.customer("")
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			login := logins[i]
			if !way.give(own, login) || way.later != nil && !way.later(root, login) {
				t.Fatal("the password was refused")
			}
			p.wantOpen(t, d, login, odd, true)
			p.wantOpen(t, d, login, evil, way.opens)
			if got := root.audit(login); got != way.audit {
				t.Errorf("the audit log says %q, want %q", got, way.audit)
			}
			by := fmt.Sprintf(`"account":%q,"tls":true,"id":%d,"by":"the old password on record"`, login, own.id("example.com", login))
			if strings.Contains(d.Log(), by) != way.opens {
				t.Errorf("the log has %s: %v, want %v", by, !way.opens, way.opens)
			}
		})
	}
	if strings.Contains(d.Log(), evil) {
		t.Error("the password is in the log")
	}
}

// twoDomains are two domains on the same servers, with an administrator for the first.
type twoDomains struct {
	*pair
	d    *testDaemon
	own  *customer
	root *customer
	boss string // of the other domain, with mail that is nobody else's business
}

func startTwoDomains(t *testing.T, logins ...string) *twoDomains {
	t.Helper()
	x := &twoDomains{boss: "boss@other.example"}
	x.pair = startPair(t, append(logins, x.boss)...)
	x.more = fmt.Sprintf("[[domain]]\nname = \"other.example\"\nold = %q\nnew = %q\nnew_ca = %q\n", x.oldURL, x.newURL, x.ca.File)
	x.d = x.servePage()
	appendLetter(t, x.new.Client(x.boss), "INBOX", "for the boss only")
	takeOverAll(t, x.d.Config, append(logins, x.boss)...)
	x.own, x.root = x.d.customer("example.com"), x.d.customer("")
	return x
}

// TestLoginChangesWithItsPassword: people begin with the same password here, so a login that
// is changed alone would open another's mailbox with the password recorded.
func TestLoginChangesWithItsPassword(t *testing.T) {
	t.Parallel()
	const clara = "clara@example.com"
	x := startTwoDomains(t, anna, clara)
	appendLetter(t, x.new.Client(clara), "INBOX", "for clara only")
	for _, other := range []string{x.boss, clara} {
		for name, taken := range map[string]bool{
			"the new login at the API":                                         x.own.patch("example.com", anna, map[string]string{"new_login": other}),
			"the new login in the form":                                        x.own.fill("example.com", anna, map[string]string{"new_login": other}),
			"the old login at the API":                                         x.own.patch("example.com", anna, map[string]string{"old_login": other}),
			"the old login in the form":                                        x.own.fill("example.com", anna, map[string]string{"old_login": other}),
			"a mailbox of one's own, to which anna's old mail would be copied": x.own.patch("example.com", anna, map[string]string{"new_login": other, "new_password": odd}),
			"the same in the form":                                             x.own.fill("example.com", anna, map[string]string{"new_login": other, "new_password": odd}),
			"with the other's password":                                        x.own.patch("example.com", anna, map[string]string{"new_login": other, "old_password": odd}),
			"by those who may do it all":                                       x.root.patch("example.com", anna, map[string]string{"new_login": other}),
		} {
			if taken {
				t.Errorf("%s: %s was taken for anna", name, other)
			}
		}
		if c, ok := x.opens(x.d, anna, odd); !ok || messages(t, c, "INBOX") != 0 {
			t.Errorf("anna is let in: %v, and sees another's mail", ok)
		}
	}
	if !x.own.patch("example.com", anna, map[string]string{"new_login": clara, "new_password": odd, "old_password": odd}) {
		t.Error("a login with its password, and the old one, was refused")
	}
	if c, ok := x.opens(x.d, anna, odd); !ok || messages(t, c, "INBOX") != 1 {
		t.Errorf("anna is let in: %v, and doesn't see the mailbox given", ok)
	}
}

// TestLoginsOfOtherDomains: only an administrator of everything gives an account a login
// of another domain.
func TestLoginsOfOtherDomains(t *testing.T) {
	t.Parallel()
	x := startTwoDomains(t, anna)
	ways := map[string]func(c *customer) bool{
		"the new login at the API": func(c *customer) bool {
			return c.patch("example.com", anna, map[string]string{"new_login": x.boss, "new_password": odd})
		},
		"the new login in the form": func(c *customer) bool {
			return c.fill("example.com", anna, map[string]string{"new_login": x.boss, "new_password": odd})
		},
		"the new login, added again": func(c *customer) bool {
			return c.add("example.com", map[string]string{"login": anna, "password": odd, "new_login": x.boss, "new_password": odd})
		},
		"the new login in a list": func(c *customer) bool {
			return c.upload("example.com", fmt.Sprintf("%s %s %s %s\n", anna, quoted(odd), x.boss, quoted(odd)))
		},
		"the old login at the API": func(c *customer) bool {
			return c.patch("example.com", anna, map[string]string{"old_login": x.boss, "old_password": odd})
		},
		"the old login of a domain unknown, in a list": func(c *customer) bool {
			return c.upload("example.com", fmt.Sprintf("anna@unknown.example %s %s %s\n", quoted(odd), anna, quoted(odd)))
		},
	}
	for name, give := range ways {
		if give(x.own) {
			t.Errorf("%s: taken from the administrator of one domain", name)
		}
	}
	if c, ok := x.opens(x.d, anna, odd); !ok || messages(t, c, "INBOX") != 0 {
		t.Errorf("anna is let in: %v, and sees the boss's mail", ok)
	}
	for name, give := range ways {
		if !give(x.root) {
			t.Errorf("%s: refused from the administrator of everything", name)
		}
	}
}

// TestLoginBelongsToItsDomain: nobody can have somebody else's login in their own domain, be
// it before the other's domain is there, and nobody is told whether it is anywhere.
func TestLoginBelongsToItsDomain(t *testing.T) {
	t.Parallel()
	x := startTwoDomains(t, anna)
	var answers []string
	for _, login := range []string{"boss@d.example", "boss@D.Example", x.boss, "nobody@other.example", "boss", "nobody", "boss@example.com@d.example"} {
		for _, with := range []map[string]string{
			{"login": login, "password": evil},
			{"login": login, "password": evil, "new_login": "boss@example.com", "new_password": evil},
		} {
			status, text, err := x.own.try("POST", "/domains/example.com/accounts", map[string]any{"accounts": []map[string]string{with}}, nil)
			// One without a domain, of an old server, is known by the login at the new server.
			if want := map[bool]int{true: 200, false: 422}[with["new_login"] != "" && !strings.Contains(login, "@")]; err != nil || status != want {
				t.Errorf("%s with the new login %q: %d, %v, want %d", login, with["new_login"], status, err, want)
			}
			if strings.HasSuffix(login, "other.example") {
				answers = append(answers, text)
			}
		}
	}
	if answers[0] != answers[2] || answers[1] != answers[3] {
		t.Errorf("who is known is answered otherwise than who is not: %q", answers)
	}
	x.root.want("PUT", "/domains/d.example", map[string]string{"old": x.oldURL, "new": x.new.Insecure().String()}, nil)
	x.new.AddUser(lab.User{Login: "boss@d.example", Password: odd})
	if !x.d.customer("d.example").upload("d.example", "boss@d.example "+quoted(odd)+"\n") {
		t.Error("the domain's own administrator can't add the boss")
	}
	x.wantOpen(t, x.d, "boss@d.example", odd, true)
	x.wantOpen(t, x.d, "boss@d.example", evil, false)
}

// TestForeignAccountsAreNotUsed: what an earlier version let into a domain's accounts leads
// nobody to a server of that domain, and is in nobody's way.
func TestForeignAccountsAreNotUsed(t *testing.T) {
	t.Parallel()
	catcher := startWitness(t)
	logins := []string{"boss@d.example", "boss@e.example", "bert", "clara"}
	p := startPair(t, logins...)
	newURL := p.newURL
	p.newURL, p.newCA = catcher.url, false
	p.more = fmt.Sprintf("[[domain]]\nname = \"main.example\"\ndefault = true\nold = %q\nnew = %q\nnew_ca = %q\n", p.oldURL, newURL, p.ca.File)
	d := p.servePage()
	d.Stop()
	plantAccounts(t, d, "example.com", logins...)
	d.Restart()
	own, root := d.customer("example.com"), d.customer("")
	p.wantOpen(t, d, "boss@d.example", odd, false) // the domain is not there yet
	for _, domain := range []string{"d.example", "e.example"} {
		root.want("PUT", "/domains/"+domain, map[string]any{"old": p.oldURL, "new": p.new.Insecure().String(), "enrol": domain == "e.example"}, nil)
	}
	for _, login := range logins {
		p.wantOpen(t, d, login, odd, true)
		p.wantOpen(t, d, login, evil, false)
	}
	if !d.customer("d.example").upload("d.example", "boss@d.example "+quoted(odd)+"\n") ||
		!d.customer("main.example").upload("main.example", "bert "+quoted(odd)+"\n") {
		t.Error("the domain's own administrator can't add its account")
	}
	for domain, login := range map[string]string{"d.example": logins[0], "e.example": logins[1], "main.example": logins[2]} {
		if root.id(domain, login) == own.id("example.com", login) {
			t.Errorf("%s is one account in two domains", login)
		}
	}
	p.wantOpen(t, d, "boss@d.example", odd, true)
	catcher.saw(t, "catching", map[string]string{})
}

// plantAccounts puts accounts into a domain that they don't belong to, with a password that
// opens them.
func plantAccounts(t *testing.T, d *testDaemon, domain string, logins ...string) {
	t.Helper()
	st, err := bolt.Open(filepath.Join(filepath.Dir(d.Config), "state"), bolt.Options{Command: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for _, login := range logins {
		c := store.Credentials{Login: login, Password: evil}
		if _, _, err := st.PutAccounts(t.Context(), []store.Account{{Domain: domain, Login: login, Old: c, New: c, OldOpens: true,
			Origin: store.Imported, State: store.Waiting}}); err != nil {
			t.Fatal(err)
		}
	}
}
