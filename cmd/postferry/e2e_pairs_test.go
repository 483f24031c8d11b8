package main

import (
	"fmt"
	"testing"

	"postferry/internal/lab"
)

// TestMailboxesOfOthers: where a master login opens the old mailboxes, whoever looks after one domain has nobody else's mail
// copied to a mailbox of their own, however they add or change accounts. An administrator of everything can, so it is
// the refusal that keeps it from them.
func TestMailboxesOfOthers(t *testing.T) {
	t.Parallel()
	const boss, carl, hush = "boss@example.com", "carl@example.com", "hush-hush-master"
	users := []lab.User{{Login: anna, Password: odd}, {Login: boss, Password: odd}, {Login: carl, Password: odd}}
	p := &pair{t: t, ca: lab.NewCA(t), newCA: true}
	p.old = lab.StartDovecot(t, lab.DovecotOptions{Users: users, CA: p.ca, Separator: "/",
		ExtraConfig: fmt.Sprintf("auth_master_user_separator = *\npassdb {\n  driver = static\n  args = password=%s\n  master = yes\n  result_success = continue\n}\n", hush)})
	p.new = lab.StartDovecot(t, lab.DovecotOptions{Format: "sdbox", Users: users, CA: p.ca, AutoCreate: true})
	p.oldURL, p.newURL = p.old.Insecure().String(), p.new.ImplicitTLS().String()
	p.more = fmt.Sprintf("[domain.old_sign_in]\nmethod = 'master'\nlogin = 'master'\nsecret = %q\nseparator = '*'\n", hush)
	d := p.servePage()
	appendLetter(t, p.old.Client(boss), "INBOX", "for the boss only")
	takeOverAll(t, d.Config, anna)
	own, root := d.customer("example.com"), d.customer("")
	for name, give := range map[string]func() bool{
		"added": func() bool {
			return own.add("example.com", map[string]string{"login": boss, "password": "any", "new_login": anna, "new_password": odd})
		},
		"in a list": func() bool {
			return own.upload("example.com", fmt.Sprintf("%s any %s %s\n", boss, anna, quoted(odd)))
		},
		"another old login at the API": func() bool {
			return own.patch("example.com", anna, map[string]string{"old_login": boss, "old_password": "any"})
		},
		"another old login in the form": func() bool {
			return own.fill("example.com", anna, map[string]string{"old_login": boss, "old_password": "any"})
		},
		"the boss's account, with another new login": func() bool {
			return own.add("example.com", map[string]string{"login": boss, "password": "any"}) &&
				own.patch("example.com", boss, map[string]string{"old_password": "any", "new_login": anna, "new_password": odd})
		},
	} {
		if give() {
			t.Errorf("%s: taken from the administrator of one domain", name)
		}
	}
	syncAll(t, d.Config, anna)
	if c, ok := p.opens(d, anna, odd); !ok || messages(t, c, "INBOX") != 0 {
		t.Errorf("anna is let in: %v, and sees the boss's mail", ok)
	}
	if own.audit(boss) == "" {
		t.Error("the boss's own mailboxes were not taken from the administrator of one domain")
	}
	if !root.add("example.com", map[string]string{"login": boss, "password": "any", "new_login": carl, "new_password": odd}) {
		t.Error("refused from the administrator of everything")
	}
	root.want("POST", "/domains/example.com/begin", map[string]bool{"all": true}, nil)
	syncAll(t, d.Config, boss)
	if c := p.new.Client(carl); messages(t, c, "INBOX") != 1 {
		t.Error("the master login opens nothing")
	}
}
