package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postferry/admin"
	"postferry/admin/board"
	"postferry/admin/transfers"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

func TestAccountPages(t *testing.T) {
	p := startPage(t)
	var logins []string
	for i := range 250 {
		logins = append(logins, fmt.Sprintf("User%03d@a.example", i))
	}
	ids := p.put("a.example", logins...)
	p.put("b.example", "other@b.example")
	if _, err := p.ferry.Begin(t.Context(), ids[:3]); err != nil {
		t.Fatal(err)
	}
	p.ferry.EndPass(t, ids[0], store.Pass{}, &store.Problem{Kind: store.LoginRefused, Server: store.OldSide, Summary: reason.Said("no"), Advice: store.NeedsFix})
	p.ferry.EndPass(t, ids[1], store.Pass{Complete: true}, nil)
	remaining := 90 * time.Second
	p.ferry.SetLive(report.Live{Account: ids[2], Running: true, Folder: "Sent", Total: 70, Rate: report.Rate{Messages: 3}, Remaining: &remaining})
	c := p.program("a.example")
	page := func(query string) board.AccountPage {
		t.Helper()
		var got board.AccountPage
		c.want(200, "GET", aDomain+"/accounts?"+query, nil, &got)
		return got
	}
	if got := page("page=2&per_page=200"); got.Total != 250 || len(got.Accounts) != 50 || got.Accounts[0].Login != "User200@a.example" {
		t.Errorf("page 2: %d of %d", len(got.Accounts), got.Total)
	}
	if got := page("page=9&per_page=200"); got.Total != 250 || len(got.Accounts) != 0 {
		t.Errorf("page 9: %d of %d", len(got.Accounts), got.Total)
	}
	if got := page("search=uSER01&order=desc"); got.Total != 10 || got.Accounts[0].Login != "User019@a.example" {
		t.Errorf("search: %+v", got)
	}
	if got := page("problem=login_refused"); got.Total != 1 || got.Accounts[0].ID != ids[0] || got.Accounts[0].Problem.Server != store.OldSide {
		t.Errorf("problem: %+v", got)
	}
	for state, want := range map[string]int{"waiting": 247, "failed": 1, "complete": 1, "running": 1, "queued": 0, "stopped": 0} {
		if got := page("state=" + state); got.Total != want {
			t.Errorf("%s: %d, want %d", state, got.Total, want)
		}
	}
	if got := page("sort=messages&order=desc&per_page=1"); got.Accounts[0].ID != ids[2] || got.Accounts[0].Messages != 70 || *got.Accounts[0].RemainingSeconds != 90 {
		t.Errorf("by messages: %+v", got.Accounts)
	}
	for _, query := range []string{"sort=colour", "state=asleep", "page=0", "per_page=201", "page=x"} {
		c.want(422, "GET", aDomain+"/accounts?"+query, nil, nil)
	}
	var sums board.Totals
	c.want(200, "GET", aDomain+"/progress", nil, &sums)
	if sums.Accounts != 250 || sums.Waiting != 247 || sums.Running != 1 || sums.Messages != 70 || sums.MessagesPerSecond != 3 {
		t.Errorf("totals %+v", sums)
	}
}

