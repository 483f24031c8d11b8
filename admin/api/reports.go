package api

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"postferry/admin/access"
	"postferry/admin/checks"
	"postferry/admin/request"
	"postferry/admin/selection"
	"postferry/admin/transfers"
	"postferry/report"
)

// reportAPI is about what came of runs and verifications.
type reportAPI struct {
	runs          *transfers.Runs
	verifications *checks.Verifications
}

func (s *reportAPI) routes() []operation {
	const domain = "/domains/{domain}"
	return []operation{
		{"GET", domain + "/runs", false, s.listRuns},
		{"GET", domain + "/runs/{run}", false, s.run},
		{"GET", domain + "/runs/{run}/report", false, s.runReport},
		{"POST", domain + "/verify", false, s.startVerify},
		{"GET", domain + "/verify", false, s.verify},
		{"DELETE", domain + "/verify", false, s.cancelVerify},
		{"GET", domain + "/verify/report", false, s.verifyReport},
	}
}

func (s *reportAPI) listRuns(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	runs, err := s.runs.List(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, map[string]any{"runs": runs})
}

func (s *reportAPI) run(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	id, err := request.RunID(r)
	if err != nil {
		return err
	}
	v, err := s.runs.Show(r.Context(), who, r.PathValue("domain"), id)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, v)
}

func (s *reportAPI) runReport(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	id, err := request.RunID(r)
	if err != nil {
		return err
	}
	report, err := s.runs.Report(r.Context(), who, r.PathValue("domain"), id)
	if err != nil {
		return err
	}
	if wantsCSV(r) {
		return writeFile(w, "text/csv; charset=utf-8", "run-"+strconv.FormatUint(uint64(id), 10)+".csv", report.WriteCSV)
	}
	return request.WriteJSON(w, http.StatusOK, report)
}

// wantsCSV reports a request for a table rather than JSON.
func wantsCSV(r *http.Request) bool {
	return r.URL.Query().Get("format") == "csv" || strings.HasPrefix(r.Header.Get("Accept"), "text/csv")
}

// writeFile answers with a file to be kept. name must be ours.
func writeFile(w http.ResponseWriter, kind, name string, write func(io.Writer) error) error {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	return request.IgnoreGone(write(w))
}

func (s *reportAPI) startVerify(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	var in struct {
		selection.Selection
		Bodies bool `json:"bodies"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	v, err := s.verifications.Start(r.Context(), who, r.PathValue("domain"), in.Selection, in.Bodies)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusAccepted, v)
}

func (s *reportAPI) verify(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	v, err := s.verifications.Show(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, v)
}

func (s *reportAPI) cancelVerify(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	if err := s.verifications.Cancel(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *reportAPI) verifyReport(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	report, err := s.verifications.Report(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	if wantsCSV(r) {
		return writeFile(w, "text/csv; charset=utf-8", "verify.csv", report.WriteCSV)
	}
	return request.WriteJSON(w, http.StatusOK, report)
}

func (s *accountAPI) quarantine(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	id, err := request.AccountID(r)
	if err != nil {
		return err
	}
	messages, err := s.folders.Quarantine(r.Context(), who, r.PathValue("domain"), id)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, map[string]any{"messages": messages})
}

func (s *accountAPI) retry(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	id, err := request.AccountID(r)
	if err != nil {
		return err
	}
	var in struct {
		Messages []string `json:"messages"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	n, err := s.folders.RetryQuarantined(r.Context(), who, r.PathValue("domain"), id, in.Messages)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, map[string]int{"released": n})
}

func (s *accountAPI) decideFolder(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	id, err := request.AccountID(r)
	if err != nil {
		return err
	}
	folder, err := request.FolderID(r)
	if err != nil {
		return err
	}
	var in struct {
		Verdict report.FolderVerdict `json:"verdict"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	if err := s.folders.DecideFolder(r.Context(), who, r.PathValue("domain"), id, folder, in.Verdict); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *accountAPI) header(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	id, err := request.AccountID(r)
	if err != nil {
		return err
	}
	text, err := s.folders.QuarantinedHeader(r.Context(), who, r.PathValue("domain"), id, r.PathValue("message"))
	if err != nil {
		return err
	}
	// A stranger wrote this: nothing but text may be made of it.
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="header.txt"`)
	_, err = w.Write(text)
	return request.IgnoreGone(err)
}

func (s *accountAPI) decideMailbox(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	id, err := request.AccountID(r)
	if err != nil {
		return err
	}
	var in struct {
		Verdict report.MailboxVerdict `json:"verdict"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	if err := s.accounts.DecideMailbox(r.Context(), who, r.PathValue("domain"), id, in.Verdict); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
