package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/config"
)

// TestRecipients: who is told how a move goes on is added and removed on the page and by the API, is kept, and is for those who
// look after everything.
func TestRecipients(t *testing.T) {
	p := startPage(t, func(opt *Options) {
		opt.Config.Notify.SMTP.Host = "mail.example"
		opt.Config.Notify.Recipients = []config.Recipient{{To: []string{"fixed@x.example"}, Language: "en"}}
	})
	root, own, c := p.admin("root", ""), p.admin("berta", "a.example"), p.program("")
	c.want(200, "PUT", aDomain, map[string]any{"old": "imaps://old.a.example", "new": "imaps://new.example"}, nil)
	const path = "/d/a.example/recipients"
	told := func(want string) {
		t.Helper()
		d, _ := p.directory.DomainNamed("a.example")
		var all []string
		for _, r := range d.Recipients {
			all = append(all, fmt.Sprint(r.To, r.Language, r.Domains))
		}
		if got := strings.Join(all, ", "); got != want {
			t.Errorf("told are %s, want %s", got, want)
		}
	}
	const boss, post = "[Boss@a.example]de[a.example]", "[post@a.example]ru[a.example]"
	for _, to := range [][]string{{"Boss@a.example", "de"}, {" post@a.example ", "ru"}, {"boss@A.example", "en"}} { // the last one is there
		status, at, text := root.form(path, "do", "add", "to", to[0], "language", to[1])
		shows(t, to[0], status, 200, text, "Added.", "Boss@a.example", "fixed@x.example", "set in the configuration file", "Remove Boss@a.example")
		if !strings.HasSuffix(at, "#told") && !strings.Contains(at, "/settings") {
			t.Errorf("it leads to %s", at)
		}
	}
	told(boss + ", " + post)
	for to, wrong := range map[string]string{"nobody": "is no e-mail address", "Boss <boss@a.example>": "is no e-mail address", "": "is no e-mail address"} {
		status, _, text := root.form(path, "do", "add", "to", to, "language", "en")
		shows(t, to, status, 422, text, wrong, `aria-invalid="true"`, "post@a.example")
	}
	status, _, text := root.form(path, "do", "add", "to", "x@a.example", "language", "tlh")
	shows(t, "a language without texts", status, 422, text, "expected one of en, de, ru")
	status, _, text = own.form(path, "do", "add", "to", "x@a.example", "language", "en")
	shows(t, "by the domain's administrator", status, http.StatusForbidden, text, "your provider&#39;s choice")
	if theirs := own.do("GET", "/d/a.example/settings", nil); strings.Contains(theirs.text, "post@a.example") || strings.Contains(theirs.text, "/recipients") {
		t.Error("it shows the domain's administrator who is told")
	}
	told(boss + ", " + post)

	status, _, text = root.form("/d/a.example/settings", "skip", "Old stuff", "rename", "", "connections", "")
	shows(t, "the other settings", status, 200, text, "post@a.example")
	status, _, text = root.form(path, "do", "remove", "to", "Boss@a.example")
	shows(t, "removed", status, 200, text, "Removed.", "post@a.example", "fixed@x.example")
	told(post)

	var d admin.DomainView
	all := []map[string]string{{"to": "post@a.example", "language": "ru"}, {"to": "api@a.example"}}
	if c.want(200, "PUT", aDomain, map[string]any{"recipients": all}, &d); fmt.Sprint(d.Recipients) != "[{[fixed@x.example] false en true} {[post@a.example] false ru false} {[api@a.example] false en false}]" {
		t.Errorf("%v", d.Recipients)
	}
	if refused := p.program("a.example").want(403, "PUT", aDomain, map[string]any{"recipients": all}, nil); !strings.Contains(refused.text, "recipients_fixed") {
		t.Error(refused.text)
	}
	for range 20 {
		all = append(all, map[string]string{"to": fmt.Sprintf("%d@a.example", len(all))})
	}
	if refused := c.want(422, "PUT", aDomain, map[string]any{"recipients": all}, nil); !strings.Contains(refused.text, "too_many_recipients") {
		t.Error(refused.text)
	}
	entries, err := p.app.Audit.List(t.Context(), access.CommandLine(), "a.example", 0, 10)
	if err != nil || !strings.Contains(fmt.Sprint(entries), "api@a.example (en)") {
		t.Errorf("%+v, %v", entries, err)
	}
	kept, err := p.store.Domains(t.Context())
	if err != nil || !strings.Contains(fmt.Sprint(kept), "{post@a.example ru}") {
		t.Errorf("%+v, %v", kept, err)
	}
}

// TestRecipientsWithoutMailServer: nobody is added who could not be told; who is there can be removed.
func TestRecipientsWithoutMailServer(t *testing.T) {
	p := startPage(t)
	c := p.program("")
	c.want(200, "PUT", aDomain, map[string]any{"old": "imaps://old.a.example", "new": "imaps://new.example"}, nil)
	got := c.want(422, "PUT", aDomain, map[string]any{"recipients": []map[string]string{{"to": "post@a.example"}}}, nil)
	if !strings.Contains(got.text, "no_smtp") {
		t.Error(got.text)
	}
	c.want(200, "PUT", aDomain, map[string]any{"recipients": []any{}}, nil)
}
