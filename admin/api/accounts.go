package api

import (
	"cmp"
	"mime"
	"net/http"
	"strings"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/request"
	"postferry/admin/selection"
	"postferry/admin/transfers"
	"postferry/config"
	"postferry/report"
	"postferry/store"
)

// uploadPath is where lists are taken, which may be large.
const uploadPath = "/domains/{domain}/lists"

// accountAPI is about accounts and what is in them.
type accountAPI struct {
	accounts *admin.Accounts
	folders  *admin.Folders
	lists    *admin.Lists
	scopes   *admin.Scopes
	gate     *request.Gate
}

func (s *accountAPI) routes() []operation {
	const domain = "/domains/{domain}"
	return []operation{
		{"GET", domain + "/accounts", false, s.listAccounts},
		{"POST", domain + "/accounts", false, s.addAccounts},
		{"POST", domain + "/accounts/remove", false, s.removeAccounts},
		{"GET", domain + "/accounts/{account}", false, s.account},
		{"PATCH", domain + "/accounts/{account}", false, s.updateAccount},
		{"POST", uploadPath, false, s.uploadList},
		{"GET", domain + "/lists/{list}", false, s.list},
		{"DELETE", domain + "/lists/{list}", false, s.dropList},
	}
}

// mailRoutes are about what is in an account: messages in quarantine, folders, whose mailbox it is.
func (s *accountAPI) mailRoutes() []operation {
	const account = "/domains/{domain}/accounts/{account}"
	return []operation{
		{"GET", account + "/quarantine", false, s.quarantine},
		{"POST", account + "/quarantine/retry", false, s.retry},
		{"GET", account + "/quarantine/{message}/header", false, s.header},
		{"POST", account + "/folders/{folder}/decide", false, s.decideFolder},
		{"POST", account + "/mailbox/decide", false, s.decideMailbox},
	}
}

func (s *accountAPI) listAccounts(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	page, perPage, err := request.Page(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	accounts, err := s.accounts.List(r.Context(), who, r.PathValue("domain"), board.AccountQuery{
		Search: q.Get("search"), State: report.AccountState(q.Get("state")), Caused: board.Caused{Kind: store.ProblemKind(q.Get("problem")), Server: store.Side(q.Get("server"))},
		Sort: q.Get("sort"), Desc: q.Get("order") == "desc", Page: page, PerPage: perPage,
	})
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, accounts)
}

// addAccounts takes accounts of a form or a program, or those of a list
// that was uploaded before.
func (s *accountAPI) addAccounts(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	var in struct {
		Accounts []admin.AccountInput `json:"accounts"`
		List     string               `json:"list"`
		OnlyGood bool                 `json:"only_good"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	var result *admin.Added
	var err error
	switch {
	case (in.List == "") == (len(in.Accounts) == 0):
		return access.Invalid(access.WrongField("accounts", "missing", "Give either accounts or a list."))
	case in.List != "":
		result, err = s.lists.Add(r.Context(), who, r.PathValue("domain"), in.List, in.OnlyGood)
	default:
		result, err = s.accounts.Add(r.Context(), who, r.PathValue("domain"), in.Accounts)
	}
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, result)
}

func (s *accountAPI) removeAccounts(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	var sel selection.Selection
	if err := readJSON(r, &sel); err != nil {
		return err
	}
	n, err := s.accounts.Remove(r.Context(), who, r.PathValue("domain"), sel)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, transfers.Affected{Accounts: n})
}

func (s *accountAPI) account(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	id, err := request.AccountID(r)
	if err != nil {
		return err
	}
	detail, err := s.folders.Detail(r.Context(), who, r.PathValue("domain"), id)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, detail)
}

func (s *accountAPI) updateAccount(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	id, err := request.AccountID(r)
	if err != nil {
		return err
	}
	var p admin.AccountPatch
	if err := readJSON(r, &p); err != nil {
		return err
	}
	v, err := s.accounts.Update(r.Context(), who, r.PathValue("domain"), id, p)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, v)
}

// uploadList takes a list as the body: text/csv for CSV, text/plain for
// either form. Nothing is stored; the answer says what is in it.
func (s *accountAPI) uploadList(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	format, charset, err := listFormat(r)
	if err != nil {
		return err
	}
	encoding, err := config.ParseListEncoding(cmp.Or(r.URL.Query().Get("encoding"), charset))
	if err != nil {
		return access.Invalid(access.WrongField("encoding", "unknown_value", "This is no encoding of a list: %s.", err))
	}
	if _, err := s.scopes.Domain(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	s.gate.AllowUpload(w, r)
	v, err := s.lists.Parse(r.Context(), who, r.PathValue("domain"), r.Body, format, encoding)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusCreated, v)
}

// listFormat reads which form of list a request says that it brings, and in which encoding; "" if it doesn't say.
func listFormat(r *http.Request) (format config.ListFormat, charset string, err error) {
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset = parameters["charset"]
	if strings.EqualFold(charset, "us-ascii") { // which UTF-8 includes
		charset = "utf-8"
	}
	switch {
	case err == nil && kind == "text/csv":
		return config.ListCSV, charset, nil
	case err == nil && kind == "text/plain":
		return config.ListAuto, charset, nil
	}
	return "", "", &access.Refusal{Kind: access.KindUnsupported, Code: "not_a_list", Detail: "Send text/plain or text/csv."}
}

func (s *accountAPI) list(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	v, err := s.lists.Show(r.Context(), who, r.PathValue("domain"), r.PathValue("list"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, v)
}

func (s *accountAPI) dropList(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	if err := s.lists.Drop(r.Context(), who, r.PathValue("domain"), r.PathValue("list")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
