package admin

import (
	"context"
	"errors"
	"slices"
	"time"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/runs"
	"postferry/config"
	"postferry/lifecycle"
	"postferry/stage"
	"postferry/store"
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
	JobView
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
	scopes       *Scopes
	chooser      *chooser
	directory    *config.Directory
	endings      Endings
	preparations *jobShelf[prepareResult]
	jobs         *jobs
	discovering  *Places // of searches for servers
	boards       *board.Boards
	memory       *memory
	tracker      *runs.Tracker
	audit        *access.Audit
	now          func() time.Time
}

// Advice says how far a domain is and what to do next. With fresh DNS is asked now; otherwise
// what it has told last counts.
func (a *Finishing) Advice(ctx context.Context, who access.Actor, domain string, fresh bool) (*stage.Assessment, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	if fresh {
		if !a.discovering.Take(who.Scope, 1) {
			return nil, errTooManyDiscoveries()
		}
		defer a.discovering.Leave(who.Scope, 1)
	}
	assessment, err := a.endings.Guide.Assess(ctx, d.Name, fresh)
	if err != nil {
		return nil, ending(err)
	}
	return &assessment, nil
}

// Stage says how far a domain is whose board has been read.
func (a *Finishing) Stage(ctx context.Context, domain string, b *board.Board) (stage.Stage, error) {
	assessment, err := a.endings.Guide.AssessThese(ctx, domain, b.Rows)
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
	d, ids, err := a.chooser.choose(ctx, who, domain, Selection{All: true}, inState(store.Waiting, store.Active, store.Stopped))
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, ending(lifecycle.ErrNothing)
	}
	err = startJob(ctx, a.jobs, who, a.preparations, d.Name, JobView{By: who.Name, Started: a.now(), Accounts: len(ids)},
		func(ctx context.Context, j *job[prepareResult]) error {
			report, err := a.endings.Guide.Prepare(ctx, a.endings.Engine, d.Name, ids, false, func(s lifecycle.Step, _ int) {
				j.change(func(_ *JobView, r *prepareResult) { r.step = s })
			})
			j.change(func(v *JobView, r *prepareResult) {
				if r.report = report; report != nil {
					v.Done = v.Accounts
				}
			})
			return ending(err)
		})
	if err != nil {
		return nil, err
	}
	if err := a.audit.Note(ctx, who, "prepare_finish", access.About{Domain: d.Name, Count: len(ids)}); err != nil {
		return nil, err
	}
	return a.ShowPrepare(ctx, who, d.Name)
}

// ShowPrepare says how far the newest preparation is.
func (a *Finishing) ShowPrepare(ctx context.Context, who access.Actor, domain string) (*PrepareView, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
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
	if j := a.preparations.get(domain); j != nil {
		j.change(func(view *JobView, r *prepareResult) {
			v = &PrepareView{JobView: *view, Step: r.step, Report: r.report}
		})
	}
	return v
}

// CancelPrepare ends a preparation that is going on.
func (a *Finishing) CancelPrepare(ctx context.Context, who access.Actor, domain string) error {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return err
	}
	return cancelJob(ctx, a.audit, who, a.preparations, d.Name, "cancel_prepare")
}

// DraftReport is what a report about a domain would say now.
func (a *Finishing) DraftReport(ctx context.Context, who access.Actor, domain string) (*lifecycle.Report, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	return a.endings.Guide.Draft(ctx, d.Name, nil)
}

// Finish finishes the accounts of a domain that were prepared within the last hour.
func (a *Finishing) Finish(ctx context.Context, who access.Actor, domain string, in FinishInput) (*lifecycle.Report, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	report, err := a.endings.Guide.Finish(ctx, a.endings.Engine, d.Name, nil, who.Name, in.Accept)
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
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return err
	}
	if err := who.RequireAll(); err != nil {
		return err
	}
	return ending(a.endings.Guide.Forget(ctx, a.endings.Engine, d.Name, who.Name))
}

// Reports are those of a domain's accounts that were finished, newest first. Of domains that
// were forgotten those see them who look after everything.
func (a *Finishing) Reports(ctx context.Context, who access.Actor, domain string) ([]lifecycle.Report, error) {
	_, err := a.scopes.Domain(ctx, who, domain)
	if err != nil && !who.All() {
		return nil, err
	}
	reports, reading := a.endings.Guide.Reports(ctx, domain)
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

// ended hears, also from the command line, that accounts of a domain were finished, or that all of it
// was forgotten.
func (a *Finishing) ended(ctx context.Context, domain string, ids []store.AccountID) error {
	if _, known := a.directory.DomainNamed(domain); !known {
		a.memory.drop(domain)
	}
	a.boards.Changed(domain)
	return a.tracker.Stopped(ctx, ids)
}
