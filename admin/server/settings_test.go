package server

import (
	"fmt"
	"strings"
	"testing"

	"postferry/admin"
)

// TestSettings: folders and limits of a domain are set by API and page, kept, counted by the engine, and limits
// are for those who look after everything.
func TestSettings(t *testing.T) {
	p := startPage(t)
	root, own, c := p.admin("root", ""), p.admin("berta", "a.example"), p.program("")
	c.want(200, "PUT", aDomain, map[string]any{"old": "imaps://old.a.example", "new": "imaps://new.example"}, nil)
	c.want(200, "PUT", aDomain, map[string]any{
		"folders": map[string]any{"skip": []string{"Backup", "Lists/*"}, "rename": map[string]string{"Gesendet": "Sent"}, "copy_views": true},
		"limits":  map[string]any{"messages_per_second": 20, "connections": 2, "old_bytes_per_day": 2_500_000_000}}, nil)
	got := root.do("GET", "/d/a.example/settings", nil)
	shows(t, "the settings", got.StatusCode, 200, got.text, "Backup\nLists/*", "Gesendet =&gt; Sent", `value="20"`, `value="2500"`, "Folders and limits")
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
	refused := p.program("a.example").want(403, "PUT", aDomain, map[string]any{"limits": map[string]any{"connections": 4}}, nil)
	if !strings.Contains(refused.text, "limits_fixed") {
		t.Error(refused.text)
	}
	var d admin.DomainView
	c.want(200, "GET", aDomain, nil, &d)
	if d.Effective.NewBytesPerDay != 500_000_000 || d.Limits.Connections != nil || d.Folders.Skip[0] != "Theirs" {
		t.Errorf("%+v", d)
	}
	entries, err := p.app.Audit.List(t.Context(), admin.CommandLine(), "a.example", 0, 10)
	if err != nil || !strings.Contains(fmt.Sprint(entries), "Theirs") {
		t.Errorf("%+v, %v", entries, err)
	}
}
