package syncer

import (
	"fmt"
	"time"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/problem"
	"postferry/syncer/transfer"
)

// omittedProblem is what a pass ends with that had no other problem, if the old server
// has more folders than are made: nil if it hasn't.
func (t *treeState) omittedProblem(host string, most int, interval time.Duration) *store.Problem {
	if t.omitted == 0 {
		return nil
	}
	p := problem.Of(foldertree.ErrOmitted, "", 1)
	p.Server, p.Host, p.Retry = store.OldSide, host, time.Now().Add(interval)
	p.Summary = fmt.Sprintf("The old server (%s) has %d folders more than the %d that are made for one account; they are not copied. Leave folders out in the domain's settings, or have sync.max_folders raised in the configuration.",
		p.Host, t.omitted, most)
	return p
}

// heedDates takes note if a pull found that the new server does not keep dates.
func (t *troubles) heedDates(f *tracked, p *transfer.Pull, host string) {
	if p.Checks.WrongDate == "" {
		return
	}
	t.dates = &store.Problem{
		Kind: store.WrongDates, Server: store.NewSide, Host: host, Folder: f.Title, Advice: store.RetryLater, Since: time.Now(),
		Summary: fmt.Sprintf("The new server (%s) does not keep the dates of messages, and that can't be mended once they are copied. Have it corrected before more is copied, or stop the account.", host),
		Cause:   "the first message copied into the folder: " + p.Checks.WrongDate,
	}
}

// datesProblem is what a pass ends with that had no other problem: nil, or that
// dates are lost. A warning outlives restarts until somebody asks for a pass.
func (t *troubles) datesProblem(was *store.Problem, interval time.Duration) *store.Problem {
	if t.dates == nil && was != nil && was.Kind == store.WrongDates {
		t.dates = was
	}
	if t.dates == nil {
		return nil
	}
	p := *t.dates
	p.Retry = time.Now().Add(interval)
	return &p
}
