package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postferry/admin"
	"postferry/admin/selection"
	"postferry/internal/lab/browser"
	"postferry/store"
)

func TestDomains(t *testing.T) {
	p := startPage(t)
	c := p.program("")
	var d admin.DomainView
	c.want(201, "PUT", "/api/v1/domains/C.Example", admin.DomainInput{Old: new("pop3s://pop.c.example"), Enrol: new(true),
		OldFingerprint: new(strings.Repeat("ab:", 31) + "ab")}, &d)
	if d.Name != "c.example" || d.Old.Protocol != "pop3" || d.Old.Port != 995 || d.New.URL != "imaps://new.example" || d.Fixed || d.Created == nil ||
		d.Old.Fingerprint != strings.Repeat("AB", 32) || !d.Enrol {
		t.Errorf("set up as %+v", d)
	}
	if got := c.want(422, "PUT", "/api/v1/domains/c.example", admin.DomainInput{Old: new("imap+insecure://127.0.0.1:1143")}, nil); !strings.Contains(got.text, "fingerprint_unprotected") {
		t.Errorf("a fingerprint without TLS: %s", got.text)
	}
	c.want(200, "PUT", "/api/v1/domains/c.example", admin.DomainInput{Old: new("imap+insecure://127.0.0.1:1143"), OldFingerprint: new("")}, &d)
	if d.Old.Security != "insecure" || d.Old.Fingerprint != "" {
		t.Errorf("changed to %+v", d)
	}
	if calls := fmt.Sprint(p.ferry.SawCalls()); calls != "[changed c.example changed c.example]" {
		t.Errorf("the engine was told %s", calls)
	}
	got := c.want(422, "PUT", "/api/v1/domains/c.example", admin.DomainInput{Old: new("ftp://x"), New: new("pop3s://new.example"), NewFingerprint: new("xx")}, nil)
	for _, code := range []string{"server_malformed", "server_pop3", "fingerprint_malformed"} {
		if !strings.Contains(got.text, code) {
			t.Errorf("the mistakes lack %s: %s", code, got.text)
		}
	}
	c.want(422, "PUT", "/api/v1/domains/no%20domain", admin.DomainInput{Old: new("imaps://x.example")}, nil)
	p.put("c.example", "anna@c.example")
	c.want(409, "DELETE", "/api/v1/domains/c.example", nil, nil)
	c.want(200, "POST", "/api/v1/domains/c.example/accounts/remove", selection.Selection{All: true}, nil)
	c.want(204, "DELETE", "/api/v1/domains/c.example", nil, nil)
	c.want(404, "GET", "/api/v1/domains/c.example", nil, nil)

	own := p.program("d.example") // a provider's customer sets the domain up
	own.want(403, "PUT", "/api/v1/domains/d.example", admin.DomainInput{Old: new("imaps://old.d.example"), New: new("imaps://elsewhere.example")}, nil)
	own.want(201, "PUT", "/api/v1/domains/d.example", admin.DomainInput{Old: new("imaps://old.d.example")}, nil)
	own.want(403, "DELETE", "/api/v1/domains/d.example", nil, nil)
}