// TestListWithMistakes decides about a list that is not all right.
func TestListWithMistakes(t *testing.T) {
	p := startPage(t)
	p.put("a.example", "anna@a.example")
	c := p.program("a.example")
	var list admin.ListView
	c.want(201, "POST", aDomain+"/lists", "ANNA@a.example new\nonlyone\nbert@b.example pw\nweb1 pw c@a.example pw2\ndomain.tld+dora pw dora@a.example pw2\n", &list)
	if list.Accounts != 3 || list.Known != 1 || len(list.Mistakes) != 2 || list.Mistakes[0].Line != 2 || list.Mistakes[0].Code != "values" ||
		list.Mistakes[1].Line != 3 || list.Mistakes[1].Code != "other_domain" {
		t.Errorf("%+v", list)
	}
	got := c.want(409, "POST", aDomain+"/accounts", map[string]any{"list": list.ID}, nil)
	if !strings.Contains(got.text, "list_has_mistakes") {
		t.Error(got.text)
	}
	if all, err := p.store.Accounts(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%d accounts, %v", len(all), err)
	}
	// Nobody else can take it, nor in another domain.
	p.program("a.example").want(404, "GET", aDomain+"/lists/"+list.ID, nil, nil)
	p.program("").want(404, "POST", "/api/v1/domains/b.example/accounts", map[string]any{"list": list.ID, "only_good": true}, nil)
	var result admin.Added
	c.want(200, "POST", aDomain+"/accounts", map[string]any{"list": list.ID, "only_good": true}, &result)
	if result.Added != 2 || result.Updated != 1 {
		t.Errorf("%+v", result)
	}
	c.want(404, "GET", aDomain+"/lists/"+list.ID, nil, nil)
	a, err := p.store.Account(t.Context(), "anna@a.example")
	if err != nil || a.Old.Password != "new" || a.New.Password != "new" {
		t.Errorf("anna was not updated: %v", err)
	}

	c.want(201, "POST", aDomain+"/lists", "login;password\neve@a.example;pw\n", &list, "Content-Type", "text/csv")
	c.want(204, "DELETE", aDomain+"/lists/"+list.ID, nil, nil)
	c.want(404, "DELETE", aDomain+"/lists/"+list.ID, nil, nil)
	c.want(201, "POST", aDomain+"/lists", "login;password\n", &list, "Content-Type", "text/csv")
	c.want(409, "POST", aDomain+"/accounts", map[string]any{"list": list.ID, "only_good": true}, nil)
	c.want(415, "POST", aDomain+"/lists", "x y", nil, "Content-Type", "application/zip")
	c.want(422, "POST", aDomain+"/lists?encoding=klingon", "x y", nil)
	var latin admin.ListView
	c.want(201, "POST", aDomain+"/lists?encoding=latin1", "fritz@a.example Stra\xdfe12\n", &latin)
	c.want(200, "POST", aDomain+"/accounts", map[string]any{"list": latin.ID}, nil)
	if a, err := p.store.Account(t.Context(), "fritz@a.example"); err != nil || a.Old.Password != "Straße12" {
		t.Errorf("the password of a Latin-1 list is %q, %v", a.Old.Password.Reveal(), err)
	}
}

func TestUpdateAccount(t *testing.T) {
	p := startPage(t)
	id := p.put("a.example", "anna@a.example")[0]
	p.ferry.Begin(t.Context(), []store.AccountID{id})
	p.ferry.EndPass(t, id, store.Pass{}, &store.Problem{Summary: reason.Said("no"), Advice: store.NeedsFix})
	p.ferry.SawCalls()
	c := p.program("a.example")
	var v report.Account
	c.want(200, "PATCH", fmt.Sprint(aDomain, "/accounts/", id), map[string]string{"new_login": "anna2@a.example", "new_password": "her own", "old_password": `p "w\ ü`}, &v)
	if v.State != report.StateQueued || v.Problem != nil || v.NewLogin != "anna2@a.example" || v.Login != "anna@a.example" {
		t.Errorf("%+v", v)
	}
	a, err := p.store.AccountByID(t.Context(), id)
	if err != nil || a.Old.Password != `p "w\ ü` || a.New.Password != "her own" || a.New.Login != "anna2@a.example" {
		t.Errorf("stored %+v, %v", a, err)
	}
	if calls := fmt.Sprint(p.ferry.SawCalls()); calls != fmt.Sprintf("[updated [%d]]", id) {
		t.Errorf("the engine was told %s", calls)
	}
	got := c.want(422, "PATCH", fmt.Sprint(aDomain, "/accounts/", id), map[string]string{"new_login": "", "new_password": "a\nb"}, nil)
	if !strings.Contains(got.text, `"field":"new_login"`) || !strings.Contains(got.text, `"field":"new_password"`) {
		t.Error(got.text)
	}
}

func TestQuarantine(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "bert@a.example")
	p.ferry.Quarantined[ids[0]] = []report.QuarantineRecord{{ID: "m1", Folder: "INBOX", Reason: reason.Said("too large")}, {ID: "m2"}}
	p.ferry.Header = []byte("Subject: x\r\n")
	c := p.program("a.example")
	a := fmt.Sprint(aDomain, "/accounts/", ids[0])
	var got struct{ Messages []transfers.Quarantined }
	c.want(200, "GET", a+"/quarantine", nil, &got)
	if len(got.Messages) != 2 {
		t.Errorf("%+v", got)
	}
	p.ferry.SawCalls()
	c.want(200, "POST", a+"/quarantine/retry", map[string]any{"messages": []string{"m2"}}, nil)
	c.want(200, "POST", a+"/quarantine/retry", map[string]any{}, nil)
	c.want(404, "POST", a+"/quarantine/retry", map[string]any{"messages": []string{"m3"}}, nil)
	c.want(404, "POST", fmt.Sprint(aDomain, "/accounts/", ids[1], "/quarantine/retry"), map[string]any{"messages": []string{"m1"}}, nil)
	if calls := fmt.Sprint(p.ferry.SawCalls()); calls != "[retry [m2] retry [m1 m2]]" {
		t.Errorf("the engine was told %s", calls)
	}
	for folder, status := range map[int]int{7: 204, 98: 409, 99: 404} {
		c.want(status, "POST", fmt.Sprint(a, "/folders/", folder, "/decide"), map[string]any{"verdict": "deleted"}, nil)
	}
	c.want(422, "POST", a+"/folders/7/decide", map[string]any{"verdict": "perhaps"}, nil)
	c.want(404, "POST", a+"/folders/x/decide", map[string]any{"verdict": "deleted"}, nil)
	if h := c.want(200, "GET", a+"/quarantine/m1/header", nil, nil); h.text != "Subject: x\r\n" {
		t.Errorf("%q", h.text)
	}
	c.want(404, "GET", fmt.Sprint(aDomain, "/accounts/", ids[1], "/quarantine/m1/header"), nil, nil)
}

