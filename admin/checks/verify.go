package checks

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"postferry/admin/access"
	"postferry/admin/jobs"
	"postferry/admin/selection"
	"postferry/internal/spreadsheet"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"

	"github.com/emersion/go-imap/v2"
)

// maxFindings bounds what a verification keeps one by one; harmless findings
// are only counted.
const maxFindings = 100_000

// verifyResults are what a verification has found so far.
type verifyResults struct {
	accounts []report.VerifiedAccount
	findings []report.Finding
	omitted  uint64
	folder   report.VerifyProgress
	bodies   bool
	summary  VerifySummary
}

// VerifySummary sums a verification up.
type VerifySummary struct {
	Same     uint64               `json:"same"` // messages of which nothing differs
	Messages uint64               `json:"messages"`
	Found    report.FindingCounts `json:"found"`  // findings by kind
	Damage   uint64               `json:"damage"` // of these
	Doubtful uint64               `json:"doubtful"`
	Failed   int                  `json:"failed"` // accounts that could not be verified
}

func (r *verifyResults) add(e *report.VerifyEvent) (accountDone bool) {
	s := &r.summary
	switch {
	case e.Progress != nil:
		r.folder = *e.Progress
	case e.Finding != nil:
		s.Found[e.Finding.Kind]++
		switch e.Finding.Severity {
		case report.Damage:
			s.Damage++
		case report.Doubtful:
			s.Doubtful++
		default:
			return false
		}
		if len(r.findings) == maxFindings {
			r.omitted++
			return false
		}
		r.findings = append(r.findings, *e.Finding)
	case e.Account != nil:
		s.Same += e.Account.Same
		s.Messages += e.Account.OldMessages
		if e.Account.Problem != "" {
			s.Failed++
		}
		r.accounts = append(r.accounts, *e.Account)
		return true
	}
	return false
}

// VerifyView is how far a verification is.
type VerifyView struct {
	jobs.Progress
	Bodies   bool          `json:"bodies"`  // whole messages are compared
	Current  string        `json:"current"` // the account being read
	Folder   string        `json:"folder"`  // the folder being read
	Read     uint64        `json:"read"`    // messages read so far, on both servers
	Summary  VerifySummary `json:"summary"`
	Findings int           `json:"findings"` // that the report has one by one
	Omitted  uint64        `json:"findings_omitted"`
}

// VerifyReport is all that the newest verification found.
type VerifyReport struct {
	VerifyView
	Domain   string         `json:"domain"`
	Verified []VerifiedView `json:"verified"`
	All      []FindingView  `json:"all_findings"`
}

// FindingView is a report.Finding as the API tells it: with all fields, whether there is something in
// them or not.
type FindingView struct {
	Login     string             `json:"login"`
	Folder    string             `json:"folder"`
	NewFolder string             `json:"new_folder"`
	Kind      report.FindingKind `json:"kind"`
	Severity  report.Severity    `json:"severity"`
	OldUID    imap.UID           `json:"old_uid"`
	NewUID    imap.UID           `json:"new_uid"`
	Date      *time.Time         `json:"date"`
	Size      int64              `json:"size"`
	Old       reason.Reason      `json:"old"`
	New       reason.Reason      `json:"new"`
	Reason    reason.Reason      `json:"reason"`
	Trouble   *store.Problem     `json:"-"`
}

// VerifiedView is a report.VerifiedAccount likewise.
type VerifiedView struct {
	Login       string               `json:"login"`
	Folders     uint64               `json:"folders"`
	OldMessages uint64               `json:"old_messages"`
	NewMessages uint64               `json:"new_messages"`
	Same        uint64               `json:"same"`
	Found       report.FindingCounts `json:"found"`
	Worst       report.Severity      `json:"worst"`
	Problem     reason.Reason        `json:"problem"`
	Cause       string               `json:"cause"`
	Trouble     *store.Problem       `json:"-"`
}

// Verifications compare the mail of a domain's accounts on both servers.
type Verifications struct {
	scopes        scopes
	chooser       *selection.Chooser
	ferry         verifyFerry
	verifications *jobs.Shelf[verifyResults]
	jobs          *jobs.Runner
	audit         *access.Audit
}

// NewVerifications makes them, without any.
func NewVerifications(opt Options) *Verifications {
	return &Verifications{opt.Scopes, opt.Chooser, opt.Ferry, jobs.NewShelf[verifyResults](), opt.Jobs, opt.Audit}
}

