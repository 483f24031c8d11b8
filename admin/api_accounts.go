package admin

import (
	"mime"
	"net/http"
	"strings"
	"time"

	"postferry/config"
	"postferry/store"
)

func (s *Server) accountRoutes() []route {
	const domain = "/domains/{domain}"
	return []route{
		{"GET", domain + "/accounts", false, s.apiAccounts},
		{"POST", domain + "/accounts", false, s.apiAddAccounts},
		{"POST", domain + "/accounts/remove", false, s.apiRemoveAccounts},
		{"GET", domain + "/accounts/{account}", false, s.apiAccount},
		{"PATCH", domain + "/accounts/{account}", false, s.apiUpdateAccount},
		{"POST", domain + "/lists", false, s.apiUploadList},
		{"GET", domain + "/lists/{list}", false, s.apiList},
		{"DELETE", domain + "/lists/{list}", false, s.apiDropList},
	}
}

func (s *Server) apiAccounts(w http.ResponseWriter, r *http.Request, who actor) error {
	page, perPage, err := pageOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	accounts, err := s.app.listAccounts(r.Context(), who, r.PathValue("domain"), accountQuery{
		Search: q.Get("search"), State: accountState(q.Get("state")), Problem: store.ProblemKind(q.Get("problem")),
		Sort: q.Get("sort"), Desc: q.Get("order") == "desc", Page: page, PerPage: perPage,
	})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, accounts)
}

// apiAddAccounts takes accounts of a form or a program, or those of a list
// that was uploaded before.
func (s *Server) apiAddAccounts(w http.ResponseWriter, r *http.Request, who actor) error {
	var in struct {
		Accounts []accountInput `json:"accounts"`
		List     string         `json:"list"`
		OnlyGood bool           `json:"only_good"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	var result *added
	var err error
	switch {
	case (in.List == "") == (len(in.Accounts) == 0):
		return errInvalid(wrongField("accounts", "missing", "Give either accounts or a list."))
	case in.List != "":
		result, err = s.app.addList(r.Context(), who, r.PathValue("domain"), in.List, in.OnlyGood)
	default:
		result, err = s.app.addAccounts(r.Context(), who, r.PathValue("domain"), in.Accounts)
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, result)
}

func (s *Server) apiRemoveAccounts(w http.ResponseWriter, r *http.Request, who actor) error {
	var sel selection
	if err := readJSON(r, &sel); err != nil {
		return err
	}
	n, err := s.app.removeAccounts(r.Context(), who, r.PathValue("domain"), sel)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, affected{Accounts: n})
}

func (s *Server) apiAccount(w http.ResponseWriter, r *http.Request, who actor) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	detail, err := s.app.accountDetail(r.Context(), who, r.PathValue("domain"), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, detail)
}

func (s *Server) apiUpdateAccount(w http.ResponseWriter, r *http.Request, who actor) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	var p accountPatch
	if err := readJSON(r, &p); err != nil {
		return err
	}
	v, err := s.app.updateAccount(r.Context(), who, r.PathValue("domain"), id, p)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, v)
}

// isUpload reports a request whose body may be large: its handler bounds it.
func isUpload(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false
	}
	api, form := strings.HasPrefix(r.URL.Path, apiPrefix+"/domains/"), strings.HasPrefix(r.URL.Path, "/d/")
	return api && strings.HasSuffix(r.URL.Path, "/lists") || form && strings.HasSuffix(r.URL.Path, "/accounts/list")
}

// apiUploadList takes a list as the body: text/csv for CSV, text/plain for
// either form. Nothing is stored; the answer says what is in it.
func (s *Server) apiUploadList(w http.ResponseWriter, r *http.Request, who actor) error {
	format, err := listFormat(r)
	if err != nil {
		return err
	}
	encoding, err := config.ParseListEncoding(r.URL.Query().Get("encoding"))
	if err != nil {
		return errInvalid(wrongField("encoding", "unknown_value", "This is no encoding of a list: %s.", err))
	}
	if _, err := s.app.domain(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	control, now := http.NewResponseController(w), time.Now()
	_ = control.SetReadDeadline(now.Add(s.bounds.upload))
	_ = control.SetWriteDeadline(now.Add(s.bounds.upload + s.bounds.answer))
	r.Body = http.MaxBytesReader(w, r.Body, s.bounds.list)
	v, err := s.app.parseList(r.Context(), who, r.PathValue("domain"), r.Body, format, encoding)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, v)
}

// listFormat reads which form of list a request says that it brings.
func listFormat(r *http.Request) (config.ListFormat, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "text/csv":
		return config.ListCSV, nil
	case err == nil && kind == "text/plain":
		return config.ListAuto, nil
	}
	return "", &refusal{status: http.StatusUnsupportedMediaType, Code: "not_a_list", Detail: "Send text/plain or text/csv."}
}

func (s *Server) apiList(w http.ResponseWriter, r *http.Request, who actor) error {
	v, err := s.app.waitingList(r.Context(), who, r.PathValue("domain"), r.PathValue("list"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, v)
}

func (s *Server) apiDropList(w http.ResponseWriter, r *http.Request, who actor) error {
	if err := s.app.dropList(r.Context(), who, r.PathValue("domain"), r.PathValue("list")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
