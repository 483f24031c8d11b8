package admin

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"postferry/discover"
	"postferry/store"
)

const aDomain = "/api/v1/domains/a.example"

func TestDomains(t *testing.T) {
	p := startPage(t)
	c := p.program("")
	var d domainView
	c.want(201, "PUT", "/api/v1/domains/C.Example", domainInput{Old: "pop3s://pop.c.example", Enrol: true,
		OldFingerprint: strings.Repeat("ab:", 31) + "ab"}, &d)
	if d.Name != "c.example" || d.Old.Protocol != "pop3" || d.Old.Port != 995 || d.New.URL != "imaps://new.example" || d.Fixed || d.Created == nil ||
		d.Old.Fingerprint != strings.Repeat("AB", 32) || !d.Enrol {
		t.Errorf("set up as %+v", d)
	}
	c.want(200, "PUT", "/api/v1/domains/c.example", domainInput{Old: "imap+insecure://127.0.0.1:1143"}, &d)
	if d.Old.Security != "insecure" || d.Old.Fingerprint != "" {
		t.Errorf("changed to %+v", d)
	}
	if calls := fmt.Sprint(p.ferry.sawCalls()); calls != "[changed c.example changed c.example]" {
		t.Errorf("the engine was told %s", calls)
	}
	got := c.want(422, "PUT", "/api/v1/domains/c.example", domainInput{Old: "ftp://x", New: "pop3s://new.example", NewFingerprint: "xx"}, nil)
	for _, code := range []string{"server_malformed", "server_pop3", "fingerprint_malformed"} {
		if !strings.Contains(got.text, code) {
			t.Errorf("the mistakes lack %s: %s", code, got.text)
		}
	}
	c.want(422, "PUT", "/api/v1/domains/no%20domain", domainInput{Old: "imaps://x.example"}, nil)
	p.put("c.example", "anna@c.example")
	c.want(409, "DELETE", "/api/v1/domains/c.example", nil, nil)
	c.want(200, "POST", "/api/v1/domains/c.example/accounts/remove", selection{All: true}, nil)
	c.want(204, "DELETE", "/api/v1/domains/c.example", nil, nil)
	c.want(404, "GET", "/api/v1/domains/c.example", nil, nil)

	own := p.program("d.example") // a provider's customer sets the domain up
	own.want(403, "PUT", "/api/v1/domains/d.example", domainInput{Old: "imaps://old.d.example", New: "imaps://elsewhere.example"}, nil)
	own.want(201, "PUT", "/api/v1/domains/d.example", domainInput{Old: "imaps://old.d.example"}, nil)
	own.want(403, "DELETE", "/api/v1/domains/d.example", nil, nil)
}

