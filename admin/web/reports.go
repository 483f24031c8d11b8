package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/checks"
	"postferry/admin/request"
	"postferry/admin/selection"
	"postferry/admin/transfers"
	"postferry/discover"
)

// reportPages are about what came of checks, runs and verifications.
type reportPages struct {
	frame         *frame
	checks        *checks.Checks
	domains       *admin.Domains
	runs          *transfers.Runs
	scopes        *admin.Scopes
	verifications *checks.Verifications
}

func (s *reportPages) routes() []pageRoute {
	return []pageRoute{
		{"GET /d/{domain}/check", false, s.pageCheck},
		{"POST /d/{domain}/check", false, s.formCheck},
		{"GET /d/{domain}/runs", false, s.pageRuns},
		{"GET /d/{domain}/runs/{run}", false, s.pageRun},
		{"GET /d/{domain}/runs/{run}/report.csv", false, s.downloadRun},
		{"GET /d/{domain}/runs/{run}/report.json", false, s.downloadRun},
		{"GET /d/{domain}/verify", false, s.pageVerify},
		{"POST /d/{domain}/verify", false, s.formVerify},
		{"GET /d/{domain}/verify/report.csv", false, s.downloadVerify},
		{"GET /d/{domain}/verify/report.json", false, s.downloadVerify},
	}
}

// checkPart is how far a check is.
type checkPart struct {
	W      *words
	Domain string
	C      *checks.CheckView
}

// checkPageView is a check with a page of what it found.
type checkPageView struct {
	Peculiar   []discover.Message // of the servers' providers
	Check      checkPart
	Domain     *admin.DomainView
	Rows       []checks.CheckedAccount
	Search     string
	Trouble    bool
	Total      int
	Back, Next string
}

func (s *reportPages) pageCheck(v *visit) error {
	ctx := v.r.Context()
	d, err := s.domains.Show(ctx, v.who, v.domain())
	if err != nil {
		return err
	}
	x := checkPageView{Domain: d, Peculiar: s.scopes.Peculiarities(d.Name), Check: checkPart{W: v.W, Domain: d.Name, C: s.checks.View(d.Name)}}
	if x.Check.C != nil {
		page, perPage, err := request.Page(v.r)
		if err != nil {
			return err
		}
		x.Search, x.Trouble = v.r.URL.Query().Get("search"), v.r.URL.Query().Get("trouble") != ""
		found, err := s.checks.Accounts(ctx, v.who, d.Name, x.Search, x.Trouble, page, perPage)
		if err != nil {
			return err
		}
		x.Rows, x.Total = found.Accounts, found.Total
		x.Back, x.Next = pager(v.r, found.Page, found.Page*found.PerPage < found.Total)
	}
	return s.frame.show(v, "check", view{Title: v.T("check.title"), Crumbs: v.toDomain(d.Name), D: x, Stream: domainPath(d.Name, "live")})
}

// formCheck begins a check of all accounts, or ends the one that goes on.
func (s *reportPages) formCheck(v *visit) error {
	return v.formJob("check", s.checks.Cancel, func(ctx context.Context) error {
		_, err := s.checks.Start(ctx, v.who, v.domain(), selection.Selection{All: true})
		return err
	})
}

// formJob is a form that begins a job of a domain or cancels the one that goes on. It
// leads to the job's page, also if there is nothing to be done.
func (v *visit) formJob(page string, cancel func(context.Context, access.Actor, string) error, start func(context.Context) error) error {
	var err error
	if v.r.PostFormValue("do") == "cancel" {
		err = cancel(v.r.Context(), v.who, v.domain())
	} else {
		err = start(v.r.Context())
	}
	if err != nil && request.RefusalOf(err).Kind != access.KindConflict {
		return err
	}
	return v.seeOther(domainPath(v.domain(), page))
}