// Drop forgets the newest verification of a domain, and ends it if it goes on.
func (a *Verifications) Drop(domain string) { a.verifications.Drop(domain) }

// Start begins to compare both servers' mail of accounts, with bodies
// octet for octet. It replaces the result of the verification before.
func (a *Verifications) Start(ctx context.Context, who access.Actor, domain string, sel selection.Selection, bodies bool) (*VerifyView, error) {
	d, ids, err := a.chooser.Choose(ctx, who, domain, sel, selection.Unfinished)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, access.Conflict("no_accounts", "There are no accounts to verify.")
	}
	err = jobs.Start(ctx, a.jobs, who, a.verifications, d.Name, jobs.Progress{By: who.Name, Started: time.Now(), Accounts: len(ids)},
		func(ctx context.Context, j *jobs.Job[verifyResults]) error {
			j.Change(func(_ *jobs.Progress, r *verifyResults) { r.bodies, r.summary.Found = bodies, report.FindingCounts{} })
			return a.ferry.Verify(ctx, ids, bodies, func(e report.VerifyEvent) error {
				j.Change(func(v *jobs.Progress, r *verifyResults) {
					if r.add(&e) {
						v.Done++
					}
				})
				return nil
			})
		})
	if err != nil {
		return nil, err
	}
	if err := a.audit.Note(ctx, who, "start_verify", access.About{Domain: d.Name, Account: a.chooser.LoneLogin(ctx, ids)}); err != nil {
		return nil, err
	}
	return a.Show(ctx, who, d.Name)
}

// Show says how far the newest verification is.
func (a *Verifications) Show(ctx context.Context, who access.Actor, domain string) (*VerifyView, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	v := a.View(d.Name)
	if v == nil {
		return nil, access.NotFound("verification")
	}
	return v, nil
}

// View is the newest verification of a domain; nil if there was none.
func (a *Verifications) View(domain string) (v *VerifyView) {
	if j := a.verifications.Get(domain); j != nil {
		j.Change(func(view *jobs.Progress, r *verifyResults) { v = r.view(*view) })
	}
	return v
}

func (r *verifyResults) view(j jobs.Progress) *VerifyView {
	v := &VerifyView{Progress: j, Bodies: r.bodies, Current: r.folder.Login, Folder: r.folder.Folder, Read: r.folder.Messages,
		Summary: r.summary, Findings: len(r.findings), Omitted: r.omitted}
	v.Summary.Found = make(report.FindingCounts, len(r.summary.Found))
	for kind, n := range r.summary.Found {
		v.Summary.Found[kind] = n
	}
	return v
}

// Report returns all that the newest verification found.
func (a *Verifications) Report(ctx context.Context, who access.Actor, domain string) (*VerifyReport, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	j := a.verifications.Get(d.Name)
	if j == nil {
		return nil, access.NotFound("verification")
	}
	all := &VerifyReport{Domain: d.Name}
	j.Change(func(view *jobs.Progress, r *verifyResults) {
		all.VerifyView = *r.view(*view)
		all.Verified, all.All = make([]VerifiedView, len(r.accounts)), make([]FindingView, len(r.findings))
		for i, a := range r.accounts {
			all.Verified[i] = VerifiedView(a)
		}
		for i, f := range r.findings {
			all.All[i] = FindingView(f)
		}
	})
	return all, nil
}

// Cancel ends a verification that is going on.
func (a *Verifications) Cancel(ctx context.Context, who access.Actor, domain string) error {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return err
	}
	return jobs.Cancel(ctx, a.audit, who, a.verifications, d.Name, "cancel_verify")
}

// WriteCSV writes the findings, a line each, for spreadsheets.
func (r *VerifyReport) WriteCSV(w io.Writer) error {
	out := spreadsheet.NewWriter(w)
	errs := []error{out.Write("login", "folder", "new_folder", "kind", "severity", "old_uid", "new_uid", "date", "size", "old", "new", "reason")}
	for _, f := range r.All {
		date := ""
		if f.Date != nil {
			date = f.Date.UTC().Format(time.RFC3339)
		}
		errs = append(errs, out.Write(f.Login, f.Folder, f.NewFolder, string(f.Kind), string(f.Severity), strconv.FormatUint(uint64(f.OldUID), 10),
			strconv.FormatUint(uint64(f.NewUID), 10), date, strconv.FormatInt(f.Size, 10), f.Old.String(), f.New.String(), f.Reason.String()))
	}
	return errors.Join(append(errs, out.Flush())...)
}
