// Package finishing leads the moves of domains to their end: advice, the last pass and verification, the end of accounts,
// reports, and that a domain is forgotten.
//
// It must not know HTTP and HTML, nor how a move ends (lifecycle): it checks who asks, and says why something is refused.
package finishing

import (
	"context"
	"errors"
	"slices"
	"time"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/jobs"
	"postferry/admin/selection"
	"postferry/config"
	"postferry/lifecycle"
	"postferry/stage"
)

// Endings are what leads moves to their end.
type Endings struct {
	Guide  *lifecycle.Guide
	Engine lifecycle.Engine
}

// prepareResult is how far the preparation of an end is.
type prepareResult struct {
	step   lifecycle.Step
	report *lifecycle.Report
}

// PrepareView is how far the last pass and the verification before accounts are finished are.
type PrepareView struct {
	jobs.Progress
	Step   lifecycle.Step    `json:"step"`
	Report *lifecycle.Report `json:"report"` // the draft; null until it is there
}

// FinishInput says how to finish.
type FinishInput struct {
	// Accept finishes accounts that need a look as well, in the name of who asks.
	Accept bool `json:"accept"`
}

// Finishing leads the moves of domains to their end.
type Finishing struct {
	opt          Options
	preparations *jobs.Shelf[prepareResult]
}

// Options are what finishing needs.
type Options struct {
	Endings
	Scopes  scopes
	Chooser *selection.Chooser
	Jobs    *jobs.Runner
	Audit   *access.Audit
	// Search takes a place for a search in DNS, until leave is called.
	Search func(who access.Actor) (leave func(), err error)
}

// scopes finds domains for who may see them.
type scopes interface {
	Domain(ctx context.Context, who access.Actor, name string) (*config.Domain, error)
}

// New makes it.
func New(opt Options) *Finishing {
	return &Finishing{opt, jobs.NewShelf[prepareResult]()}
}

// Drop forgets the newest preparation of a domain, and ends it if it goes on.
func (a *Finishing) Drop(domain string) { a.preparations.Drop(domain) }

// Advice says how far a domain is and what to do next. With fresh DNS is asked now; otherwise
// what it has told last counts.
func (a *Finishing) Advice(ctx context.Context, who access.Actor, domain string, fresh bool) (*stage.Assessment, error) {
	d, err := a.opt.Scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	if fresh {
		leave, err := a.opt.Search(who)
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	assessment, err := a.opt.Guide.Assess(ctx, d.Name, fresh)
	if err != nil {
		return nil, ending(err)
	}
	return &assessment, nil
}

// Stage says how far a domain is whose board has been read.
func (a *Finishing) Stage(ctx context.Context, domain string, b *board.Board) (stage.Stage, error) {
	assessment, err := a.opt.Guide.AssessThese(ctx, domain, b.Rows)
	return assessment.Stage, err
}

// ending says for whoever asks why a move could not be ended.
func ending(err error) error {
	switch {
	case errors.Is(err, lifecycle.ErrNothing):
		return access.Conflict("nothing_to_finish", "There are no accounts to finish.")
	case errors.Is(err, lifecycle.ErrActive):
		return access.Conflict("still_copied", "Accounts of the domain are still being copied: finish or stop them first.")
	case errors.Is(err, lifecycle.ErrNoDomain):
		return access.NotFound("domain")
	}
	return err
}

// StartPrepare begins the last pass over all accounts of a domain that are not finished, and their
// verification. Nothing is finished by it.
func (a *Finishing) StartPrepare(ctx context.Context, who access.Actor, domain string) (*PrepareView, error) {
	d, ids, err := a.opt.Chooser.Choose(ctx, who, domain, selection.Selection{All: true}, selection.Unfinished)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, ending(lifecycle.ErrNothing)
	}
	err = jobs.Start(ctx, a.opt.Jobs, who, a.preparations, d.Name, jobs.Progress{By: who.Name, Started: time.Now(), Accounts: len(ids)},
		func(ctx context.Context, j *jobs.Job[prepareResult]) error {
			report, err := a.opt.Guide.Prepare(ctx, a.opt.Engine, d.Name, ids, false, func(s lifecycle.Step, _ int) {
				j.Change(func(_ *jobs.Progress, r *prepareResult) { r.step = s })
			})
			j.Change(func(v *jobs.Progress, r *prepareResult) {
				if r.report = report; report != nil {
					v.Done = v.Accounts
				}
			})
			return ending(err)
		})
	if err != nil {
		return nil, err
	}
	if err := a.opt.Audit.Note(ctx, who, "prepare_finish", access.About{Domain: d.Name, Count: len(ids)}); err != nil {
		return nil, err
	}
	return a.ShowPrepare(ctx, who, d.Name)
}