func (s *reportPages) pageRuns(v *visit) error {
	runs, err := s.runs.List(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	d, err := s.domains.Show(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	return s.frame.show(v, "runs", view{Title: v.T("runs.title"), Crumbs: v.toDomain(v.domain()), D: struct {
		Domain string
		Runs   []transfers.RunView
		Itself whole // what passes by themselves do
	}{v.domain(), runs, whole{W: v.W, D: d}}})
}

// shownParts is how many accounts a run's page shows; the report has them all.
const shownParts = 500

func (s *reportPages) pageRun(v *visit) error {
	id, err := request.RunID(v.r)
	if err != nil {
		return err
	}
	report, err := s.runs.Report(v.r.Context(), v.who, v.domain(), id)
	if err != nil {
		return err
	}
	more := max(0, len(report.Parts)-shownParts)
	report.Parts = report.Parts[:min(len(report.Parts), shownParts)]
	return s.frame.show(v, "run", view{Title: v.T("run.title", "Number", uint64(id)), D: struct {
		*transfers.RunReport
		More int
	}{report, more}, Crumbs: append(v.toDomain(v.domain()), crumb{domainPath(v.domain(), "runs"), v.T("runs.title")})})
}

// download sends a file.
func (v *visit) download(name, kind string, write func(io.Writer) error) error {
	v.w.Header().Set("Content-Type", kind)
	v.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	return request.IgnoreGone(write(v.w))
}

func (s *reportPages) downloadRun(v *visit) error {
	id, err := request.RunID(v.r)
	if err != nil {
		return err
	}
	report, err := s.runs.Report(v.r.Context(), v.who, v.domain(), id)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s-run-%d", report.Domain, id)
	return v.downloadReport(name, report, report.WriteCSV)
}

// downloadReport sends a report in the form that the address ends in.
func (v *visit) downloadReport(name string, report any, csv func(io.Writer) error) error {
	if v.isCSV() {
		return v.download(name+".csv", "text/csv; charset=utf-8", csv)
	}
	v.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name+".json"))
	return request.WriteJSON(v.w, http.StatusOK, report)
}

func (v *visit) isCSV() bool {
	const end = ".csv"
	return len(v.r.URL.Path) > len(end) && v.r.URL.Path[len(v.r.URL.Path)-len(end):] == end
}

// verifyPart is how far a verification is.
type verifyPart struct {
	W      *words
	Domain string
	Y      *checks.VerifyView
}

func (s *reportPages) pageVerify(v *visit) error {
	d, err := s.domains.Show(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	x := struct {
		Verify   verifyPart
		Domain   string
		Findings []checks.FindingView
		More     int
		Failed   []checks.VerifiedView // the first of those that could not be verified
	}{Verify: verifyPart{v.W, d.Name, s.verifications.View(d.Name)}, Domain: d.Name}
	if x.Verify.Y != nil {
		report, err := s.verifications.Report(v.r.Context(), v.who, d.Name)
		if err != nil {
			return err
		}
		x.Findings, x.More = report.All[:min(len(report.All), shownParts)], max(0, len(report.All)-shownParts)
		for _, a := range report.Verified {
			if a.Problem != "" && len(x.Failed) < shownParts {
				x.Failed = append(x.Failed, a)
			}
		}
	}
	return s.frame.show(v, "verify", view{Title: v.T("verify.title"), Crumbs: v.toDomain(d.Name), D: x, Stream: domainPath(d.Name, "live")})
}

func (s *reportPages) formVerify(v *visit) error {
	return v.formJob("verify", s.verifications.Cancel, func(ctx context.Context) error {
		_, err := s.verifications.Start(ctx, v.who, v.domain(), selection.Selection{All: true}, v.r.PostFormValue("bodies") != "")
		return err
	})
}

func (s *reportPages) downloadVerify(v *visit) error {
	report, err := s.verifications.Report(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	return v.downloadReport(fmt.Sprintf("%s-verify-%s", report.Domain, report.Started.UTC().Format(time.DateOnly)), report, report.WriteCSV)
}
