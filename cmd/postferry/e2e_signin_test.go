package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postferry/internal/lab"
)

// TestMasterLogins moves twenty accounts from Dovecot to Cyrus and some of them from there to another
// Dovecot, with the login of a master at each and no password of a user: by a separator, and by
// SASL's authorization identity.
func TestMasterLogins(t *testing.T) {
	t.Parallel()
	const hush = "hush-hush-master"
	var users []lab.User
	var list strings.Builder
	for i := range 20 {
		users = append(users, lab.User{Login: fmt.Sprintf("user%02d@example.com", i), Password: odd})
		fmt.Fprintln(&list, users[i].Login)
	}
	master := fmt.Sprintf("auth_master_user_separator = *\npassdb {\n  driver = static\n  args = password=%s\n  master = yes\n  result_success = continue\n}\n", hush)
	old := lab.StartDovecot(t, lab.DovecotOptions{Users: users, Separator: "/", ExtraConfig: master})
	middle := lab.StartCyrus(t, lab.CyrusOptions{
		AltNamespace: true, UnixSeparator: true, Proxy: "boss@example.com",
		Users: append([]lab.User{{Login: "boss@example.com", Password: hush}}, users...),
	})
	last := lab.StartDovecot(t, lab.DovecotOptions{Users: users, Format: "sdbox", ExtraConfig: master})
	for i, u := range users {
		old.FillMaildir(u.Login, "INBOX", lab.Generate(uint64(i), 3, 1000))
		old.FillMaildir(u.Login, "Work", lab.Generate(uint64(100+i), 1, 1000))
	}
	configOf := func(from, to string, in string) string {
		path := filepath.Join(t.TempDir(), "config.toml")
		writeFile(t, path, fmt.Sprintf("state = \"state\"\n[admin]\nlisten = \"\"\n[[domain]]\nname = \"example.com\"\nold = %q\nnew = %q\n%s", from, to, in))
		return path
	}
	section := func(side, login, separator string) string {
		return fmt.Sprintf("[domain.%s_sign_in]\nmethod = 'master'\nlogin = %q\nsecret = %q\nseparator = %q\n", side, login, hush, separator)
	}
	first := configOf(old.Insecure().String(), middle.Insecure().String(), section("old", "boss", "*")+section("new", "boss@example.com", ""))
	takeOver(t, first, list.String())
	if status, out, errout := postferry(t, "", "sync", "-c", first, "--dry-run"); status != exitOK || !strings.Contains(out, "80 messages") {
		t.Errorf("dry run: status %d\n%s%s", status, out, errout)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	status, out, errout := postferry(t, "", "sync", "-c", first, "--trace", trace)
	if status != exitOK || !strings.Contains(out, "20 complete, 0 incomplete; 80 messages copied") {
		t.Errorf("the first move: status %d\n%s%s", status, out, errout)
	}
	if status, out, errout := postferry(t, "", "verify", "-c", first); status != exitOK {
		t.Errorf("verify: status %d\n%s%s", status, out, errout)
	}
	traced, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(traced), "AUTHENTICATE [secret]") {
		t.Error("the trace shows no login")
	}
	for _, secret := range []string{hush, base64.StdEncoding.EncodeToString([]byte("\x00user00@example.com*boss\x00" + hush)), "aHVzaC1odXNo", "h1c2gtaHVza", "odXNoLWh1c2"} {
		if strings.Contains(string(traced)+out+errout, secret) {
			t.Errorf("%q is shown", secret)
		}
	}
	for _, u := range users {
		if diff := lab.SameMail(old.Snapshot(u.Login), middle.Snapshot(u.Login), func(name string) string { return name }); diff != "" {
			t.Errorf("the mail of %s differs:\n%s", u.Login, diff)
		}
	}
	second := configOf(middle.Insecure().String(), last.Insecure().String(), section("old", "boss@example.com", "")+section("new", "boss", ""))
	takeOver(t, second, users[0].Login+"\n"+users[1].Login+"\n")
	if out := syncAll(t, second); !strings.Contains(out, "2 complete, 0 incomplete; 8 messages copied") {
		t.Errorf("the second move:\n%s", out)
	}
	for _, u := range users[:2] {
		if diff := lab.SameMail(middle.Snapshot(u.Login), last.Snapshot(u.Login), func(name string) string { return name }); diff != "" {
			t.Errorf("the mail of %s differs:\n%s", u.Login, diff)
		}
	}
}

// TestMasterRefused: a wrong master login is told once, and of all accounts.
func TestMasterRefused(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna, "bert@example.com")
	p.more = "[domain.old_sign_in]\nmethod = 'master'\nlogin = 'boss'\nsecret = 'hush-hush'\nseparator = '*'\n"
	config := filepath.Join(t.TempDir(), "config.toml")
	writeFile(t, config, p.config())
	takeOverAll(t, config, anna, "bert@example.com")
	status, out, errout := postferry(t, "", "sync", "-c", config)
	if status == exitOK || strings.Count(out, "refuses the master login") != 2 {
		t.Errorf("status %d\n%s", status, out)
	}
	if n := strings.Count(errout, "refuses the master login"); n != 1 {
		t.Errorf("told %d times:\n%s", n, errout)
	}
	if strings.Contains(out+errout, "hush-hush") {
		t.Error("the master's password is told")
	}
}
