package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/config"
	"postferry/internal/lab/browser"
	"postferry/store"
)

// TestRunsOfPassesByThemselves: the list of runs says what came without any.
func TestRunsOfPassesByThemselves(t *testing.T) {
	p := startPage(t)
	id := p.put("a.example", "anna@a.example")[0]
	folders, err := p.store.PutFolders(t.Context(), id, []store.Folder{{Old: "INBOX", New: "INBOX", State: store.FolderPresent}})
	if err != nil {
		t.Fatal(err)
	}
	late := store.LateMail{Messages: 3, Last: time.Now(), From: [3]store.LateServer{{Name: "mx.slow.example", Messages: 3}}}
	if err := p.store.Commit(t.Context(), store.Batch{Account: id, Folder: folders[0].ID, Late: late}); err != nil {
		t.Fatal(err)
	}
	got := p.admin("root", "").do("GET", "/d/a.example/runs", nil)
	shows(t, "the runs", got.StatusCode, 200, got.text, "looked at again by itself every", "3 late messages were brought over like this.")
}

// TestSettings: folders and limits of a domain are set by API and page, kept, counted by the engine, and limits
// are for those who look after everything.
func TestSettings(t *testing.T) {
	p := startPage(t, func(opt *Options) {
		opt.Config.Notify.Recipients = []config.Recipient{{To: []string{"post@a.example"}, Webhook: "https://hook.example/secret"}, {To: []string{"other@b.example"}, Domains: []string{"b.example"}}}
	})
	root, own, c := p.admin("root", ""), p.admin("berta", "a.example"), p.program("")
	c.want(200, "PUT", aDomain, map[string]any{"old": "imaps://old.a.example", "new": "imaps://new.example"}, nil)
	c.want(200, "PUT", aDomain, map[string]any{
		"folders": map[string]any{"skip": []string{"Backup", "Lists/*"}, "rename": map[string]string{"Gesendet": "Sent"}, "copy_views": true},
		"limits":  map[string]any{"messages_per_second": 20, "connections": 2, "old_bytes_per_day": 2_500_000_000}}, nil)
	got := root.do("GET", "/d/a.example/settings", nil)
	shows(t, "the settings", got.StatusCode, 200, got.text, "Backup\nLists/*", "Gesendet =&gt; Sent", `value="20"`, `value="2500"`, "<h1>Settings</h1>", "post@a.example (", "hook.example (")
	if strings.Contains(got.text, "other@b.example") || strings.Contains(got.text, "example/secret") {
		t.Error("it shows who is told of another domain, or a webhook's address")
	}
	if theirs := own.do("GET", "/d/a.example/settings", nil); strings.Contains(theirs.text, "post@a.example") {
		t.Error("it shows the domain's administrator who is told")
	}
	var scheduled admin.DomainView
	if c.want(200, "PUT", aDomain+"/schedule", admin.ScheduleView{EverySeconds: 3600}, &scheduled); len(scheduled.Recipients) != 1 {
		t.Errorf("with the schedule it is told who hears of it: %+v", scheduled.Recipients)
	}
	in := func() string {
		t.Helper()
		d, ok := p.directory.DomainNamed("a.example")
		if !ok {
			t.Fatal("the domain is gone")
		}
		return fmt.Sprint(d.Folders, d.Limits, d.Account)
	}
	if want := "{map[Gesendet:Sent] [Backup Lists/*] true false} {20 0} {{0 0} 2 2500000000 0 {true true false}}"; in() != want {
		t.Errorf("the engine has %s\nwant %s", in(), want)
	}
	status, _, page := root.form("/d/a.example/settings", "skip", "Old stuff\r\n\r\n", "rename", "A => B\n", "messages_per_second", "", "bytes_per_second", "1,5", "connections", "", "old_bytes_per_day", "0", "new_bytes_per_day", "500")
	shows(t, "saved", status, 200, page, "Saved. It counts", "Old stuff", `value="1.5"`)
	if want := "{map[A:B] [Old stuff] false false} {0 1500000} {{0 0} 0 0 500000000 {false true true}}"; in() != want {
		t.Errorf("the engine has %s\nwant %s", in(), want)
	}
	before := in()
	for _, wrong := range [][]string{{"rename", "no arrow"}, {"rename", "A => INBOX"}, {"skip", "a//b"}, {"connections", "99"}, {"bytes_per_second", "fast"}} {
		if wrong[0] != "connections" {
			wrong = append(wrong, "connections", "")
		}
		status, _, page = root.form("/d/a.example/settings", wrong...)
		shows(t, fmt.Sprint(wrong), status, 422, page, `aria-invalid="true"`, `class="wrong"`)
	}
	if in() != before {
		t.Errorf("a mistake changed it to %s", in())
	}
	status, _, page = own.form("/d/a.example/settings", "skip", "Theirs")
	shows(t, "folders by the domain's administrator", status, 200, page, "Saved.", "Theirs")
	if !strings.Contains(in(), "[Theirs]") || !strings.Contains(in(), "{0 1500000}") {
		t.Errorf("the engine has %s", in())
	}
	c.want(200, "PUT", aDomain, map[string]any{"way_back": true}, nil)
	if d, _ := p.directory.DomainNamed("a.example"); !d.WayBack {
		t.Error("the engine knows of no way back")
	}
	got = root.do("GET", "/d/a.example/settings", nil)
	shows(t, "the way back", got.StatusCode, 200, got.text, `name="way_back" value="1" checked`)
	c.want(200, "PUT", aDomain, map[string]any{"way_back": false}, nil)
	got = own.do("GET", "/d/a.example/settings", nil)
	shows(t, "the way back of others", got.StatusCode, 200, got.text, `name="way_back" value="1" disabled`, "can have new mail copied back")
	status, _, page = own.form("/d/a.example/settings", "skip", "Theirs", "way_back", "1")
	shows(t, "a way back by the domain's administrator", status, 403, page, "can have new mail copied back")
	c.want(200, "PUT", aDomain, map[string]any{"way_back": true}, nil)
	pop3 := c.want(422, "PUT", aDomain, map[string]any{"old": "pop3s://old.a.example"}, nil)
	if !strings.Contains(pop3.text, "way_back_pop3") {
		t.Errorf("a way back by POP3: %s", pop3.text)
	}
	refused := p.program("a.example").want(403, "PUT", aDomain, map[string]any{"limits": map[string]any{"connections": 4}}, nil)
	if !strings.Contains(refused.text, "limits_fixed") {
		t.Error(refused.text)
	}
	var d admin.DomainView
	c.want(200, "GET", aDomain, nil, &d)
	if d.Effective.NewBytesPerDay != 500_000_000 || d.Limits.Connections != nil || d.Folders.Skip[0] != "Theirs" {
		t.Errorf("%+v", d)
	}
	entries, err := p.app.Audit.List(t.Context(), access.CommandLine(), "a.example", 0, 10)
	if err != nil || !strings.Contains(fmt.Sprint(entries), "Theirs") {
		t.Errorf("%+v, %v", entries, err)
	}
}

