package api

import (
	"net/http"

	"postferry/admin/access"
	"postferry/admin/finishing"
	"postferry/admin/request"
)

// endingAPI is about the end of moves.
type endingAPI struct {
	finishing *finishing.Finishing
}

func (s *endingAPI) routes() []operation {
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

func (s *endingAPI) advice(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	a, err := s.finishing.Advice(r.Context(), who, r.PathValue("domain"), r.URL.Query().Get("fresh") == "true")
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, a)
}

func (s *endingAPI) startPrepare(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	v, err := s.finishing.StartPrepare(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusAccepted, v)
}

func (s *endingAPI) prepare(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	v, err := s.finishing.ShowPrepare(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, v)
}

func (s *endingAPI) cancelPrepare(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	if err := s.finishing.CancelPrepare(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *endingAPI) finish(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	var in finishing.FinishInput
	if err := readJSON(r, &in); err != nil {
		return err
	}
	report, err := s.finishing.Finish(r.Context(), who, r.PathValue("domain"), in)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, report)
}

func (s *endingAPI) forget(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	if err := s.finishing.Forget(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *endingAPI) reports(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	reports, err := s.finishing.Reports(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, map[string]any{"reports": reports})
}
