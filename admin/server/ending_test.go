package server

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"postferry/admin/finishing"
	"postferry/admin/selection"
	"postferry/lifecycle"
	"postferry/stage"
	"postferry/store"
)

// fakeEngine makes passes and verifications that find everything in order.
type fakeEngine struct {
	store store.Store
	gate  chan struct{} // of passes; nil if they don't wait
}

func (f fakeEngine) Pass(ctx context.Context, ids []store.AccountID) error {
	if f.gate != nil {
		<-f.gate
	}
	for _, id := range ids {
		now := time.Now()
		if err := f.store.AddPass(ctx, id, store.Pass{Started: now, Ended: now, Complete: true}); err != nil {
			return err
		}
	}
	return nil
}

func (f fakeEngine) Verify(ctx context.Context, ids []store.AccountID, _ bool) error {
	for _, id := range ids {
		if err := f.store.NoteVerified(ctx, id, store.Verified{When: time.Now()}); err != nil {
			return err
		}
	}
	return nil
}

func (f fakeEngine) Finished(context.Context, []store.AccountID) error { return nil }

func (f fakeEngine) LetGo(context.Context, []store.AccountID) error { return nil }

// TestEnding goes to the end of a move by the API: what to do next, the preparation, the report, and
// that nothing is left but that.
func TestEnding(t *testing.T) {
	p := startPage(t)
	c := p.program("")
	p.put("a.example", "anna@a.example", "bert@a.example")
	d := "/api/v1/domains/a.example"
	var a stage.Assessment
	c.want(200, "GET", d+"/advice", nil, &a)
	if a.Stage != stage.Preparing || a.Next.Code != "next_check" || a.Safe {
		t.Errorf("%s, next %s", a.Stage, a.Next.Code)
	}
	c.want(409, "POST", d+"/finish", finishing.FinishInput{}, nil) // nothing was prepared
	c.want(200, "POST", d+"/begin", selection.Selection{All: true}, nil)
	c.want(409, "POST", d+"/forget", nil, nil)
	c.want(202, "POST", d+"/finish/prepare", nil, nil)
	var prepared finishing.PrepareView
	eventually(t, "it is prepared", func() bool {
		c.want(200, "GET", d+"/finish/prepare", nil, &prepared)
		return prepared.State == "done"
	})
	if prepared.Report.Count(stage.Perfect) != 2 {
		t.Errorf("the draft: %+v", prepared.Report)
	}
	var report lifecycle.Report
	c.want(200, "POST", d+"/finish", finishing.FinishInput{}, &report)
	c.want(200, "GET", d+"/advice?fresh=true", nil, &a)
	if report.Number != 1 || a.Stage != stage.Finished || !a.Safe {
		t.Errorf("report %d, %s", report.Number, a.Stage)
	}
	c.want(409, "POST", d+"/finish", finishing.FinishInput{}, nil)
	c.want(204, "POST", d+"/forget", nil, nil)
	if got := c.do("GET", d+"/reports", nil); got.StatusCode != 200 && got.StatusCode != 404 {
		t.Errorf("reports: %s", got.Status)
	}
}

// TestEndingOnThePages: the domain's page says what to do next, and the forms that can't be
// undone want a tick.
func TestEndingOnThePages(t *testing.T) {
	p := startPage(t)
	c := p.admin("anna", "")
	p.put("a.example", "anna@a.example")
	page := c.do("GET", "/d/a.example", nil).text
	for _, said := range []string{"What to do next", "Check the accounts", `value="check"`, "not yet, because"} {
		if !strings.Contains(page, said) {
			t.Errorf("the page does not say %q", said)
		}
	}
	if status, _, text := c.form("/d/a.example/finish/prepare"); status != http.StatusOK {
		t.Fatalf("prepare: %d %s", status, text)
	}
	eventually(t, "it is prepared", func() bool { return p.app.Finishing.ViewPrepare("a.example").State == "done" })
	if page = c.do("GET", "/d/a.example/finish", nil).text; !strings.Contains(page, "Perfect") || !strings.Contains(page, `name="sure"`) {
		t.Errorf("the page before the end: %s", page)
	}
	if status, _, text := c.form("/d/a.example/finish"); status != http.StatusUnprocessableEntity || !strings.Contains(text, "Tick the box") {
		t.Errorf("without a tick: %d", status)
	}
	if status, _, text := c.form("/d/a.example/finish", "sure", "1"); status != http.StatusOK {
		t.Fatalf("finish: %d %s", status, text)
	}
	page = c.do("GET", "/d/a.example/finish?done=finished&n=1", nil).text
	for _, said := range []string{"1 account was finished", "Report 1", "Forget the domain"} {
		if !strings.Contains(page, said) {
			t.Errorf("after the end the page does not say %q", said)
		}
	}
	report := c.do("GET", "/d/a.example/reports/1.csv", nil)
	if !strings.Contains(report.text, "anna@a.example,perfect,true") {
		t.Errorf("the report: %s", report.text)
	}
	if status, _, text := c.form("/d/a.example/forget", "sure", "1"); status != http.StatusOK {
		t.Fatalf("forget: %d %s", status, text)
	}
	if accounts, err := p.store.Accounts(t.Context()); err != nil || len(accounts) != 0 {
		t.Errorf("%d accounts are left, %v", len(accounts), err)
	}
}

// TestFinishWhilePreparing: while the last pass goes on nothing is finished, by the API nor with a page that was opened before: it
// may just have found mail that would be left behind.
func TestFinishWhilePreparing(t *testing.T) {
	gate := make(chan struct{})
	p := startPage(t, func(o *Options) {
		engine := o.Endings.Engine.(fakeEngine)
		engine.gate = gate
		o.Endings.Engine = engine
	})
	open := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(open) // before the page ends, which waits for the pass
	c, b := p.program("a.example"), p.admin("bert", "a.example")
	ids := p.put("a.example", "anna@a.example")
	c.want(200, "POST", aDomain+"/begin", selection.Selection{All: true}, nil)
	if err := (fakeEngine{store: p.store}).Pass(t.Context(), ids); err != nil { // all is as it has to be
		t.Fatal(err)
	}
	if err := (fakeEngine{store: p.store}).Verify(t.Context(), ids, false); err != nil {
		t.Fatal(err)
	}
	c.want(202, "POST", aDomain+"/finish/prepare", nil, nil)
	if got := c.want(409, "POST", aDomain+"/finish", finishing.FinishInput{Accept: true}, nil); !strings.Contains(got.text, `"preparing"`) {
		t.Error(got.text)
	}
	status, _, text := b.form("/d/a.example/finish", "sure", "1")
	shows(t, "the form", status, 422, text, "The last pass and its verification are going on")
	open()
	eventually(t, "it is prepared", func() bool { return p.app.Finishing.ViewPrepare("a.example").State == "done" })
	c.want(200, "POST", aDomain+"/finish", finishing.FinishInput{}, nil)
}
