package server

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"postferry/admin/board"
	"postferry/admin/transfers"
	"postferry/cause"
	"postferry/report/reason"
	"postferry/store"
)

// TestCauses: the same fault of many accounts is one line on the page and one cause in the API, with the
// button that mends it, and its accounts can be listed and run again together.
func TestCauses(t *testing.T) {
	p := startPage(t)
	program, person := p.program("a.example"), p.admin("berta", "a.example")
	var logins []string
	for i := range 30 {
		logins = append(logins, fmt.Sprintf("u%02d@a.example", i))
	}
	ids := p.put("a.example", logins...)
	if _, err := p.ferry.Begin(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	kinds := []*store.Problem{
		{Kind: store.CertificateName, Server: store.OldSide, Host: "old.example", Summary: reason.Said("Wrong name."), Advice: store.NeedsFix, Since: now},
		{Kind: store.Unavailable, Server: store.OldSide, Host: "old.example", Summary: reason.Said("It is unwell."), Advice: store.RetryLater, Since: now, Retry: now.Add(time.Minute)},
		{Kind: store.OverQuota, Server: store.NewSide, Host: "new.example", Summary: reason.Said("Full."), Advice: store.RetryLater, Since: now, Retry: now.Add(time.Hour)},
	}
	for i, id := range ids {
		if err := p.store.SetProblem(t.Context(), id, kinds[max(i-27, 0)]); err != nil { // 28, 1, 1
			t.Fatal(err)
		}
	}
	p.changed("a.example")

	var got struct{ Causes []cause.Cause }
	program.want(200, "GET", "/api/v1/domains/a.example/causes", nil, &got)
	said := ""
	for _, c := range got.Causes {
		said += fmt.Sprintf("%s %s %s %d %v %s; ", c.Kind, c.Server, c.Host, c.Accounts, c.NeedsPerson, c.Mend)
	}
	if want := "certificate_name old old.example 28 true servers; over_quota new new.example 1 true room; unavailable old old.example 1 false wait; "; said != want {
		t.Errorf("causes: %s\nwant:   %s", said, want)
	}
	var totals board.Totals
	program.want(200, "GET", "/api/v1/domains/a.example/progress", nil, &totals)
	if totals.Failed != 29 || totals.Retrying != 1 {
		t.Errorf("%d need a person, %d are tried again; want 29 (a full mailbox needs one), 1", totals.Failed, totals.Retrying)
	}

	page := person.do("GET", "/d/a.example", nil).text
	for text, times := range map[string]int{
		"29 accounts need attention": 1, "1 account waits": 1, "The certificate of old.example is made out to another name.": 1 + 28, // and in the rows
		`href="/d/a.example/servers">Correct the servers`: 1, "u00@a.example, u01@a.example, u02@a.example, u03@a.example, u04@a.example, …": 1,
	} {
		if n := strings.Count(page, text); n != times {
			t.Errorf("%q is there %d times, want %d", text, n, times)
		}
	}
	list := person.do("GET", "/d/a.example?problem=certificate_name&server=old&search=u1", nil).text
	if rows := strings.Count(list, `name="id"`); rows != 10 || !strings.Contains(list, "Only accounts with this problem: The certificate of old.example") {
		t.Errorf("the list of a cause has %d accounts, want 10", rows)
	}
	p.ferry.SawCalls()
	form := url.Values{"cause": {"1"}, "problem": {"unavailable"}, "server": {"old"}, "do": {"again"}}
	if status, _, text := person.send("/d/a.example/do", "application/x-www-form-urlencoded", strings.NewReader(form.Encode())); status != 200 || !strings.Contains(text, "1 account is run again") {
		t.Errorf("those of a cause run again: %d", status)
	}
	if calls := fmt.Sprint(p.ferry.SawCalls()); !strings.Contains(calls, fmt.Sprintf("again [%d]", ids[28])) {
		t.Errorf("run again: %s", calls)
	}
	var affected transfers.Affected
	program.want(200, "POST", "/api/v1/domains/a.example/again", map[string]any{"problem": "certificate_name"}, &affected)
	if affected.Accounts != 28 {
		t.Errorf("%d accounts run again by the API, want 28", affected.Accounts)
	}
	for _, wrong := range []map[string]any{{"server": "old"}, {"problem": "certificate_name", "all": true}} {
		program.want(422, "POST", "/api/v1/domains/a.example/again", wrong, nil)
	}
}