// TestNewServerInUse: once mail was copied, the new server stays, and the old one
// may still change.
func TestNewServerInUse(t *testing.T) {
	p := startPage(t)
	c := p.program("")
	other := domainInput{Old: "imaps://old.a.example", New: "imaps://other.example"}
	c.want(200, "PUT", aDomain, other, nil)
	id := p.put("a.example", "anna@a.example")[0]
	folders, err := p.store.PutFolders(t.Context(), id, []store.Folder{{Old: "INBOX", New: "INBOX", State: store.FolderPresent}})
	if err == nil {
		err = p.store.Commit(t.Context(), store.Batch{Account: id, Folder: folders[0].ID, Proofs: []store.Entry{{Key: "k", UID: 1}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	back := domainInput{Old: "imaps://elsewhere.a.example", New: "imaps://new.example"}
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
	var d domainView
	c.want(200, "GET", "/api/v1/domains/b.example", nil, &d)
	if !d.Fixed || d.Created != nil {
		t.Errorf("%+v", d)
	}
	c.want(409, "PUT", "/api/v1/domains/b.example", domainInput{Old: "imaps://x.example"}, nil)
	c.want(409, "DELETE", "/api/v1/domains/b.example", nil, nil)
}

func TestSchedule(t *testing.T) {
	p := startPage(t)
	c := p.program("a.example")
	until := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	var d domainView
	c.want(200, "PUT", aDomain+"/schedule", scheduleView{EverySeconds: 6 * 3600, Until: &until}, &d)
	if d.Schedule == nil || d.Schedule.EverySeconds != 6*3600 || !d.Schedule.Until.Equal(until) || d.Schedule.From == nil {
		t.Errorf("%+v", d.Schedule)
	}
	past := time.Now().Add(-time.Hour)
	got := c.want(422, "PUT", aDomain+"/schedule", scheduleView{EverySeconds: 5, Until: &past}, nil)
	if !strings.Contains(got.text, "schedule_every") || !strings.Contains(got.text, "schedule_until") {
		t.Error(got.text)
	}
	c.want(204, "DELETE", aDomain+"/schedule", nil, nil)
	c.want(200, "GET", aDomain, nil, &d)
	if d.Schedule != nil {
		t.Errorf("%+v", d.Schedule)
	}
}

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
	p.ferry.endPass(t, ids[0], store.Pass{}, &store.Problem{Kind: store.LoginRefused, Server: store.OldSide, Summary: "no", Advice: store.NeedsFix})
	p.ferry.endPass(t, ids[1], store.Pass{Complete: true}, nil)
	remaining := 90 * time.Second
	p.ferry.setLive(Live{Account: ids[2], Running: true, Folder: "Sent", Total: 70, MessagesPerSecond: 3, Remaining: &remaining})
	c := p.program("a.example")
	page := func(query string) accountPage {
		t.Helper()
		var got accountPage
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
	var sums totals
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
	var list listView
	c.want(201, "POST", aDomain+"/lists", "ANNA@a.example new\nonlyone\nbert@b.example pw\nc@gone.example pw c@a.example pw2\ndomain.tld+dora pw\n", &list)
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
	var result added
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
	var latin listView
	c.want(201, "POST", aDomain+"/lists?encoding=latin1", "fritz@a.example Stra\xdfe12\n", &latin)
	c.want(200, "POST", aDomain+"/accounts", map[string]any{"list": latin.ID}, nil)
	if a, err := p.store.Account(t.Context(), "fritz@a.example"); err != nil || a.Old.Password != "Straße12" {
		t.Errorf("the password of a Latin-1 list is %q, %v", a.Old.Password.Reveal(), err)
	}
}

// TestListsExpire: what waits is forgotten in the end, and bounded.
func TestListsExpire(t *testing.T) {
	l, now := newLists(), time.Now()
	if err := l.add(now, &list{domain: "a", parsed: parsedList(t, "x y")}); err != nil {
		t.Fatal(err)
	}
	var id string
	for id = range l.byID {
	}
	if _, err := l.get(now.Add(listLife-time.Second), store.Digest{}, "a", id); err != nil {
		t.Error(err)
	}
	if _, err := l.get(now.Add(listLife+time.Second), store.Digest{}, "a", id); err == nil {
		t.Error("a list never expires")
	}
	for i := range maxLists {
		if err := l.add(now, &list{domain: fmt.Sprint(i), parsed: parsedList(t, "x y")}); (err == nil) != (i < maxLists-1) {
			t.Fatalf("list %d: %v", i, err)
		}
	}
	if err := l.add(now, &list{domain: "3", parsed: parsedList(t, "x y")}); err != nil {
		t.Errorf("a list can't take the place of its owner's last one: %v", err)
	}
	if err := l.add(now.Add(2*listLife), &list{domain: "z", parsed: parsedList(t, "x y")}); err != nil || len(l.byID) != 1 {
		t.Errorf("expired lists stay: %d, %v", len(l.byID), err)
	}
}

func TestUpdateAccount(t *testing.T) {
	p := startPage(t)
	id := p.put("a.example", "anna@a.example")[0]
	p.ferry.Begin(t.Context(), []store.AccountID{id})
	p.ferry.endPass(t, id, store.Pass{}, &store.Problem{Summary: "no", Advice: store.NeedsFix})
	p.ferry.sawCalls()
	c := p.program("a.example")
	var v accountView
	c.want(200, "PATCH", fmt.Sprint(aDomain, "/accounts/", id), map[string]string{"new_login": "anna2@a.example", "old_password": `p "w\ ü`}, &v)
	if v.State != stateQueued || v.Problem != nil || v.NewLogin != "anna2@a.example" || v.Login != "anna@a.example" {
		t.Errorf("%+v", v)
	}
	a, err := p.store.AccountByID(t.Context(), id)
	if err != nil || a.Old.Password != `p "w\ ü` || a.New.Password != "new anna@a.example" || a.New.Login != "anna2@a.example" {
		t.Errorf("stored %+v, %v", a, err)
	}
	if calls := fmt.Sprint(p.ferry.sawCalls()); calls != fmt.Sprintf("[updated [%d]]", id) {
		t.Errorf("the engine was told %s", calls)
	}
	got := c.want(422, "PATCH", fmt.Sprint(aDomain, "/accounts/", id), map[string]string{"new_login": "", "new_password": "a\nb"}, nil)
	if !strings.Contains(got.text, `"field":"new_login"`) || !strings.Contains(got.text, `"field":"new_password"`) {
		t.Error(got.text)
	}
}

func TestTransfer(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "bert@a.example", "carl@a.example")
	c := p.program("a.example")
	command := func(verb string, sel selection) affected {
		t.Helper()
		var got affected
		c.want(200, "POST", aDomain+"/"+verb, sel, &got)
		return got
	}
	if got := command("begin", selection{Accounts: ids[:2]}); got.Accounts != 2 || got.Run == 0 {
		t.Errorf("begin: %+v", got)
	}
	if got := command("begin", selection{Accounts: ids[:2]}); got.Accounts != 0 || got.Run != 0 {
		t.Errorf("begin again: %+v", got)
	}
	if got := command("stop", selection{Accounts: ids[:1]}); got.Accounts != 1 {
		t.Errorf("stop: %+v", got)
	}
	if got := command("resume", selection{State: stateStopped}); got.Accounts != 1 {
		t.Errorf("resume: %+v", got)
	}
	if got := command("again", selection{All: true}); got.Accounts != 2 || got.Run == 0 {
		t.Errorf("again: %+v", got)
	}
	c.want(422, "POST", aDomain+"/stop", selection{}, nil)
	c.want(422, "POST", aDomain+"/stop", selection{All: true, State: stateStopped}, nil)
	c.want(404, "POST", aDomain+"/stop", selection{Accounts: []store.AccountID{999}}, nil)
	c.want(409, "POST", aDomain+"/accounts/remove", selection{All: true}, nil)
	if got := command("accounts/remove", selection{State: stateWaiting}); got.Accounts != 1 {
		t.Errorf("remove: %+v", got)
	}
}

func TestCheck(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "bert@a.example", "carl@a.example")
	p.ferry.checks[ids[0]] = CheckResult{Tried: true, Messages: 10, Octets: 1000, Estimate: 20 * time.Second, AtOnce: 2,
		Folders: []CheckedFolder{{Title: "Gesendet", NewTitle: "Sent", Action: FolderFill, Messages: 10, Copy: 10, Octets: 1000}},
		Quotas:  []CheckedQuota{{"STORAGE", 1, 100}}, Notes: []string{"a note"}}
	p.ferry.checks[ids[1]] = CheckResult{OldProblem: &store.Problem{Kind: store.LoginRefused, Server: store.OldSide, Summary: "no", Advice: store.NeedsFix}}
	p.ferry.checks[ids[2]] = CheckResult{Tried: true, Lacks: "STORAGE", Estimate: 60 * time.Second, AtOnce: 2}
	c := p.program("a.example")
	c.want(404, "GET", aDomain+"/check", nil, nil)
	c.want(202, "POST", aDomain+"/check", selection{All: true}, nil)
	var v checkView
	eventually(t, "the check ends", func() bool {
		c.want(200, "GET", aDomain+"/check", nil, &v)
		return v.State == jobDone
	})
	if s := v.Summary; v.Done != 3 || s.Ready != 1 || s.Failed != 1 || s.TooSmall != 1 || s.Messages != 10 || s.EstimateSeconds != 60 {
		t.Errorf("%+v", v)
	}
	var page checkPage
	c.want(200, "GET", aDomain+"/check/accounts", nil, &page)
	if page.Total != 3 || page.Accounts[2].Login != "anna@a.example" || page.Accounts[0].OldProblem == nil {
		t.Errorf("%+v", page)
	}
	c.want(200, "GET", aDomain+"/check/accounts?trouble=true&search=bert", nil, &page)
	if page.Total != 1 {
		t.Errorf("%+v", page)
	}
	var one checkedAccount
	c.want(200, "GET", fmt.Sprint(aDomain, "/check/accounts/", ids[0]), nil, &one)
	if !one.Ready || one.Folders[0].NewTitle != "Sent" || one.Quotas[0].Limit != 100 {
		t.Errorf("%+v", one)
	}
	c.want(404, "GET", aDomain+"/check/accounts/999", nil, nil)
	c.want(204, "DELETE", aDomain+"/check", nil, nil)
}

// slowFerry checks until it is cancelled.
type slowFerry struct {
	*fakeFerry
	begun chan struct{}
}

func (f slowFerry) Check(ctx context.Context, _ []store.AccountID, _ func(CheckResult) error) error {
	f.begun <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}

func TestCancelCheck(t *testing.T) {
	begun := make(chan struct{}, 1)
	p := startPage(t, func(s *Server) { s.app.ferry = slowFerry{s.app.ferry.(*fakeFerry), begun} })
	p.put("a.example", "anna@a.example")
	c := p.program("a.example")
	c.want(202, "POST", aDomain+"/check", selection{All: true}, nil)
	<-begun
	c.want(409, "POST", aDomain+"/check", selection{All: true}, nil)
	c.want(204, "DELETE", aDomain+"/check", nil, nil)
	var v checkView
	eventually(t, "the check is cancelled", func() bool {
		c.want(200, "GET", aDomain+"/check", nil, &v)
		return v.State == jobCancelled
	})
	c.want(202, "POST", aDomain+"/check", selection{All: true}, nil) // and ends with the server
	<-begun
}

func TestVerify(t *testing.T) {
	p := startPage(t)
	p.put("a.example", "anna@a.example")
	date := time.Now().UTC().Truncate(time.Second)
	p.ferry.verified = []VerifyEvent{
		{Progress: &VerifyProgress{Of: 1, Messages: 5, Login: "anna@a.example", Folder: "INBOX"}},
		{Finding: &VerifyFinding{Login: "anna@a.example", Folder: "=1+1", Kind: "missing", Severity: Damage, OldUID: 7, Date: &date}},
		{Finding: &VerifyFinding{Login: "anna@a.example", Folder: "INBOX", Kind: "flags", Severity: Doubtful}},
		{Finding: &VerifyFinding{Login: "anna@a.example", Folder: "INBOX", Kind: "only-new", Severity: Harmless}},
		{Account: &VerifiedAccount{Login: "anna@a.example", OldMessages: 9, NewMessages: 9, Same: 8, Found: map[string]uint64{"missing": 1}, Worst: Damage}},
	}
	c := p.program("a.example")
	c.want(404, "GET", aDomain+"/verify", nil, nil)
	c.want(404, "GET", aDomain+"/verify/report", nil, nil)
	c.want(202, "POST", aDomain+"/verify", map[string]any{"all": true, "bodies": true}, nil)
	var v verifyView
	eventually(t, "the verification ends", func() bool {
		c.want(200, "GET", aDomain+"/verify", nil, &v)
		return v.State == jobDone
	})
	if s := v.Summary; !v.Bodies || v.Done != 1 || s.Damage != 1 || s.Doubtful != 1 || s.Found["only-new"] != 1 || s.Same != 8 || v.Findings != 2 {
		t.Errorf("%+v", v)
	}
	var report verifyReport
	c.want(200, "GET", aDomain+"/verify/report", nil, &report)
	if len(report.All) != 2 || len(report.Verified) != 1 {
		t.Errorf("%+v", report)
	}
	got := c.want(200, "GET", aDomain+"/verify/report?format=csv", nil, nil)
	rows, err := csv.NewReader(strings.NewReader(got.text)).ReadAll()
	if err != nil || len(rows) != 3 || rows[1][1] != "'=1+1" || rows[1][7] != date.Format(time.RFC3339) {
		t.Errorf("%v, %v", rows, err)
	}
}

func TestQuarantine(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "bert@a.example")
	p.ferry.quarantine[ids[0]] = []Quarantined{{ID: "m1", Folder: "INBOX", Reason: "too large"}, {ID: "m2"}}
	p.ferry.header = []byte("Subject: x\r\n")
	c := p.program("a.example")
	a := fmt.Sprint(aDomain, "/accounts/", ids[0])
	var got struct{ Messages []Quarantined }
	c.want(200, "GET", a+"/quarantine", nil, &got)
	if len(got.Messages) != 2 {
		t.Errorf("%+v", got)
	}
	p.ferry.sawCalls()
	c.want(200, "POST", a+"/quarantine/retry", map[string]any{"messages": []string{"m2"}}, nil)
	c.want(200, "POST", a+"/quarantine/retry", map[string]any{}, nil)
	c.want(404, "POST", a+"/quarantine/retry", map[string]any{"messages": []string{"m3"}}, nil)
	c.want(404, "POST", fmt.Sprint(aDomain, "/accounts/", ids[1], "/quarantine/retry"), map[string]any{"messages": []string{"m1"}}, nil)
	if calls := fmt.Sprint(p.ferry.sawCalls()); calls != "[retry [m2] retry [m1 m2]]" {
		t.Errorf("the engine was told %s", calls)
	}
	if h := c.want(200, "GET", a+"/quarantine/m1/header", nil, nil); h.text != "Subject: x\r\n" {
		t.Errorf("%q", h.text)
	}
	c.want(404, "GET", fmt.Sprint(aDomain, "/accounts/", ids[1], "/quarantine/m1/header"), nil, nil)
}

func TestAccountDetail(t *testing.T) {
	p := startPage(t)
	id := p.put("a.example", "anna@a.example")[0]
	p.ferry.Begin(t.Context(), []store.AccountID{id})
	p.ferry.endPass(t, id, store.Pass{Copied: 1}, nil)
	p.ferry.endPass(t, id, store.Pass{Copied: 2, Complete: true}, nil)
	p.ferry.folders[id] = []Folder{{Title: "Müll", NewTitle: "Trash", State: store.FolderPresent, Messages: 3, Copied: 2}}
	var d accountDetail
	p.program("a.example").want(200, "GET", fmt.Sprint(aDomain, "/accounts/", id), nil, &d)
	if len(d.Passes) != 2 || d.Passes[0].Copied != 2 || d.Folders[0].Title != "Müll" || d.State != stateComplete {
		t.Errorf("%+v", d)
	}
}

func TestAdmins(t *testing.T) {
	p := startPage(t)
	anna := p.admin("anna", "")
	input := map[string]string{"password": testPassword}
	anna.want(201, "PUT", "/api/v1/admins/bert", map[string]string{"password": testPassword, "domain": "A.example"}, nil)
	bert := p.browser()
	var me meView
	bert.want(200, "POST", "/api/v1/login", map[string]string{"name": "BERT", "password": testPassword}, &me)
	if me.Who != "bert" || me.Domain != "a.example" {
		t.Errorf("%+v", me)
	}
	anna.want(204, "PUT", "/api/v1/admins/bert", map[string]string{"password": testPassword, "domain": "a.example"}, nil)
	bert.want(401, "GET", "/api/v1/me", nil, nil) // the session ended with the password
	anna.want(409, "DELETE", "/api/v1/admins/Anna", nil, nil)
	anna.want(409, "PUT", "/api/v1/admins/anna", map[string]string{"password": testPassword, "domain": "a.example"}, nil)
	anna.want(422, "PUT", "/api/v1/admins/carl", map[string]string{"password": "short"}, nil)
	anna.want(422, "PUT", "/api/v1/admins/%20carl", input, nil)
	anna.want(201, "PUT", "/api/v1/admins/carl", input, nil)
	anna.want(204, "DELETE", "/api/v1/admins/carl", nil, nil)
	anna.want(404, "DELETE", "/api/v1/admins/carl", nil, nil)
	var list struct{ Admins []adminView }
	anna.want(200, "GET", "/api/v1/admins", nil, &list)
	if len(list.Admins) != 2 {
		t.Errorf("%+v", list)
	}
	other := p.browser()
	other.want(200, "POST", "/api/v1/login", map[string]string{"name": "anna", "password": testPassword}, nil)
	anna.want(422, "PUT", "/api/v1/me/password", map[string]string{"old_password": "wrong", "password": "another good one"}, nil)
	anna.want(204, "PUT", "/api/v1/me/password", map[string]string{"old_password": testPassword, "password": "another good one"}, nil)
	anna.want(401, "GET", "/api/v1/me", nil, nil)
	other.want(401, "GET", "/api/v1/me", nil, nil)
	other.want(200, "POST", "/api/v1/login", map[string]string{"name": "anna", "password": "another good one"}, nil)
	p.program("").want(403, "PUT", "/api/v1/me/password", map[string]string{"old_password": "", "password": "another good one"}, nil)
}

func TestTokens(t *testing.T) {
	p := startPage(t)
	c := p.program("a.example")
	var made struct {
		tokenView
		Token store.Secret
	}
	c.want(201, "POST", "/api/v1/tokens", map[string]string{"name": "panel", "domain": "a.example"}, &made)
	panel := p.browser()
	panel.token = made.Token
	var me meView
	panel.want(200, "GET", "/api/v1/me", nil, &me)
	if me.Who != "token panel" || me.Domain != "a.example" {
		t.Errorf("%+v", me)
	}
	p.program("b.example").want(404, "DELETE", fmt.Sprint("/api/v1/tokens/", made.ID), nil, nil)
	c.want(204, "DELETE", fmt.Sprint("/api/v1/tokens/", made.ID), nil, nil)
	panel.want(401, "GET", "/api/v1/me", nil, nil)
	c.want(404, "DELETE", "/api/v1/tokens/x", nil, nil)
	var audit struct{ Entries []auditView }
	c.want(200, "GET", "/api/v1/audit?per_page=2", nil, &audit)
	if len(audit.Entries) != 2 || audit.Entries[0].Action != "revoke_token" || audit.Entries[0].From != "127.0.0.1" || audit.Entries[1].Who != "token test" {
		t.Errorf("%+v", audit)
	}
	c.want(200, "GET", fmt.Sprint("/api/v1/audit?before=", audit.Entries[1].ID), nil, &audit)
	if len(audit.Entries) == 0 || audit.Entries[0].Action != "create_token" {
		t.Errorf("%+v", audit)
	}
}

// TestSessionsLive: a session survives a restart of the server, and ends when
// it was not used for long, or is old.
func TestSessionsLive(t *testing.T) {
	p := startPage(t)
	c := p.admin("anna", "")
	from := func(d time.Duration) func(*Server) {
		return func(s *Server) { s.app.now = func() time.Time { return time.Now().Add(d) } }
	}
	for _, step := range []struct {
		later time.Duration
		want  int
	}{{0, 200}, {11 * time.Hour, 200}, {22 * time.Hour, 200}, {35 * time.Hour, 401}} {
		p.serve(from(step.later))
		u, _ := url.Parse(p.URL())
		old, _ := url.Parse(c.url)
		if u.Host != old.Host {
			c.client.Jar.SetCookies(u, c.client.Jar.Cookies(old))
			c.url = p.URL()
		}
		c.want(step.want, "GET", "/api/v1/me", nil, nil)
	}
	c = p.admin("anna", "")
	start := p.app.now()
	for later := time.Duration(0); later < 8*24*time.Hour; later += 10 * time.Hour {
		p.app.now = func() time.Time { return start.Add(later) }
		want := 200
		if later > sessionLife {
			want = 401
		}
		c.want(want, "GET", "/api/v1/me", nil, nil)
	}
}

// TestEvents watches a domain.
func TestEvents(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "bert@a.example")
	c := p.program("a.example")
	ctx, leave := context.WithTimeout(t.Context(), 20*time.Second)
	defer leave()
	req, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprint(p.URL(), "/events?domain=a.example&ids=", ids[0], ",999"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	resp, err := c.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("the events are %q", kind)
	}
	lines := bufio.NewScanner(resp.Body)
	await := func(event, part string) {
		t.Helper()
		for name := ""; lines.Scan(); {
			if rest, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = rest
			}
			if name == event && strings.HasPrefix(lines.Text(), "data: ") && strings.Contains(lines.Text(), part) {
				return
			}
		}
		t.Fatalf("no event %s with %s", event, part)
	}
	await("totals", `"waiting":2`)
	await("accounts", `"login":"anna@a.example"`)
	c.want(200, "POST", aDomain+"/begin", selection{All: true}, nil)
	await("totals", `"queued":2`)
	await("accounts", `"state":"queued"`)
	await("run", `"kind":"first"`)
	c.want(202, "POST", aDomain+"/check", selection{All: true}, nil)
	await("check", `"ready":2`)
	for _, query := range []string{"ids=x", "ids=" + strings.Repeat("1,", 200) + "1"} {
		c.want(422, "GET", "/events?domain=a.example&"+query, nil, nil)
	}
}