// TestNewServerInUse: once mail was copied, the new server stays, and the old one
// may still change.
func TestNewServerInUse(t *testing.T) {
	p := startPage(t)
	c := p.program("")
	other := admin.DomainInput{Old: new("imaps://old.a.example"), New: new("imaps://other.example")}
	c.want(200, "PUT", aDomain, other, nil)
	id := p.put("a.example", "anna@a.example")[0]
	folders, err := p.store.PutFolders(t.Context(), id, []store.Folder{{Old: "INBOX", New: "INBOX", State: store.FolderPresent}})
	if err == nil {
		err = p.store.Commit(t.Context(), store.Batch{Account: id, Folder: folders[0].ID, Proofs: []store.Entry{{Key: "k", UID: 1}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	back := admin.DomainInput{Old: new("imaps://elsewhere.a.example"), New: new("imaps://new.example")}
	if got := c.want(409, "PUT", aDomain, back, nil); !strings.Contains(got.text, "new_server_in_use") {
		t.Errorf("refused with %s", got.text)
	}
	back.New = other.New
	c.want(200, "PUT", aDomain, back, nil)
}

func TestFixedDomain(t *testing.T) {
	p := startPage(t)
	if err := p.store.DeleteDomain(t.Context(), "b.example"); err != nil { // as one of the configuration file
		t.Fatal(err)
	}
	c := p.program("")
	var d admin.DomainView
	c.want(200, "GET", "/api/v1/domains/b.example", nil, &d)
	if !d.Fixed || d.Created != nil {
		t.Errorf("%+v", d)
	}
	c.want(409, "PUT", "/api/v1/domains/b.example", admin.DomainInput{Old: new("imaps://x.example")}, nil)
	c.want(409, "DELETE", "/api/v1/domains/b.example", nil, nil)
}

func TestSchedule(t *testing.T) {
	p := startPage(t)
	c := p.program("a.example")
	until := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	var d admin.DomainView
	c.want(200, "PUT", aDomain+"/schedule", admin.ScheduleView{EverySeconds: 6 * 3600, Until: &until}, &d)
	if d.Schedule == nil || d.Schedule.EverySeconds != 6*3600 || !d.Schedule.Until.Equal(until) || d.Schedule.From == nil {
		t.Errorf("%+v", d.Schedule)
	}
	past := time.Now().Add(-time.Hour)
	got := c.want(422, "PUT", aDomain+"/schedule", admin.ScheduleView{EverySeconds: 5, Until: &past}, nil)
	if !strings.Contains(got.text, "schedule_every") || !strings.Contains(got.text, "schedule_until") {
		t.Error(got.text)
	}
	c.want(204, "DELETE", aDomain+"/schedule", nil, nil)
	c.want(200, "GET", aDomain, nil, &d)
	if d.Schedule != nil {
		t.Errorf("%+v", d.Schedule)
	}
}

// TestScheduleKeepsTheRest: what neither a PUT nor a person in the form says of a schedule stays.
func TestScheduleKeepsTheRest(t *testing.T) {
	p := startPage(t)
	c, b := p.program("a.example"), p.admin("anna", "a.example")
	const path = aDomain + "/schedule"
	now := time.Now().UTC().Truncate(time.Second)
	from, soon, until, later := now.Add(90*time.Minute), now.Add(3*time.Hour), now.Add(50*time.Hour), now.Add(100*time.Hour)
	whole := map[string]any{"every_seconds": 5400, "from": from, "until": until}
	is := func(what string, every int64, from, until *time.Time) {
		t.Helper()
		var d admin.DomainView
		c.want(200, "GET", aDomain, nil, &d)
		same := func(x, y *time.Time) bool { return x == nil && y == nil || x != nil && y != nil && x.Equal(*y) }
		if s := d.Schedule; s == nil || s.EverySeconds != every || !same(s.From, from) || !same(s.Until, until) {
			t.Errorf("%s: %+v", what, s)
		}
	}
	for name, x := range map[string]struct {
		in    map[string]any
		every int64
		from  *time.Time
		until *time.Time
	}{
		"nothing":  {map[string]any{}, 5400, &from, &until},
		"interval": {map[string]any{"every_seconds": 7200}, 7200, &from, &until},
		"from":     {map[string]any{"from": soon}, 5400, &soon, &until},
		"until":    {map[string]any{"until": later}, 5400, &from, &later},
		"no end":   {map[string]any{"until": nil}, 5400, &from, nil},
	} {
		c.want(200, "PUT", path, whole, nil)
		c.want(200, "PUT", path, x.in, nil)
		is(name, x.every, x.from, x.until)
	}
	p.put("a.example", "anna@a.example") // without accounts there is no form
	end := time.Date(later.Year(), later.Month(), later.Day(), 23, 59, 59, 0, time.UTC)
	for name, x := range map[string]struct {
		form  map[string]string
		every int64
		until *time.Time
	}{
		"as it is":      {nil, 5400, &until},
		"another end":   {map[string]string{"until": end.Format(time.DateOnly)}, 5400, &end},
		"no end":        {map[string]string{"until": ""}, 5400, nil},
		"each 3 hours":  {map[string]string{"hours": "3"}, 3 * 3600, &until},
		"all of it":     {map[string]string{"hours": "3", "until": end.Format(time.DateOnly)}, 3 * 3600, &end},
		"nothing in it": {map[string]string{"hours": "-", "until": "-", "was_hours": "-", "was_until": "-"}, 5400, &until},
	} {
		c.want(200, "PUT", path, whole, nil)
		got := b.do("GET", "/d/a.example", nil)
		values := browser.Form(t, got.text, "/d/a.example/schedule")
		for field, value := range x.form {
			if values.Set(field, value); value == "-" {
				values.Del(field)
			}
		}
		status, _, text := b.send("/d/a.example/schedule", "application/x-www-form-urlencoded", strings.NewReader(values.Encode()))
		shows(t, name, status, 200, text)
		is("the form, "+name, x.every, &from, x.until)
	}
	c.want(204, "DELETE", path, nil, nil)
	if got := c.want(422, "PUT", path, map[string]any{"until": until}, nil); !strings.Contains(got.text, `"field":"every_seconds","code":"missing"`) {
		t.Error(got.text)
	}
	c.want(200, "PUT", path, map[string]any{"every_seconds": 3600}, nil)
	var d admin.DomainView
	c.want(200, "GET", aDomain, nil, &d)
	if d.Schedule == nil || d.Schedule.Until != nil || d.Schedule.From == nil || d.Schedule.From.Before(now.Add(time.Hour)) {
		t.Errorf("a new one: %+v", d.Schedule)
	}
}