// ShowPrepare says how far the newest preparation is.
func (a *Finishing) ShowPrepare(ctx context.Context, who access.Actor, domain string) (*PrepareView, error) {
	d, err := a.opt.Scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	v := a.ViewPrepare(d.Name)
	if v == nil {
		return nil, access.NotFound("preparation")
	}
	return v, nil
}

// ViewPrepare is the newest preparation of a domain; nil if there was none.
func (a *Finishing) ViewPrepare(domain string) (v *PrepareView) {
	if j := a.preparations.Get(domain); j != nil {
		j.Change(func(view *jobs.Progress, r *prepareResult) {
			v = &PrepareView{Progress: *view, Step: r.step, Report: r.report}
		})
	}
	return v
}

// CancelPrepare ends a preparation that is going on.
func (a *Finishing) CancelPrepare(ctx context.Context, who access.Actor, domain string) error {
	d, err := a.opt.Scopes.Domain(ctx, who, domain)
	if err != nil {
		return err
	}
	return jobs.Cancel(ctx, a.opt.Audit, who, a.preparations, d.Name, "cancel_prepare")
}

// DraftReport is what a report about a domain would say now.
func (a *Finishing) DraftReport(ctx context.Context, who access.Actor, domain string) (*lifecycle.Report, error) {
	d, err := a.opt.Scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	return a.opt.Guide.Draft(ctx, d.Name, nil)
}

// Finish finishes the accounts of a domain that were prepared within the last hour.
func (a *Finishing) Finish(ctx context.Context, who access.Actor, domain string, in FinishInput) (*lifecycle.Report, error) {
	d, err := a.opt.Scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	if v := a.ViewPrepare(d.Name); v != nil && v.Ended == nil { // the last pass may just have found what would be left behind
		return nil, access.Conflict("preparing", "The last pass and its verification are going on. Wait until they have ended, or cancel them first.")
	}
	report, err := a.opt.Guide.Finish(ctx, a.opt.Engine, d.Name, nil, who.Name, in.Accept)
	if err != nil {
		return nil, ending(err)
	}
	if len(report.Accounts) == 0 {
		return nil, access.Conflict("none_finished", "Nothing was finished: all accounts need a look, or were not prepared within the last hour.")
	}
	return report, nil
}

// Forget removes a domain with all that is kept of it, but for its reports and the audit log.
func (a *Finishing) Forget(ctx context.Context, who access.Actor, domain string) error {
	d, err := a.opt.Scopes.Domain(ctx, who, domain)
	if err != nil {
		return err
	}
	if err := who.RequireAll(); err != nil {
		return err
	}
	return ending(a.opt.Guide.Forget(ctx, a.opt.Engine, d.Name, who.Name))
}

// Reports are those of a domain's accounts that were finished, newest first. Of domains that
// were forgotten those see them who look after everything.
func (a *Finishing) Reports(ctx context.Context, who access.Actor, domain string) ([]lifecycle.Report, error) {
	_, err := a.opt.Scopes.Domain(ctx, who, domain)
	if err != nil && !who.All() {
		return nil, err
	}
	reports, reading := a.opt.Guide.Reports(ctx, domain)
	switch {
	case reading != nil:
		return nil, reading
	case err != nil && len(reports) == 0:
		return nil, err
	}
	return reports, nil
}

// Report is one of a domain's reports.
func (a *Finishing) Report(ctx context.Context, who access.Actor, domain string, number uint64) (*lifecycle.Report, error) {
	reports, err := a.Reports(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(reports, func(r lifecycle.Report) bool { return r.Number == number })
	if at < 0 {
		return nil, access.NotFound("report")
	}
	return &reports[at], nil
}
