package api

import (
	"context"
	"net/http"

	"postferry/admin/access"
	"postferry/admin/checks"
	"postferry/admin/request"
	"postferry/admin/selection"
	"postferry/admin/transfers"
)

// transferAPI is about copying and checks.
type transferAPI struct {
	checks    *checks.Checks
	transfers *transfers.Transfers
}

func (s *transferAPI) routes() []operation {
	const domain = "/domains/{domain}"
	return []operation{
		{"POST", domain + "/begin", false, s.command(s.transfers.Begin)},
		{"POST", domain + "/stop", false, s.command(s.transfers.Stop)},
		{"POST", domain + "/resume", false, s.command(s.transfers.Resume)},
		{"POST", domain + "/again", false, s.command(s.transfers.Again)},
		{"POST", domain + "/check", false, s.startCheck},
		{"GET", domain + "/check", false, s.check},
		{"DELETE", domain + "/check", false, s.cancelCheck},
		{"GET", domain + "/check/accounts", false, s.checkedAccounts},
		{"GET", domain + "/check/accounts/{account}", false, s.checkedAccount},
	}
}

// command makes a handler of what is done with accounts.
func (s *transferAPI) command(do func(context.Context, access.Actor, string, selection.Selection) (*transfers.Affected, error)) handler {
	return func(w http.ResponseWriter, r *http.Request, who access.Actor) error {
		var sel selection.Selection
		if err := readJSON(r, &sel); err != nil {
			return err
		}
		result, err := do(r.Context(), who, r.PathValue("domain"), sel)
		if err != nil {
			return err
		}
		return request.WriteJSON(w, http.StatusOK, result)
	}
}

func (s *transferAPI) startCheck(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	var sel selection.Selection
	if err := readJSON(r, &sel); err != nil {
		return err
	}
	v, err := s.checks.Start(r.Context(), who, r.PathValue("domain"), sel)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusAccepted, v)
}

func (s *transferAPI) check(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	v, err := s.checks.Show(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, v)
}

func (s *transferAPI) cancelCheck(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	if err := s.checks.Cancel(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *transferAPI) checkedAccounts(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	page, perPage, err := request.Page(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	p, err := s.checks.Accounts(r.Context(), who, r.PathValue("domain"), q.Get("search"), q.Get("trouble") == "true", page, perPage)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, p)
}

func (s *transferAPI) checkedAccount(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	id, err := request.AccountID(r)
	if err != nil {
		return err
	}
	v, err := s.checks.Account(r.Context(), who, r.PathValue("domain"), id)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, v)
}
