package admin

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"postferry/store"
)

func (s *Server) reportRoutes() []route {
	const domain, account = "/domains/{domain}", "/domains/{domain}/accounts/{account}"
	return []route{
		{"GET", domain + "/runs", false, s.apiRuns},
		{"GET", domain + "/runs/{run}", false, s.apiRun},
		{"GET", domain + "/runs/{run}/report", false, s.apiRunReport},
		{"POST", domain + "/verify", false, s.apiStartVerify},
		{"GET", domain + "/verify", false, s.apiVerify},
		{"DELETE", domain + "/verify", false, s.apiCancelVerify},
		{"GET", domain + "/verify/report", false, s.apiVerifyReport},
		{"GET", account + "/quarantine", false, s.apiQuarantine},
		{"POST", account + "/quarantine/retry", false, s.apiRetry},
		{"GET", account + "/quarantine/{message}/header", false, s.apiHeader},
		{"POST", account + "/folders/{folder}/decide", false, s.apiDecideFolder},
	}
}

func pathNumber(r *http.Request, name string) (uint64, error) {
	return strconv.ParseUint(r.PathValue(name), 10, 64)
}

func (s *Server) apiRuns(w http.ResponseWriter, r *http.Request, who actor) error {
	runs, err := s.app.listRuns(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"runs": runs})
}

func (s *Server) apiRun(w http.ResponseWriter, r *http.Request, who actor) error {
	id, err := runID(r)
	if err != nil {
		return err
	}
	v, err := s.app.showRun(r.Context(), who, r.PathValue("domain"), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, v)
}

func (s *Server) apiRunReport(w http.ResponseWriter, r *http.Request, who actor) error {
	id, err := runID(r)
	if err != nil {
		return err
	}
	report, err := s.app.runReport(r.Context(), who, r.PathValue("domain"), id)
	if err != nil {
		return err
	}
	if wantsCSV(r) {
		return writeFile(w, "text/csv; charset=utf-8", "run-"+strconv.FormatUint(uint64(id), 10)+".csv", report.writeCSV)
	}
	return writeJSON(w, http.StatusOK, report)
}

// wantsCSV reports a request for a table rather than JSON.
func wantsCSV(r *http.Request) bool {
	return r.URL.Query().Get("format") == "csv" || strings.HasPrefix(r.Header.Get("Accept"), "text/csv")
}

// writeFile answers with a file to be kept. name must be ours.
func writeFile(w http.ResponseWriter, kind, name string, write func(io.Writer) error) error {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	return ignoreGone(write(w))
}

func (s *Server) apiStartVerify(w http.ResponseWriter, r *http.Request, who actor) error {
	var in struct {
		selection
		Bodies bool `json:"bodies"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	v, err := s.app.startVerify(r.Context(), who, r.PathValue("domain"), in.selection, in.Bodies)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusAccepted, v)
}

func (s *Server) apiVerify(w http.ResponseWriter, r *http.Request, who actor) error {
	v, err := s.app.showVerify(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, v)
}

func (s *Server) apiCancelVerify(w http.ResponseWriter, r *http.Request, who actor) error {
	if err := s.app.cancelVerify(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) apiVerifyReport(w http.ResponseWriter, r *http.Request, who actor) error {
	report, err := s.app.verifyReport(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	if wantsCSV(r) {
		return writeFile(w, "text/csv; charset=utf-8", "verify.csv", report.writeCSV)
	}
	return writeJSON(w, http.StatusOK, report)
}

func (s *Server) apiQuarantine(w http.ResponseWriter, r *http.Request, who actor) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	messages, err := s.app.quarantine(r.Context(), who, r.PathValue("domain"), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"messages": messages})
}

func (s *Server) apiRetry(w http.ResponseWriter, r *http.Request, who actor) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	var in struct {
		Messages []string `json:"messages"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	n, err := s.app.retryQuarantined(r.Context(), who, r.PathValue("domain"), id, in.Messages)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]int{"released": n})
}

func (s *Server) apiDecideFolder(w http.ResponseWriter, r *http.Request, who actor) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	folder, err := folderID(r)
	if err != nil {
		return err
	}
	var in struct {
		Verdict FolderVerdict `json:"verdict"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	if err := s.app.decideFolder(r.Context(), who, r.PathValue("domain"), id, folder, in.Verdict); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func folderID(r *http.Request) (store.FolderID, error) {
	id, err := strconv.ParseUint(r.PathValue("folder"), 10, 32)
	if err != nil {
		return 0, errNotFound("folder")
	}
	return store.FolderID(id), nil
}

func (s *Server) apiHeader(w http.ResponseWriter, r *http.Request, who actor) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	text, err := s.app.quarantinedHeader(r.Context(), who, r.PathValue("domain"), id, r.PathValue("message"))
	if err != nil {
		return err
	}
	// A stranger wrote this: nothing but text may be made of it.
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="header.txt"`)
	_, err = w.Write(text)
	return ignoreGone(err)
}
