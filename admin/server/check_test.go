package server

import (
	"context"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"postferry/admin/checks"
	"postferry/admin/ferrytest"
	"postferry/admin/selection"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

func TestCheck(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "bert@a.example", "carl@a.example")
	p.ferry.Checks[ids[0]] = report.Check{Estimate: 20 * time.Second, AtOnce: 2, AccountPlan: report.AccountPlan{Copy: 10, Bytes: 1000,
		Folders: []report.FolderPlan{{Folder: "Gesendet", NewFolder: "Sent", Action: report.FolderFilled, Messages: 10, Copy: 10, Bytes: 1000}},
		Quotas:  []report.Quota{{Resource: "STORAGE", Used: 1, Limit: 100}}, Notes: []reason.Reason{reason.Of(reason.NoteFound, "Old")}}}
	p.ferry.Checks[ids[1]] = report.Check{AccountPlan: report.AccountPlan{Trouble: map[store.Side]*store.Problem{store.OldSide: {Kind: store.LoginRefused, Server: store.OldSide, Summary: reason.Said("no"), Advice: store.NeedsFix}}}}
	p.ferry.Checks[ids[2]] = report.Check{AccountPlan: report.AccountPlan{Lacks: "STORAGE"}, Estimate: 60 * time.Second, AtOnce: 2}
	c := p.program("a.example")
	c.want(404, "GET", aDomain+"/check", nil, nil)
	c.want(202, "POST", aDomain+"/check", selection.Selection{All: true}, nil)
	var v checks.CheckView
	eventually(t, "the check ends", func() bool {
		c.want(200, "GET", aDomain+"/check", nil, &v)
		return v.State == "done"
	})
	if s := v.Summary; v.Done != 3 || s.Ready != 1 || s.Failed != 1 || s.TooSmall != 1 || s.Messages != 10 || s.EstimateSeconds != 60 {
		t.Errorf("%+v", v)
	}
	var page checks.CheckPage
	c.want(200, "GET", aDomain+"/check/accounts", nil, &page)
	if page.Total != 3 || page.Accounts[2].Login != "anna@a.example" || page.Accounts[0].OldProblem == nil {
		t.Errorf("%+v", page)
	}
	c.want(200, "GET", aDomain+"/check/accounts?trouble=true&search=bert", nil, &page)
	if page.Total != 1 {
		t.Errorf("%+v", page)
	}
	var one checks.CheckedAccount
	c.want(200, "GET", fmt.Sprint(aDomain, "/check/accounts/", ids[0]), nil, &one)
	if !one.Ready || one.Folders[0].NewTitle != "Sent" || one.Quotas[0].Limit != 100 || len(one.Notes) != 1 || one.Notes[0].String() != `"Old" is on the new server again; it goes on there` {
		t.Errorf("%+v", one)
	}
	c.want(404, "GET", aDomain+"/check/accounts/999", nil, nil)
	c.want(204, "DELETE", aDomain+"/check", nil, nil)
}

// slowFerry checks until it is cancelled.
type slowFerry struct {
	*ferrytest.Ferry
	begun chan struct{}
}

func (f slowFerry) Check(ctx context.Context, _ []store.AccountID, _ func(report.Check) error) error {
	f.begun <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}

func TestCancelCheck(t *testing.T) {
	begun := make(chan struct{}, 1)
	p := startPage(t, func(opt *Options) { opt.Ferry = slowFerry{opt.Ferry.(*ferrytest.Ferry), begun} })
	p.put("a.example", "anna@a.example")
	c := p.program("a.example")
	c.want(202, "POST", aDomain+"/check", selection.Selection{All: true}, nil)
	<-begun
	c.want(409, "POST", aDomain+"/check", selection.Selection{All: true}, nil)
	c.want(204, "DELETE", aDomain+"/check", nil, nil)
	var v checks.CheckView
	eventually(t, "the check is cancelled", func() bool {
		c.want(200, "GET", aDomain+"/check", nil, &v)
		return v.State == "cancelled"
	})
	c.want(202, "POST", aDomain+"/check", selection.Selection{All: true}, nil) // and ends with the server
	<-begun
}

func TestVerify(t *testing.T) {
	p := startPage(t)
	p.put("a.example", "anna@a.example")
	date := time.Now().UTC().Truncate(time.Second)
	p.ferry.Verified = []report.VerifyEvent{
		{Progress: &report.VerifyProgress{Of: 1, Messages: 5, Login: "anna@a.example", Folder: "INBOX"}},
		{Finding: &report.Finding{Login: "anna@a.example", Folder: "=1+1", Kind: "missing", Severity: report.Damage, OldUID: 7, Date: &date}},
		{Finding: &report.Finding{Login: "anna@a.example", Folder: "INBOX", Kind: "flags", Severity: report.Doubtful}},
		{Finding: &report.Finding{Login: "anna@a.example", Folder: "INBOX", Kind: "only-new", Severity: report.Harmless}},
		{Account: &report.VerifiedAccount{Login: "anna@a.example", OldMessages: 9, NewMessages: 9, Same: 8, Found: report.FindingCounts{"missing": 1}, Worst: report.Damage}},
	}
	c := p.program("a.example")
	c.want(404, "GET", aDomain+"/verify", nil, nil)
	c.want(404, "GET", aDomain+"/verify/report", nil, nil)
	c.want(202, "POST", aDomain+"/verify", map[string]any{"all": true, "bodies": true}, nil)
	var v checks.VerifyView
	eventually(t, "the verification ends", func() bool {
		c.want(200, "GET", aDomain+"/verify", nil, &v)
		return v.State == "done"
	})
	if s := v.Summary; !v.Bodies || v.Done != 1 || s.Damage != 1 || s.Doubtful != 1 || s.Found["only-new"] != 1 || s.Same != 8 || v.Findings != 2 {
		t.Errorf("%+v", v)
	}
	var report checks.VerifyReport
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

// TestPeculiarities: what is peculiar about a provider is told with the check, on the page in the
// reader's language, and by the API with its code.
func TestPeculiarities(t *testing.T) {
	p := startPage(t)
	p.addDomain("a.example", "imap.mail.yahoo.com")
	p.put("a.example", "anna@a.example")
	c := p.admin("anna", "")
	c.want(202, "POST", "/api/v1/domains/a.example/check", map[string]any{"all": true}, nil)
	var check struct {
		Peculiarities []struct{ Code, Text string }
	}
	c.want(200, "GET", "/api/v1/domains/a.example/check", nil, &check)
	if len(check.Peculiarities) != 2 || check.Peculiarities[1].Code != "note_window" || !strings.Contains(check.Peculiarities[1].Text, "10000 messages") {
		t.Errorf("the API tells %+v", check.Peculiarities)
	}
	c.form("/language", "language", "de", "back", "/")
	if text := c.do("GET", "/d/a.example/check", nil).text; !strings.Contains(text, "höchstens 10000 Nachrichten eines Ordners") || !strings.Contains(text, "help.yahoo.com") {
		t.Errorf("the page tells\n%.3000s", text)
	}
}
