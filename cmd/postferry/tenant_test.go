package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postferry/internal/demo/clouds"
	"postferry/internal/demo/servers"
)

// tenantSecret is the application's.
const tenantSecret = "hu5h-of-the-application"

// opens makes a mail server refuse tokens as a cloud does.
func opens(allows func(token, login string) error) func(token, login string) error {
	return func(token, login string) error {
		err := allows(token, login)
		if no, ok := errors.AsType[*clouds.IMAPRefusal](err); ok {
			return &servers.Refusal{Challenge: no.Challenge, Text: no.Text, Bad: no.Bad}
		}
		return err
	}
}

// tenantRig is a tenant of Microsoft 365 that moves to the demo's new server.
func tenantRig(t *testing.T) (m *clouds.Microsoft, pair *servers.Pair, config string) {
	t.Helper()
	m = &clouds.Microsoft{Tenant: "tenant-1", PageMost: 2, Apps: []clouds.App{
		{ID: "app", Secret: tenantSecret, Roles: []string{clouds.RoleIMAP, clouds.RoleUsers, clouds.RoleSettings}},
		{ID: "people", Scopes: []string{clouds.ScopeIMAP}},
	}, People: []clouds.Mailbox{
		{Address: "anna@example.org", Name: "Anna", Aliases: []string{"a@example.org"}}, {Address: "info@example.org", Kind: clouds.Shared, Unlicensed: true},
		{Address: "hall@example.org", Kind: clouds.Room, Unlicensed: true}, {Address: "berta@other.example"}, {Address: "left@example.org", Suspended: true},
	}}
	cloud := httptest.NewServer(m)
	t.Cleanup(cloud.Close)
	old, err := servers.StartTenant(opens(m.Allows), 9, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(old.Close)
	if pair, err = servers.Start(0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pair.Close)
	config = filepath.Join(t.TempDir(), "config.toml")
	writeFile(t, config, fmt.Sprintf(`state = "state"
[admin]
listen = ""
[proxy]
imaps = "127.0.0.1:0"
[[domain]]
name = "example.org"
old = %q
new = %q
[domain.old_sign_in]
method = "microsoft"
tenant = "tenant-1"
client_id = "app"
secret = %q
authority = %q
[[domain]]
name = "people.example"
old = %q
new = %q
[domain.old_sign_in]
method = "consent"
client_id = "people"
issuer = %q
scope = "https://outlook.office.com/IMAP.AccessAsUser.All offline_access"
`, old.URL(), pair.New.URL(), tenantSecret, cloud.URL, old.URL(), pair.New.URL(), cloud.URL+"/tenant-1/v2.0"))
	return m, pair, config
}

// TestTenant: from a tenant that was connected to mail that was moved, without a password of anybody there.
func TestTenant(t *testing.T) {
	t.Parallel()
	_, pair, config := tenantRig(t)
	var said strings.Builder
	run := func(status int, args ...string) string {
		t.Helper()
		got, stdout, stderr := postferry(t, "", append([]string{args[0], args[1], "-c", config}, args[2:]...)...)
		said.WriteString(stdout + stderr)
		if got != status {
			t.Fatalf("%s: status %d, want %d\n%s%s", strings.Join(args, " "), got, status, stdout, stderr)
		}
		return stdout + stderr
	}
	contains := func(out string, all ...string) {
		t.Helper()
		for _, want := range all {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	}
	contains(run(exitOK, "auth", "status"), "microsoft", "app")
	contains(run(exitOK, "auth", "test", "example.org"), "ok    token", "ok    directory  5 mailboxes", "ok    mailbox    The mailbox anna@example.org opens; its inbox has 6 messages")
	contains(run(exitFailed, "auth", "test", "example.org", "nobody@example.org"), "FAIL  mailbox", "Add-MailboxPermission -Identity 'nobody@example.org'")
	contains(run(exitUsage, "auth", "test", "nowhere.example"), `there is no domain "nowhere.example"`)

	list := run(exitOK, "tenant", "--kind=all", "--suspended", "example.org")
	contains(list, "anna@example.org", "a@example.org", "info@example.org  shared", "hall@example.org  room", "left@example.org  user, suspended", "4 of 5 mailboxes")
	if out := run(exitOK, "tenant", "--search=INFO", "--to=new.example", "example.org"); strings.Contains(out, "anna") || !strings.Contains(out, "info@new.example") {
		t.Errorf("searched for:\n%s", out)
	}
	contains(run(exitUsage, "tenant", "--kind=desk", "example.org"), "--kind: expected one of")
	contains(run(exitUsage, "tenant", "--import", "example.org"), `"anna@example.org" has no password at the new server`)
	contains(run(exitUsage, "tenant", "--import", "--local-part", "--all-domains", "--kind=all", "people.example"), "there is nobody to ask")

	exceptions := filepath.Join(filepath.Dir(config), "exceptions.csv")
	writeFile(t, exceptions, "login;new login;new password\nanna@example.org;;"+servers.Password+"\nINFO@example.org;-;\n")
	contains(run(exitOK, "tenant", "--import", "--exceptions", exceptions, "example.org"), "1 account added, 0 updated")
	var listed struct {
		Listed    int
		Mailboxes []map[string]any
	}
	if err := json.Unmarshal([]byte(run(exitOK, "tenant", "--json", "--to=new.example", "example.org")), &listed); err != nil || listed.Listed != 5 || len(listed.Mailboxes) != 2 {
		t.Errorf("as JSON: %v, %+v", err, listed)
	}
	out := mustRun(t, "sync", "-c", config)
	said.WriteString(out)
	e, err := pair.New.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	there, err := e.Contents()
	if n := len(there["INBOX"]); err != nil || n != 6 {
		t.Errorf("%v, %d messages in the inbox at the new server\n%s", err, n, out)
	}
	for _, secret := range []string{tenantSecret, servers.Password} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("%q was printed", secret)
		}
	}
}