func TestHealth(t *testing.T) {
	p := startPage(t)
	got := p.browser().want(200, "GET", "/healthz", nil, nil)
	if got.text != "{\"status\":\"ok\"}\n" {
		t.Error(got.text)
	}
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	p.browser().want(503, "GET", "/healthz", nil, nil)
}

func TestRuns(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "+bert")
	c := p.program("a.example")
	now := time.Now()
	run, err := p.store.AddRun(t.Context(), store.Run{Domain: "a.example", Kind: store.FirstRun, By: "anna", Started: now, State: store.RunOpen}, ids)
	if err != nil {
		t.Fatal(err)
	}
	run.State, run.Ended, run.Accounts, run.Complete, run.Failed = store.RunDone, now, 2, 1, 1
	run.Figures = store.Figures{Copied: 7, Adopted: 1, Bytes: 700}
	problem := &store.Problem{Kind: store.LoginRefused, Summary: "=no", Cause: "\"NO\", it says", Advice: store.NeedsFix}
	if err := p.store.PutRun(t.Context(), run, []store.RunAccount{
		{Account: ids[0], Outcome: store.OutcomeComplete, Ended: now, Figures: run.Figures, Passes: 1},
		{Account: ids[1], Outcome: store.OutcomeFailed, Ended: now, Problem: problem},
	}); err != nil {
		t.Fatal(err)
	}
	var list struct{ Runs []runView }
	c.want(200, "GET", aDomain+"/runs", nil, &list)
	if len(list.Runs) != 1 || list.Runs[0].Copied != 7 || list.Runs[0].State != store.RunDone || list.Runs[0].By != "anna" {
		t.Errorf("%+v", list)
	}
	path := fmt.Sprint(aDomain, "/runs/", run.ID)
	var report runReport
	c.want(200, "GET", path, nil, nil)
	c.want(200, "GET", path+"/report", nil, &report)
	if len(report.Parts) != 2 || report.Parts[0].Login != "+bert" || report.Parts[0].Problem.Kind != store.LoginRefused || report.Parts[1].Octets != 700 {
		t.Errorf("%+v", report)
	}
	got := c.want(200, "GET", path+"/report?format=csv", nil, nil)
	rows, err := csv.NewReader(strings.NewReader(got.text)).ReadAll()
	if err != nil || len(rows) != 3 || rows[1][0] != "'+bert" || rows[1][7] != "'=no" || rows[2][1] != "complete" {
		t.Errorf("%q, %v", rows, err)
	}
	if kind := got.Header.Get("Content-Type"); kind != "text/csv; charset=utf-8" {
		t.Errorf("a table comes as %q", kind)
	}
	foreign := fmt.Sprint("/api/v1/domains/b.example/runs/", run.ID)
	for _, path := range []string{foreign, foreign + "/report", aDomain + "/runs/999", aDomain + "/runs/x"} {
		p.program("").want(404, "GET", path, nil, nil)
	}
}

