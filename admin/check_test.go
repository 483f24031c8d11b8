package admin

import (
	"context"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"postferry/store"
)

func TestCheck(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "bert@a.example", "carl@a.example")
	p.ferry.checks[ids[0]] = CheckResult{Tried: true, Messages: 10, Octets: 1000, Estimate: 20 * time.Second, AtOnce: 2,
		Folders: []CheckedFolder{{Title: "Gesendet", NewTitle: "Sent", Action: FolderFill, Messages: 10, Copy: 10, Octets: 1000}},
		Quotas:  []CheckedQuota{{"STORAGE", 1, 100}}, Notes: []CheckedNote{{Kind: "gone", Folder: "Old", Text: "a note"}}}
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
	if !one.Ready || one.Folders[0].NewTitle != "Sent" || one.Quotas[0].Limit != 100 || len(one.Notes) != 1 || one.Notes[0] != "a note" {
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

// What a check keeps has a bound in octets, too: names and notes may be long.
func TestCheckKeepsSomeFolders(t *testing.T) {
	long := strings.Repeat("x", 2000)
	var c checkResults
	for range 30 {
		r := &CheckResult{Tried: true, Folders: make([]CheckedFolder, 1000), Notes: make([]CheckedNote, 1000)}
		for i := range r.Folders {
			r.Folders[i].Title, r.Folders[i].NewTitle = long, long
			r.Notes[i].Text = long
		}
		c.add(r)
	}
	octets, omitted := 0, 0
	for _, a := range c.accounts {
		omitted += a.FoldersOmitted
		for _, f := range a.Folders {
			octets += len(f.Title) + len(f.NewTitle)
		}
		for _, n := range a.Notes {
			octets += len(n)
		}
	}
	if kept := 30*1000 - omitted; octets > 2*maxCheckedFolders*checkedName || kept == 0 || omitted == 0 {
		t.Errorf("%d octets are kept, of %d folders; %d are not", octets, kept, omitted)
	}
}
