package admin

import (
	"context"
	"net/http"

	"postferry/store"
)

func (s *Server) transferRoutes() []route {
	const domain = "/domains/{domain}"
	return []route{
		{"POST", domain + "/begin", false, s.command(s.app.begin)},
		{"POST", domain + "/stop", false, s.command(s.app.stop)},
		{"POST", domain + "/resume", false, s.command(s.app.resume)},
		{"POST", domain + "/again", false, s.command(s.app.again)},
		{"POST", domain + "/check", false, s.apiStartCheck},
		{"GET", domain + "/check", false, s.apiCheck},
		{"DELETE", domain + "/check", false, s.apiCancelCheck},
		{"GET", domain + "/check/accounts", false, s.apiCheckedAccounts},
		{"GET", domain + "/check/accounts/{account}", false, s.apiCheckedAccount},
	}
}

// command makes a handler of what is done with accounts.
func (s *Server) command(do func(context.Context, actor, string, selection) (*affected, error)) handler {
	return func(w http.ResponseWriter, r *http.Request, who actor) error {
		var sel selection
		if err := readJSON(r, &sel); err != nil {
			return err
		}
		result, err := do(r.Context(), who, r.PathValue("domain"), sel)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, result)
	}
}

func (s *Server) apiStartCheck(w http.ResponseWriter, r *http.Request, who actor) error {
	var sel selection
	if err := readJSON(r, &sel); err != nil {
		return err
	}
	v, err := s.app.startCheck(r.Context(), who, r.PathValue("domain"), sel)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusAccepted, v)
}

func (s *Server) apiCheck(w http.ResponseWriter, r *http.Request, who actor) error {
	v, err := s.app.showCheck(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, v)
}

func (s *Server) apiCancelCheck(w http.ResponseWriter, r *http.Request, who actor) error {
	if err := s.app.cancelCheck(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) apiCheckedAccounts(w http.ResponseWriter, r *http.Request, who actor) error {
	page, perPage, err := pageOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	p, err := s.app.checkedAccounts(r.Context(), who, r.PathValue("domain"), q.Get("search"), q.Get("trouble") == "true", page, perPage)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, p)
}

func (s *Server) apiCheckedAccount(w http.ResponseWriter, r *http.Request, who actor) error {
	id, err := accountID(r)
	if err != nil {
		return err
	}
	v, err := s.app.checkedAccount(r.Context(), who, r.PathValue("domain"), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, v)
}

// runID reads the run of a path.
func runID(r *http.Request) (store.RunID, error) {
	n, err := pathNumber(r, "run")
	if err != nil {
		return 0, errNotFound("run")
	}
	return store.RunID(n), nil
}
