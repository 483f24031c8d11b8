package checks

import (
	"context"
	"slices"
	"strings"
	"time"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/jobs"
	"postferry/admin/selection"
	"postferry/discover"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// maxCheckedFolders bounds the folders and notes that the result of a check keeps, all
// accounts together; what is beyond is summed up only. A long name counts as several.
// Of notes some stay.
const (
	maxCheckedFolders = 200_000
	checkedName       = 200 // octets
	someNotes         = 10
)

// checkResults are what a check has found so far.
type checkResults struct {
	accounts []CheckedAccount
	folders  int   // kept in accounts, with the notes
	oneByOne int64 // seconds it all takes if nothing is done at the same time
	summary  CheckSummary
}

// CheckSummary sums a check up.
type CheckSummary struct {
	Ready    int    `json:"ready"`     // both logins work and everything fits
	Failed   int    `json:"failed"`    // a login does not work, or a server can't be reached
	TooSmall int    `json:"too_small"` // a quota is too small, or messages are too large
	Messages uint64 `json:"messages"`  // to be copied at most
	Octets   uint64 `json:"octets"`    // of these
	// EstimateSeconds is how long all of it takes at least.
	EstimateSeconds int64 `json:"estimate_seconds"`
}

// CheckedAccount is what a check found of an account.
type CheckedAccount struct {
	Account         store.AccountID     `json:"account"`
	Login           string              `json:"login"`
	Ready           bool                `json:"ready"`
	Tried           bool                `json:"tried"` // both servers were
	OldProblem      *report.Problem     `json:"old_problem"`
	NewProblem      *report.Problem     `json:"new_problem"`
	Folders         []CheckedFolderView `json:"folders"`
	FoldersOmitted  int                 `json:"folders_omitted"`
	Notes           []reason.Reason     `json:"notes"`
	Messages        uint64              `json:"messages"`
	Octets          uint64              `json:"octets"`
	TooLarge        uint64              `json:"too_large"` // messages larger than the new server takes
	Limit           int64               `json:"limit"`     // octets of one message; 0 if not told
	Quotas          []QuotaView         `json:"quotas"`
	Lacks           string              `json:"lacks"` // which quota is too small; "" if none
	Lack            *report.Lack        `json:"-"`
	EstimateSeconds int64               `json:"estimate_seconds"`
}

// CheckedFolderView is what becomes of a folder.
type CheckedFolderView struct {
	Title    string              `json:"folder"`
	NewTitle string              `json:"new_folder"`
	Action   report.FolderAction `json:"action"`
	Messages uint64              `json:"messages"`
	Copy     uint64              `json:"copy"`
	Octets   uint64              `json:"octets"`
	TooLarge uint64              `json:"too_large"`
	Problem  reason.Reason       `json:"problem"`
	LeftOut  uint64              `json:"left_out"` // messages that are deliberately not copied
	Reason   reason.Reason       `json:"reason"`   // why it is left alone; "" if it is not
	Trouble  *report.Problem     `json:"-"`
}

// QuotaView is a limit at the new server.
type QuotaView struct {
	Resource string `json:"resource"`
	Used     uint64 `json:"used"`
	Limit    uint64 `json:"limit"`
}

func viewChecked(c *report.Check) CheckedAccount {
	v := CheckedAccount{
		Account: c.Account, Login: c.Login, Ready: c.Ready(), Tried: c.Problem == "",
		OldProblem: report.ProblemOf(c.Trouble[store.OldSide]), NewProblem: report.ProblemOf(c.Trouble[store.NewSide]),
		Folders: make([]CheckedFolderView, len(c.Folders)), Notes: append([]reason.Reason{}, c.Notes...),
		Messages: c.Copy, Octets: c.Bytes, TooLarge: c.TooLarge, Limit: c.Limit,
		Quotas: make([]QuotaView, len(c.Quotas)), Lacks: c.Lacks, Lack: c.Lack, EstimateSeconds: int64(c.Estimate.Seconds()),
	}
	for i, f := range c.Folders {
		v.Folders[i] = CheckedFolderView{Title: f.Folder, NewTitle: f.NewFolder, Action: f.Action, Messages: f.Messages, Copy: f.Copy,
			Octets: f.Bytes, TooLarge: f.TooLarge, LeftOut: f.LeftOut, Reason: f.Reason, Trouble: report.ProblemOf(f.Trouble)}
		if f.Trouble != nil {
			v.Folders[i].Problem = f.Trouble.Summary
		}
	}
	for i, q := range c.Quotas {
		v.Quotas[i] = QuotaView(q)
	}
	return v
}

// add takes an account's result in.
func (c *checkResults) add(r *report.Check) {
	v, s := viewChecked(r), &c.summary
	switch {
	case v.OldProblem != nil || v.NewProblem != nil || !v.Tried:
		s.Failed++
	case !v.Ready:
		s.TooSmall++
	default:
		s.Ready++
	}
	s.Messages += v.Messages
	s.Octets += v.Octets
	c.oneByOne += v.EstimateSeconds
	s.EstimateSeconds = max(s.EstimateSeconds, v.EstimateSeconds, c.oneByOne/int64(max(r.AtOnce, 1)))
	if weight := v.weight(); c.folders+weight <= maxCheckedFolders {
		c.folders += weight
	} else {
		v.FoldersOmitted, v.Folders = len(v.Folders), []CheckedFolderView{}
		n := min(len(v.Notes), someNotes)
		v.Notes = slices.Clone(v.Notes[:n])
	}
	c.accounts = append(c.accounts, v)
}

// weight is how many folders' room a result takes.
func (c *CheckedAccount) weight() (n int) {
	for i := range c.Folders {
		n += 1 + (len(c.Folders[i].Title)+len(c.Folders[i].NewTitle))/checkedName
	}
	for i := range c.Notes {
		n += 1 + len(c.Notes[i])/checkedName
	}
	return n
}

// CheckView is how far a check is, with a page of what it found.
type CheckView struct {
	jobs.Progress
	Summary CheckSummary `json:"summary"`
	// Peculiarities are what to know of the servers' providers: what signing in takes, limits, and what
	// isn't seen there.
	Peculiarities []discover.Message `json:"peculiarities"`
}

// CheckPage is a page of the accounts that a check was about, those with
// trouble first.
type CheckPage struct {
	Accounts []CheckedAccount `json:"accounts"`
	Total    int              `json:"total"`
	Page     int              `json:"page"`
	PerPage  int              `json:"per_page"`
}

// Checks try the logins of a domain's accounts.
type Checks struct {
	scopes  scopes
	chooser *selection.Chooser
	ferry   checkFerry
	checks  *jobs.Shelf[checkResults]
	jobs    *jobs.Runner
	audit   *access.Audit
}

// NewChecks makes them, without any.
func NewChecks(opt Options) *Checks {
	return &Checks{opt.Scopes, opt.Chooser, opt.Ferry, jobs.NewShelf[checkResults](), opt.Jobs, opt.Audit}
}

// Drop forgets the newest check of a domain, and ends it if it goes on.
func (a *Checks) Drop(domain string) { a.checks.Drop(domain) }

// Start begins to try the logins of accounts and to look at what would be
// copied. It replaces the result of the check before.
func (a *Checks) Start(ctx context.Context, who access.Actor, domain string, sel selection.Selection) (*CheckView, error) {
	d, ids, err := a.chooser.Choose(ctx, who, domain, sel, selection.Unfinished)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, access.Conflict("no_accounts", "There are no accounts to check.")
	}
	err = jobs.Start(ctx, a.jobs, who, a.checks, d.Name, jobs.Progress{By: who.Name, Started: time.Now(), Accounts: len(ids)},
		func(ctx context.Context, j *jobs.Job[checkResults]) error {
			return a.ferry.Check(ctx, ids, func(r report.Check) error {
				j.Change(func(v *jobs.Progress, c *checkResults) {
					v.Done++
					c.add(&r)
				})
				return nil
			})
		})
	if err != nil {
		return nil, err
	}
	if err := a.audit.Note(ctx, who, "start_check", access.About{Domain: d.Name, Account: a.chooser.LoneLogin(ctx, ids)}); err != nil {
		return nil, err
	}
	return a.Show(ctx, who, d.Name)
}