func TestAccountDetail(t *testing.T) {
	p := startPage(t)
	id := p.put("a.example", "anna@a.example")[0]
	p.ferry.Begin(t.Context(), []store.AccountID{id})
	p.ferry.EndPass(t, id, store.Pass{Copied: 1}, nil)
	p.ferry.EndPass(t, id, store.Pass{Copied: 2, Complete: true}, nil)
	p.ferry.FoldersOf[id] = []report.Folder{{Folder: store.Folder{Title: "Müll", New: "Trash", State: store.FolderPresent, Checkpoint: store.Checkpoint{Messages: 3}, Copied: 2}}}
	var d admin.AccountDetail
	p.program("a.example").want(200, "GET", fmt.Sprint(aDomain, "/accounts/", id), nil, &d)
	if len(d.Passes) != 2 || d.Passes[0].Copied != 2 || d.Folders[0].Title != "Müll" || d.State != report.StateComplete {
		t.Errorf("%+v", d)
	}
}

// TestListWithCharset: what a program says of the encoding where HTTP has it counts, unless the encoding is a parameter.
func TestListWithCharset(t *testing.T) {
	p := startPage(t)
	c := p.program("a.example")
	const text = "login;password\nfritz@a.example;Stra\xdfe12\n"
	var list admin.ListView
	c.want(201, "POST", aDomain+"/lists", text, &list, "Content-Type", "text/csv; charset=windows-1252")
	c.want(200, "POST", aDomain+"/accounts", map[string]any{"list": list.ID}, nil)
	if a, err := p.store.Account(t.Context(), "fritz@a.example"); err != nil || a.Old.Password != "Straße12" {
		t.Errorf("the password is %q, %v", a.Old.Password.Reveal(), err)
	}
	if c.want(201, "POST", aDomain+"/lists?encoding=utf-8", text, &list, "Content-Type", "text/csv; charset=windows-1252"); len(list.Mistakes) != 1 {
		t.Errorf("%+v", list)
	}
	c.want(422, "POST", aDomain+"/lists", text, nil, "Content-Type", "text/csv; charset=klingon")
	c.want(201, "POST", aDomain+"/lists", "login;password\nx@a.example;y\n", nil, "Content-Type", "text/csv; charset=US-ASCII")
}

// TestLoginTwiceSaysWhere: a login that is there twice is told with the line that had it first.
func TestLoginTwiceSaysWhere(t *testing.T) {
	p := startPage(t)
	in := admin.AccountInput{Login: "anna@a.example", Password: "pw"}
	got := p.program("a.example").want(422, "POST", aDomain+"/accounts", map[string]any{"accounts": []admin.AccountInput{in, {Login: "ANNA@a.example", Password: "pw"}}}, nil)
	if !strings.Contains(got.text, `"value":1`) || !strings.Contains(got.text, "has the login of line 1 again") {
		t.Error(got.text)
	}
	c := p.admin("anna", "a.example")
	_, _, text := c.upload("/d/a.example/accounts/list", "list.txt", "anna@a.example pw\nbert@a.example pw\nAnna@a.example pw\n")
	shows(t, "on the page", 200, 200, text, "Line 3: has the login of line 1 again")
}

// TestKnownAccountsAreNotAdded: whoever gives accounts again that are all there is told that they were updated.
func TestKnownAccountsAreNotAdded(t *testing.T) {
	p := startPage(t)
	p.put("a.example", "anna@a.example", "bert@a.example")
	c := p.admin("anna", "a.example")
	_, _, text := c.form("/d/a.example/accounts", "login-1", "anna@a.example", "password-1", "pw")
	shows(t, "by hand", 200, 200, text, "1 account was there already and was updated")
	_, _, text = c.upload("/d/a.example/accounts/list", "list.txt", "anna@a.example pw\nbert@a.example pw\n")
	shows(t, "a list", 200, 200, text, "2 accounts were there already and were updated")
}
