package api

import (
	"net/http"

	"postferry/admin/access"
	"postferry/admin/request"
)

func (s *domainAPI) discover(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	var in struct {
		Domain string `json:"domain"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	report, err := s.servers.Discover(r.Context(), who, in.Domain)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, report)
}
