package api

import (
	"net/http"

	"postferry/admin"
	"postferry/admin/request"
)

func (s *API) endingRoutes() []operation {
	const domain = "/domains/{domain}"
	return []operation{
		{"GET", domain + "/advice", false, s.advice},
		{"POST", domain + "/finish/prepare", false, s.startPrepare},
		{"GET", domain + "/finish/prepare", false, s.prepare},
		{"DELETE", domain + "/finish/prepare", false, s.cancelPrepare},
		{"POST", domain + "/finish", false, s.finish},
		{"POST", domain + "/forget", false, s.forget},
		{"GET", domain + "/reports", false, s.reports},
	}
}

func (s *API) advice(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	a, err := s.app.Finishing.Advice(r.Context(), who, r.PathValue("domain"), r.URL.Query().Get("fresh") == "true")
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, a)
}

func (s *API) startPrepare(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	v, err := s.app.Finishing.StartPrepare(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusAccepted, v)
}

func (s *API) prepare(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	v, err := s.app.Finishing.ShowPrepare(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, v)
}

func (s *API) cancelPrepare(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	if err := s.app.Finishing.CancelPrepare(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *API) finish(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	var in admin.FinishInput
	if err := readJSON(r, &in); err != nil {
		return err
	}
	report, err := s.app.Finishing.Finish(r.Context(), who, r.PathValue("domain"), in)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, report)
}

func (s *API) forget(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	if err := s.app.Finishing.Forget(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *API) reports(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	reports, err := s.app.Finishing.Reports(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, map[string]any{"reports": reports})
}