// TestDiscover looks for a server where DNS never answers.
func TestDiscover(t *testing.T) {
	offline := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }
	p := startPage(t, func(s *Server) { s.app.finder = &discover.Finder{Dial: offline, Bound: time.Second} })
	var report discover.Report
	p.program("a.example").want(200, "POST", "/api/v1/discover", map[string]string{"domain": "anna@A.example"}, &report)
	if report.Domain != "a.example" || report.Found != nil || len(report.Why) == 0 {
		t.Errorf("%+v", report)
	}
	got := p.program("").want(422, "POST", "/api/v1/discover", map[string]string{"domain": "no domain"}, nil)
	if !strings.Contains(got.text, `"field":"domain"`) {
		t.Error(got.text)
	}
}

func TestMetrics(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "bert@a.example")
	p.ferry.Begin(t.Context(), ids)
	p.ferry.endPass(t, ids[0], store.Pass{}, &store.Problem{Kind: store.OverQuota, Server: store.NewSide, Advice: store.NeedsFix})
	p.ferry.endPass(t, ids[1], store.Pass{Complete: true}, nil)
	c := p.program("")
	c.want(200, "GET", aDomain, nil, nil)
	c.want(404, "GET", "/api/v1/domains/c.example", nil, nil)
	got := c.want(200, "GET", "/metrics", nil, nil)
	for _, line := range []string{
		`postferry_accounts{domain="a.example",state="complete"} 1`, `postferry_accounts{domain="a.example",state="failed"} 1`,
		`postferry_account_problems{domain="a.example",kind="over_quota",server="new"} 1`, `postferry_passes_total{domain="a.example"} 2`,
		`postferry_http_request_seconds_count{method="GET",route="/api/v1/domains/{domain}",status="404"} 1`, `postferry_info{version="test"} 1`,
	} {
		if !strings.Contains(got.text, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
}
