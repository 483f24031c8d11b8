package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"postferry/admin"
	"postferry/admin/request"
	"postferry/discover"
)

func (s *Site) reportPages() []pageRoute {
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
	C      *admin.CheckView
}

// checkPageView is a check with a page of what it found.
type checkPageView struct {
	Peculiar   []discover.Message // of the servers' providers
	Check      checkPart
	Domain     *admin.DomainView
	Rows       []admin.CheckedAccount
	Search     string
	Trouble    bool
	Total      int
	Back, Next string
}

func (s *Site) pageCheck(v *visit) error {
	ctx := v.r.Context()
	d, err := s.app.Domains.Show(ctx, v.who, v.domain())
	if err != nil {
		return err
	}
	x := checkPageView{Domain: d, Peculiar: s.app.Scopes.Peculiarities(d.Name), Check: checkPart{W: v.W, Domain: d.Name, C: s.app.Checks.View(d.Name)}}
	if x.Check.C != nil {
		page, perPage, err := request.Page(v.r)
		if err != nil {
			return err
		}
		x.Search, x.Trouble = v.r.URL.Query().Get("search"), v.r.URL.Query().Get("trouble") != ""
		found, err := s.app.Checks.Accounts(ctx, v.who, d.Name, x.Search, x.Trouble, page, perPage)
		if err != nil {
			return err
		}
		x.Rows, x.Total = found.Accounts, found.Total
		x.Back, x.Next = pager(v.r, found.Page, found.Page*found.PerPage < found.Total)
	}
	return s.show(v, "check", view{Title: v.T("check.title"), Crumbs: v.toDomain(d.Name), D: x, Stream: domainPath(d.Name, "live")})
}

// formCheck begins a check of all accounts, or ends the one that goes on.
func (s *Site) formCheck(v *visit) error {
	return v.formJob("check", s.app.Checks.Cancel, func(ctx context.Context) error {
		_, err := s.app.Checks.Start(ctx, v.who, v.domain(), admin.Selection{All: true})
		return err
	})
}

// formJob is a form that begins a job of a domain or cancels the one that goes on. It
// leads to the job's page, also if there is nothing to be done.
func (v *visit) formJob(page string, cancel func(context.Context, admin.Actor, string) error, start func(context.Context) error) error {
	var err error
	if v.r.PostFormValue("do") == "cancel" {
		err = cancel(v.r.Context(), v.who, v.domain())
	} else {
		err = start(v.r.Context())
	}
	if err != nil && request.RefusalOf(err).Kind != admin.KindConflict {
		return err
	}
	return v.seeOther(domainPath(v.domain(), page))
}

func (s *Site) pageRuns(v *visit) error {
	runs, err := s.app.Runs.List(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	return s.show(v, "runs", view{Title: v.T("runs.title"), Crumbs: v.toDomain(v.domain()), D: struct {
		Domain string
		Runs   []admin.RunView
	}{v.domain(), runs}})
}

// shownParts is how many accounts a run's page shows; the report has them all.
const shownParts = 500

func (s *Site) pageRun(v *visit) error {
	id, err := request.RunID(v.r)
	if err != nil {
		return err
	}
	report, err := s.app.Runs.Report(v.r.Context(), v.who, v.domain(), id)
	if err != nil {
		return err
	}
	more := max(0, len(report.Parts)-shownParts)
	report.Parts = report.Parts[:min(len(report.Parts), shownParts)]
	return s.show(v, "run", view{Title: v.T("run.title", "Number", uint64(id)), D: struct {
		*admin.RunReport
		More int
	}{report, more}, Crumbs: append(v.toDomain(v.domain()), crumb{domainPath(v.domain(), "runs"), v.T("runs.title")})})
}

// download sends a file.
func (v *visit) download(name, kind string, write func(io.Writer) error) error {
	v.w.Header().Set("Content-Type", kind)
	v.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	return request.IgnoreGone(write(v.w))
}

func (s *Site) downloadRun(v *visit) error {
	id, err := request.RunID(v.r)
	if err != nil {
		return err
	}
	report, err := s.app.Runs.Report(v.r.Context(), v.who, v.domain(), id)
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
	Y      *admin.VerifyView
}

func (s *Site) pageVerify(v *visit) error {
	d, err := s.app.Domains.Show(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	x := struct {
		Verify   verifyPart
		Domain   string
		Findings []admin.FindingView
		More     int
		Failed   []admin.VerifiedView // the first of those that could not be verified
	}{Verify: verifyPart{v.W, d.Name, s.app.Verifications.View(d.Name)}, Domain: d.Name}
	if x.Verify.Y != nil {
		report, err := s.app.Verifications.Report(v.r.Context(), v.who, d.Name)
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
	return s.show(v, "verify", view{Title: v.T("verify.title"), Crumbs: v.toDomain(d.Name), D: x, Stream: domainPath(d.Name, "live")})
}

func (s *Site) formVerify(v *visit) error {
	return v.formJob("verify", s.app.Verifications.Cancel, func(ctx context.Context) error {
		_, err := s.app.Verifications.Start(ctx, v.who, v.domain(), admin.Selection{All: true}, v.r.PostFormValue("bodies") != "")
		return err
	})
}

func (s *Site) downloadVerify(v *visit) error {
	report, err := s.app.Verifications.Report(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	return v.downloadReport(fmt.Sprintf("%s-verify-%s", report.Domain, report.Started.UTC().Format(time.DateOnly)), report, report.WriteCSV)
}