// codeReader enters the code that a command prints.
type codeReader struct {
	bytes.Buffer
	found *regexp.Regexp
	enter func(code string)
}

func (c *codeReader) Write(p []byte) (int, error) {
	n, err := c.Buffer.Write(p)
	if m := c.found.FindSubmatch(p); m != nil {
		c.enter(string(m[1]))
	}
	return n, err
}

// TestAuthLogin: somebody agrees by entering a code, and takes it back.
func TestAuthLogin(t *testing.T) {
	t.Parallel()
	m, pair, config := tenantRig(t)
	if err := pair.AddColleague("carla@people.example", 1); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(filepath.Dir(config), "list.csv")
	writeFile(t, list, "login;new login;new password\ncarla@people.example;carla@people.example;"+servers.Password+"\n")
	mustRun(t, "import", "-c", config, list)
	if _, out, _ := postferry(t, "", "sync", "-c", config); !strings.Contains(out, "has not signed in") {
		t.Errorf("before anybody has agreed:\n%s", out)
	}
	m.People = append(m.People, clouds.Mailbox{Address: "carla@people.example"})
	var stderr bytes.Buffer
	out := &codeReader{found: regexp.MustCompile(`devicelogin\n  (\w+)\n`), enter: func(code string) {
		if !m.Accept(code, "carla@people.example") {
			t.Errorf("the code %q is none", code)
		}
	}}
	if status := run(t.Context(), []string{"auth", "login", "-c", config, "carla@people.example"}, strings.NewReader(""), out, &stderr); status != exitOK {
		t.Fatalf("status %d\n%s%s", status, out, &stderr)
	}
	if got := mustRun(t, "status", "-c", config, "carla@people.example"); strings.Contains(got, "has not signed in") {
		t.Errorf("the problem stays:\n%s", got)
	}
	if got := mustRun(t, "sync", "-c", config, "carla@people.example"); !strings.Contains(got, "9") {
		t.Errorf("sync:\n%s", got)
	}
	if got := mustRun(t, "auth", "status", "-c", config); !strings.Contains(got, "consent (1 agreed)") {
		t.Errorf("status:\n%s", got)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, config, strings.Replace(string(text), `client_id = "people"`, `client_id = "others"`, 1))
	if got := mustRun(t, "auth", "status", "-c", config); !strings.Contains(got, "others") || strings.Contains(got, "agreed") {
		t.Errorf("status with another application:\n%s", got)
	}
	writeFile(t, config, string(text))
	if got := mustRun(t, "auth", "test", "-c", config, "people.example", "carla@people.example"); !strings.Contains(got, "ok    provider") || !strings.Contains(got, "ok    mailbox") {
		t.Errorf("test:\n%s", got)
	}
	if got := mustRun(t, "auth", "forget", "-c", config, "carla@people.example"); !strings.Contains(got, "the provider can't be told") {
		t.Errorf("forget:\n%s", got)
	}
	status, stdout, said := postferry(t, "", "auth", "test", "-c", config, "people.example", "carla@people.example")
	if status != exitFailed || !strings.Contains(stdout, "has not signed in") {
		t.Errorf("after that: status %d\n%s%s", status, stdout, said)
	}
	st := openState(t, filepath.Join(filepath.Dir(config), "state"))
	for _, action := range []string{"consent", "forget_consent"} {
		if entry := [4]string{action, "people.example", "carla@people.example", "old"}; !slices.Contains(audited(t, st), entry) {
			t.Errorf("the audit log lacks %q: %q", entry, audited(t, st))
		}
	}
	if all := out.String() + stderr.String() + stdout + said; strings.Contains(all, "refresh-") || strings.Contains(all, "eyJ") {
		t.Errorf("a token was printed:\n%s", all)
	}
}
