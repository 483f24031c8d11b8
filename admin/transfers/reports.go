package transfers

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"postferry/admin/access"
	"postferry/internal/spreadsheet"
	"postferry/report"
	"postferry/store"
)

// RunView is a run, as lists show it.
type RunView struct {
	ID       store.RunID    `json:"id"`
	Kind     store.RunKind  `json:"kind"`
	By       string         `json:"by"` // "" for the schedule
	State    store.RunState `json:"state"`
	Started  time.Time      `json:"started"`
	Ended    *time.Time     `json:"ended"`
	Accounts uint64         `json:"accounts"`
	Complete uint64         `json:"complete"`
	Failed   uint64         `json:"failed"`
	Stopped  uint64         `json:"stopped"`
	report.Figures
}

func viewRun(r store.Run) RunView {
	return RunView{ID: r.ID, Kind: r.Kind, By: r.By, State: r.State, Started: r.Started, Ended: report.TimeOrNil(r.Ended), Accounts: r.Accounts,
		Complete: r.Complete, Failed: r.Failed, Stopped: r.Stopped, Figures: report.Figures(r.Figures)}
}

// RunAccountView is an account's part in a run.
type RunAccountView struct {
	Account store.AccountID `json:"account"`
	Login   string          `json:"login"` // "" if it was removed since
	Outcome store.Outcome   `json:"outcome"`
	Ended   *time.Time      `json:"ended"`
	Passes  uint64          `json:"passes"`
	report.Figures
	Problem *report.Problem `json:"problem"`
	// Refused are the messages that one of the servers refuses now.
	Refused []Quarantined `json:"refused"`
}

// RunReport is what came of a run, account by account.
type RunReport struct {
	Domain string `json:"domain"`
	RunView
	Parts []RunAccountView `json:"parts"`
}

// Runs are what transfers came to.
type Runs struct {
	scopes scopes
	store  Store
	ferry  quarantineFerry
}

// NewRuns makes them.
func NewRuns(opt Options) *Runs { return &Runs{opt.Scopes, opt.Store, opt.Ferry} }

// Newest is a domain's newest run; nil if there was none.
func (a *Runs) Newest(ctx context.Context, domain string) (*RunView, error) {
	runs, err := a.store.Runs(ctx, domain)
	if err != nil || len(runs) == 0 {
		return nil, err
	}
	v := viewRun(runs[0])
	return &v, nil
}

// List returns a domain's runs, newest first.
func (a *Runs) List(ctx context.Context, who access.Actor, domain string) ([]RunView, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	runs, err := a.store.Runs(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	views := make([]RunView, len(runs))
	for i, r := range runs {
		views[i] = viewRun(r)
	}
	return views, nil
}

// find finds a run of a domain.
func (a *Runs) find(ctx context.Context, domain string, id store.RunID) (store.Run, error) {
	r, err := a.store.Run(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && r.Domain != domain {
		return store.Run{}, access.NotFound("run")
	}
	return r, err
}

// Show returns one run.
func (a *Runs) Show(ctx context.Context, who access.Actor, domain string, id store.RunID) (*RunView, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	r, err := a.find(ctx, d.Name, id)
	if err != nil {
		return nil, err
	}
	v := viewRun(r)
	return &v, nil
}

// Report returns what came of a run for each account, those with trouble
// first. Messages in quarantine are those of now.
func (a *Runs) Report(ctx context.Context, who access.Actor, domain string, id store.RunID) (*RunReport, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	r, err := a.find(ctx, d.Name, id)
	if err != nil {
		return nil, err
	}
	parts, err := a.store.RunAccounts(ctx, id)
	if err != nil {
		return nil, err
	}
	rows, err := a.store.Overview(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	known := make(map[store.AccountID]*store.Overview, len(rows))
	for i := range rows {
		known[rows[i].ID] = &rows[i]
	}
	out := &RunReport{Domain: d.Name, RunView: viewRun(r), Parts: make([]RunAccountView, len(parts))}
	for i, p := range parts {
		v := RunAccountView{Account: p.Account, Outcome: p.Outcome, Ended: report.TimeOrNil(p.Ended), Passes: p.Passes,
			Figures: report.Figures(p.Figures), Problem: report.ProblemOf(p.Problem), Refused: []Quarantined{}}
		if o := known[p.Account]; o != nil {
			v.Login = o.Login
			if o.Summary.Quarantined > 0 {
				refused, err := a.ferry.Quarantine(ctx, p.Account)
				if err != nil {
					return nil, err
				}
				v.Refused = ViewQuarantined(refused)
			}
		}
		out.Parts[i] = v
	}
	slices.SortStableFunc(out.Parts, func(x, y RunAccountView) int { return outcomeRank(&x) - outcomeRank(&y) })
	return out, nil
}

// outcomeRank puts what a person should look at first.
func outcomeRank(v *RunAccountView) int {
	switch {
	case v.Outcome == store.OutcomeFailed:
		return 0
	case v.Problem != nil:
		return 1
	case len(v.Refused) > 0:
		return 2
	case v.Outcome == store.OutcomeStopped:
		return 3
	case v.Outcome == store.OutcomeOpen:
		return 4
	}
	return 5
}

// WriteCSV writes the report, a line for each account.
func (r *RunReport) WriteCSV(w io.Writer) error {
	out := spreadsheet.NewWriter(w)
	errs := []error{out.Write("login", "outcome", "copied", "adopted", "flag_changes", "octets", "quarantined", "problem", "cause", "ended")}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	for _, p := range r.Parts {
		problem, cause, ended := "", "", ""
		if p.Problem != nil {
			problem, cause = p.Problem.Summary.String(), p.Problem.Cause
		}
		if p.Ended != nil {
			ended = p.Ended.UTC().Format(time.RFC3339)
		}
		errs = append(errs, out.Write(p.Login, string(p.Outcome), number(p.Copied), number(p.Adopted), number(p.FlagChanges),
			number(p.Bytes), strconv.Itoa(len(p.Refused)), problem, cause, ended))
	}
	return errors.Join(append(errs, out.Flush())...)
}
