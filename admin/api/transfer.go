package api

import (
	"context"
	"net/http"

	"postferry/admin"
	"postferry/admin/request"
)

func (s *API) transferRoutes() []operation {
	const domain = "/domains/{domain}"
	return []operation{
		{"POST", domain + "/begin", false, s.command(s.app.Transfers.Begin)},
		{"POST", domain + "/stop", false, s.command(s.app.Transfers.Stop)},
		{"POST", domain + "/resume", false, s.command(s.app.Transfers.Resume)},
		{"POST", domain + "/again", false, s.command(s.app.Transfers.Again)},
		{"POST", domain + "/check", false, s.startCheck},
		{"GET", domain + "/check", false, s.check},
		{"DELETE", domain + "/check", false, s.cancelCheck},
		{"GET", domain + "/check/accounts", false, s.checkedAccounts},
		{"GET", domain + "/check/accounts/{account}", false, s.checkedAccount},
	}
}

// command makes a handler of what is done with accounts.
func (s *API) command(do func(context.Context, admin.Actor, string, admin.Selection) (*admin.Affected, error)) handler {
	return func(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
		var sel admin.Selection
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

func (s *API) startCheck(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	var sel admin.Selection
	if err := readJSON(r, &sel); err != nil {
		return err
	}
	v, err := s.app.Checks.Start(r.Context(), who, r.PathValue("domain"), sel)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusAccepted, v)
}

func (s *API) check(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	v, err := s.app.Checks.Show(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, v)
}

func (s *API) cancelCheck(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	if err := s.app.Checks.Cancel(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *API) checkedAccounts(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	page, perPage, err := request.Page(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	p, err := s.app.Checks.Accounts(r.Context(), who, r.PathValue("domain"), q.Get("search"), q.Get("trouble") == "true", page, perPage)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, p)
}

func (s *API) checkedAccount(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	id, err := request.AccountID(r)
	if err != nil {
		return err
	}
	v, err := s.app.Checks.Account(r.Context(), who, r.PathValue("domain"), id)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, v)
}
