package server

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"postferry/admin/selection"
	"postferry/admin/transfers"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

const aDomain = "/api/v1/domains/a.example"

func TestTransfer(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "bert@a.example", "carl@a.example")
	c := p.program("a.example")
	command := func(verb string, sel selection.Selection) transfers.Affected {
		t.Helper()
		var got transfers.Affected
		c.want(200, "POST", aDomain+"/"+verb, sel, &got)
		return got
	}
	if got := command("begin", selection.Selection{Accounts: ids[:2]}); got.Accounts != 2 || got.Run == 0 {
		t.Errorf("begin: %+v", got)
	}
	if got := command("begin", selection.Selection{Accounts: ids[:2]}); got.Accounts != 0 || got.Run != 0 {
		t.Errorf("begin again: %+v", got)
	}
	if got := command("stop", selection.Selection{Accounts: ids[:1]}); got.Accounts != 1 {
		t.Errorf("stop: %+v", got)
	}
	if got := command("resume", selection.Selection{State: report.StateStopped}); got.Accounts != 1 {
		t.Errorf("resume: %+v", got)
	}
	if got := command("again", selection.Selection{All: true}); got.Accounts != 2 || got.Run == 0 {
		t.Errorf("again: %+v", got)
	}
	c.want(422, "POST", aDomain+"/stop", selection.Selection{}, nil)
	c.want(422, "POST", aDomain+"/stop", selection.Selection{All: true, State: report.StateStopped}, nil)
	c.want(404, "POST", aDomain+"/stop", selection.Selection{Accounts: []store.AccountID{999}}, nil)
	c.want(409, "POST", aDomain+"/accounts/remove", selection.Selection{All: true}, nil)
	if got := command("accounts/remove", selection.Selection{State: report.StateWaiting}); got.Accounts != 1 {
		t.Errorf("remove: %+v", got)
	}
}

func TestHealth(t *testing.T) {
	p := startPage(t)
	got := p.browser().want(200, "GET", "/healthz", nil, nil)
	if got.text != "{\"status\":\"ok\"}\n" {
		t.Error(got.text)
	}
	p.changed("a.example") // what is read at the start has been
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	p.browser().want(503, "GET", "/healthz", nil, nil)
}

func TestRuns(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "+bert@a.example")
	c := p.program("a.example")
	now := time.Now()
	run, err := p.store.AddRun(t.Context(), store.Run{Domain: "a.example", Kind: store.FirstRun, By: "anna", Started: now, State: store.RunOpen}, ids)
	if err != nil {
		t.Fatal(err)
	}
	run.State, run.Ended, run.Accounts, run.Complete, run.Failed = store.RunDone, now, 2, 1, 1
	run.Figures = store.Figures{Copied: 7, Adopted: 1, Bytes: 700}
	problem := &store.Problem{Kind: store.LoginRefused, Summary: reason.Said("=no"), Cause: "\"NO\", it says", Advice: store.NeedsFix}
	if err := p.store.PutRun(t.Context(), run, []store.RunAccount{
		{Account: ids[0], Outcome: store.OutcomeComplete, Ended: now, Figures: run.Figures, Passes: 1},
		{Account: ids[1], Outcome: store.OutcomeFailed, Ended: now, Problem: problem},
	}); err != nil {
		t.Fatal(err)
	}
	var list struct{ Runs []transfers.RunView }
	c.want(200, "GET", aDomain+"/runs", nil, &list)
	if len(list.Runs) != 1 || list.Runs[0].Copied != 7 || list.Runs[0].State != store.RunDone || list.Runs[0].By != "anna" {
		t.Errorf("%+v", list)
	}
	path := fmt.Sprint(aDomain, "/runs/", run.ID)
	var report transfers.RunReport
	c.want(200, "GET", path, nil, nil)
	c.want(200, "GET", path+"/report", nil, &report)
	if len(report.Parts) != 2 || report.Parts[0].Login != "+bert@a.example" || report.Parts[0].Problem.Kind != store.LoginRefused || report.Parts[1].Bytes != 700 {
		t.Errorf("%+v", report)
	}
	got := c.want(200, "GET", path+"/report?format=csv", nil, nil)
	rows, err := csv.NewReader(strings.NewReader(got.text)).ReadAll()
	if err != nil || len(rows) != 3 || rows[1][0] != "'+bert@a.example" || rows[1][7] != "'=no" || rows[2][1] != "complete" {
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

func TestMetrics(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "bert@a.example")
	p.ferry.Begin(t.Context(), ids)
	p.ferry.EndPass(t, ids[0], store.Pass{}, &store.Problem{Kind: store.OverQuota, Server: store.NewSide, Advice: store.NeedsFix})
	p.ferry.EndPass(t, ids[1], store.Pass{Complete: true}, nil)
	c := p.program("")
	c.want(200, "GET", aDomain, nil, nil)
	c.want(404, "GET", "/api/v1/domains/c.example", nil, nil)
	if status, _ := c.watch("a.example"); status != 200 {
		t.Fatalf("watching: %d", status)
	}
	got := c.want(200, "GET", "/metrics", nil, nil)
	if strings.Contains(got.text, `route="/events"`) {
		t.Error("a stream counts as a request")
	}
	for _, line := range []string{
		`postferry_accounts{domain="a.example",state="complete"} 1`, `postferry_accounts{domain="a.example",state="failed"} 1`,
		`postferry_account_problems{domain="a.example",kind="over_quota",server="new"} 1`, `postferry_passes_total{domain="a.example"} 2`,
		`postferry_http_request_seconds_count{method="GET",route="/api/v1/domains/{domain}",status="404"} 1`, `postferry_info{version="test"} 1`,
		`postferry_needs_person_accounts{domain="a.example"} 1`, `postferry_event_streams 1`,
		`postferry_domain_stage{domain="a.example",stage="copying"} 1`, `postferry_domain_stage{domain="a.example",stage="safe"} 0`,
	} {
		if !strings.Contains(got.text, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
}
