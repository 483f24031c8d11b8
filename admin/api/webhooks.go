package api

import (
	"net/http"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/request"
)

func (s *domainAPI) listWebhooks(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	all, err := s.webhooks.List(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, map[string]any{"webhooks": all})
}

func (s *domainAPI) addWebhook(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	var in admin.WebhookInput
	if err := readJSON(r, &in); err != nil {
		return err
	}
	made, err := s.webhooks.Add(r.Context(), who, r.PathValue("domain"), in)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusCreated, made)
}

func (s *domainAPI) deleteWebhook(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	if err := s.webhooks.Remove(r.Context(), who, r.PathValue("domain"), r.PathValue("webhook")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *domainAPI) testWebhook(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	if err := s.webhooks.Test(r.Context(), who, r.PathValue("domain"), r.PathValue("webhook")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