// TestSettingsOfTwo: what somebody else has changed since a page was opened stays, but for what is changed on that page.
func TestSettingsOfTwo(t *testing.T) {
	p := startPage(t)
	root, c := p.admin("root", ""), p.program("")
	c.want(200, "PUT", aDomain, map[string]any{"old": "imaps://old.a.example", "new": "imaps://new.example",
		"folders": map[string]any{"skip": []string{"Backup"}, "rename": map[string]string{"A": "B"}}, "limits": map[string]any{"connections": 2}}, nil)
	opened := browser.Form(t, root.do("GET", "/d/a.example/settings", nil).text, "/d/a.example/settings")
	c.want(200, "PUT", aDomain, map[string]any{"folders": map[string]any{"skip": []string{"Backup", "Lists"}, "rename": map[string]string{"C": "D"}, "copy_shared": true},
		"limits": map[string]any{"connections": 3, "messages_per_second": 20}, "way_back": true}, nil)
	opened.Set("old_bytes_per_day", "500")
	opened.Set("copy_views", "1")
	status, _, page := root.send("/d/a.example/settings", "application/x-www-form-urlencoded", strings.NewReader(opened.Encode()))
	shows(t, "saved", status, 200, page, "Saved. It counts")
	d, _ := p.directory.DomainNamed("a.example")
	if got, want := fmt.Sprint(d.Folders, d.Limits, d.Account, d.WayBack), "{map[C:D] [Backup Lists] true true} {20 0} {{0 0} 3 500000000 0 {true true false}} true"; got != want {
		t.Errorf("the engine has %s\nwant %s", got, want)
	}
	opened = browser.Form(t, root.do("GET", "/d/a.example/settings", nil).text, "/d/a.example/settings")
	for _, name := range []string{"skip", "rename", "copy_views", "copy_shared", "way_back", "messages_per_second", "connections", "old_bytes_per_day"} {
		opened.Set(name, "")
	}
	_, _, _ = root.send("/d/a.example/settings", "application/x-www-form-urlencoded", strings.NewReader(opened.Encode()))
	d, _ = p.directory.DomainNamed("a.example")
	if got, want := fmt.Sprint(d.Folders, d.Limits, d.Account, d.WayBack), "{map[] [] false false} {0 0} {{0 0} 0 0 0 {false false false}} false"; got != want {
		t.Errorf("emptied, the engine has %s\nwant %s", got, want)
	}
}

// TestSettingsAreNotHalfTaken: no part of what is entered is lost, and what is wrong is said with what is right.
func TestSettingsAreNotHalfTaken(t *testing.T) {
	p := startPage(t)
	root := p.admin("root", "")
	p.program("").want(200, "PUT", aDomain, map[string]any{"old": "imaps://old.a.example", "new": "imaps://new.example"}, nil)
	for field, x := range map[string][2]string{
		"rename":              {"A => B\r\nC => D\r\nA => E\r\n", "The folder A gets two new names"},
		"messages_per_second": {"0.5", "a number"},
		"bytes_per_second":    {"1,500", "a number"},
		"connections":         {"9", "Expected 1 to 4"},
		"old_bytes_per_day":   {"0.1", "Expected 1.0 MB to"},
	} {
		form := []string{field, x[0]}
		if field != "connections" {
			form = append(form, "connections", "")
		}
		status, _, page := root.form("/d/a.example/settings", form...)
		shows(t, field, status, 422, page, x[1], `aria-invalid="true"`)
	}
	status, _, page := root.form("/d/a.example/settings", "rename", "A => B\r\nA => B\r\n", "connections", "", "bytes_per_second", "0,5")
	shows(t, "twice the same", status, 200, page, "A =&gt; B", `value="0.5"`)
}