// Show says how far the newest check is.
func (a *Checks) Show(ctx context.Context, who access.Actor, domain string) (*CheckView, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	v := a.View(d.Name)
	if v == nil {
		return nil, access.NotFound("check")
	}
	return v, nil
}

// View is the newest check of a domain; nil if there was none.
func (a *Checks) View(domain string) (v *CheckView) {
	if j := a.checks.Get(domain); j != nil {
		j.Change(func(view *jobs.Progress, c *checkResults) {
			v = &CheckView{Progress: *view, Summary: c.summary, Peculiarities: a.scopes.Peculiarities(domain)}
		})
	}
	return v
}

// Accounts returns a page of what the newest check found. trouble
// leaves out the accounts that are ready.
func (a *Checks) Accounts(ctx context.Context, who access.Actor, domain, search string, trouble bool, page, perPage int) (*CheckPage, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	j := a.checks.Get(d.Name)
	if j == nil {
		return nil, access.NotFound("check")
	}
	var found []CheckedAccount
	search = strings.ToLower(strings.TrimSpace(search))
	j.Change(func(_ *jobs.Progress, c *checkResults) {
		for _, x := range c.accounts {
			if (!trouble || !x.Ready) && strings.Contains(strings.ToLower(x.Login), search) {
				found = append(found, x)
			}
		}
	})
	slices.SortStableFunc(found, func(x, y CheckedAccount) int {
		if x.Ready != y.Ready {
			return map[bool]int{false: -1, true: 1}[x.Ready]
		}
		return strings.Compare(strings.ToLower(x.Login), strings.ToLower(y.Login))
	})
	p := &CheckPage{Total: len(found), Page: max(page, 1), PerPage: min(max(perPage, 1), board.MaxPerPage)}
	p.Accounts = board.PageFrom(found, p.Page, p.PerPage)
	return p, nil
}

// Account is what the newest check found of one account.
func (a *Checks) Account(ctx context.Context, who access.Actor, domain string, id store.AccountID) (*CheckedAccount, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	var found *CheckedAccount
	if j := a.checks.Get(d.Name); j != nil {
		j.Change(func(_ *jobs.Progress, c *checkResults) {
			for i := range c.accounts {
				if c.accounts[i].Account == id {
					x := c.accounts[i]
					found = &x
				}
			}
		})
	}
	if found == nil {
		return nil, access.NotFound("check")
	}
	return found, nil
}

// Cancel ends a check that is going on.
func (a *Checks) Cancel(ctx context.Context, who access.Actor, domain string) error {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return err
	}
	return jobs.Cancel(ctx, a.audit, who, a.checks, d.Name, "cancel_check")
}

// Counted are the messages that the newest check of a domain counted, by account.
func (a *Checks) Counted(domain string) map[store.AccountID]uint64 {
	counted := map[store.AccountID]uint64{}
	if j := a.checks.Get(domain); j != nil {
		j.Change(func(_ *jobs.Progress, c *checkResults) {
			for i := range c.accounts {
				if c.accounts[i].OldProblem == nil && c.accounts[i].Tried {
					counted[c.accounts[i].Account] = c.accounts[i].Messages
				}
			}
		})
	}
	return counted
}
