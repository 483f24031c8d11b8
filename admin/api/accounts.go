package api

import (
	"mime"
	"net/http"

	"postferry/admin"
	"postferry/admin/request"
	"postferry/config"
	"postferry/store"
)

// uploadPath is where lists are taken, which may be large.
const uploadPath = "/domains/{domain}/lists"

func (s *API) accountRoutes() []operation {
	const domain = "/domains/{domain}"
	return []operation{
		{"GET", domain + "/accounts", false, s.accounts},
		{"POST", domain + "/accounts", false, s.addAccounts},
		{"POST", domain + "/accounts/remove", false, s.removeAccounts},
		{"GET", domain + "/accounts/{account}", false, s.account},
		{"PATCH", domain + "/accounts/{account}", false, s.updateAccount},
		{"POST", uploadPath, false, s.uploadList},
		{"GET", domain + "/lists/{list}", false, s.list},
		{"DELETE", domain + "/lists/{list}", false, s.dropList},
	}
}

func (s *API) accounts(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	page, perPage, err := request.Page(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	accounts, err := s.app.Accounts.List(r.Context(), who, r.PathValue("domain"), admin.AccountQuery{
		Search: q.Get("search"), State: admin.AccountState(q.Get("state")), Caused: admin.Caused{Kind: store.ProblemKind(q.Get("problem")), Server: store.Side(q.Get("server"))},
		Sort: q.Get("sort"), Desc: q.Get("order") == "desc", Page: page, PerPage: perPage,
	})
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, accounts)
}

// addAccounts takes accounts of a form or a program, or those of a list
// that was uploaded before.
func (s *API) addAccounts(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
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
		return admin.Invalid(admin.WrongField("accounts", "missing", "Give either accounts or a list."))
	case in.List != "":
		result, err = s.app.Lists.Add(r.Context(), who, r.PathValue("domain"), in.List, in.OnlyGood)
	default:
		result, err = s.app.Accounts.Add(r.Context(), who, r.PathValue("domain"), in.Accounts)
	}
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, result)
}

func (s *API) removeAccounts(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	var sel admin.Selection
	if err := readJSON(r, &sel); err != nil {
		return err
	}
	n, err := s.app.Accounts.Remove(r.Context(), who, r.PathValue("domain"), sel)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, admin.Affected{Accounts: n})
}

func (s *API) account(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	id, err := request.AccountID(r)
	if err != nil {
		return err
	}
	detail, err := s.app.Folders.Detail(r.Context(), who, r.PathValue("domain"), id)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, detail)
}

func (s *API) updateAccount(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	id, err := request.AccountID(r)
	if err != nil {
		return err
	}
	var p admin.AccountPatch
	if err := readJSON(r, &p); err != nil {
		return err
	}
	v, err := s.app.Accounts.Update(r.Context(), who, r.PathValue("domain"), id, p)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, v)
}

// uploadList takes a list as the body: text/csv for CSV, text/plain for
// either form. Nothing is stored; the answer says what is in it.
func (s *API) uploadList(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	format, err := listFormat(r)
	if err != nil {
		return err
	}
	encoding, err := config.ParseListEncoding(r.URL.Query().Get("encoding"))
	if err != nil {
		return admin.Invalid(admin.WrongField("encoding", "unknown_value", "This is no encoding of a list: %s.", err))
	}
	if _, err := s.app.Scopes.Domain(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	s.gate.AllowUpload(w, r)
	v, err := s.app.Lists.Parse(r.Context(), who, r.PathValue("domain"), r.Body, format, encoding)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusCreated, v)
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
	return "", &admin.Refusal{Kind: admin.KindUnsupported, Code: "not_a_list", Detail: "Send text/plain or text/csv."}
}

func (s *API) list(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	v, err := s.app.Lists.Show(r.Context(), who, r.PathValue("domain"), r.PathValue("list"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, v)
}

func (s *API) dropList(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	if err := s.app.Lists.Drop(r.Context(), who, r.PathValue("domain"), r.PathValue("list")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
