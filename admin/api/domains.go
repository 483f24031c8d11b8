package api

import (
	"net/http"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/request"
)

// domainAPI is about domains.
type domainAPI struct {
	servers  *admin.Servers
	domains  *admin.Domains
	webhooks *admin.Webhooks
	status   *admin.Status
}

func (s *domainAPI) routes() []operation {
	return []operation{
		{"GET", "/domains", false, s.listDomains},
		{"GET", "/domains/{domain}", false, s.domain},
		{"PUT", "/domains/{domain}", false, s.putDomain},
		{"DELETE", "/domains/{domain}", false, s.deleteDomain},
		{"POST", "/domains/{domain}/try", false, s.tryServers},
		{"GET", "/domains/{domain}/progress", false, s.progress},
		{"GET", "/domains/{domain}/causes", false, s.causes},
		{"GET", "/domains/{domain}/webhooks", false, s.listWebhooks},
		{"POST", "/domains/{domain}/webhooks", false, s.addWebhook},
		{"DELETE", "/domains/{domain}/webhooks/{webhook}", false, s.deleteWebhook},
		{"POST", "/domains/{domain}/webhooks/{webhook}/test", false, s.testWebhook},
		{"PUT", "/domains/{domain}/schedule", false, s.setSchedule},
		{"DELETE", "/domains/{domain}/schedule", false, s.deleteSchedule},
	}
}

func (s *domainAPI) listDomains(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	domains, err := s.domains.List(r.Context(), who)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, map[string]any{"domains": domains})
}

func (s *domainAPI) domain(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	d, err := s.domains.Show(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, d)
}

func (s *domainAPI) putDomain(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	var in admin.DomainInput
	if err := readJSON(r, &in); err != nil {
		return err
	}
	d, created, err := s.domains.Put(r.Context(), who, r.PathValue("domain"), in)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, createdOr(http.StatusOK, created), d)
}

func (s *domainAPI) tryServers(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	var in admin.DomainInput
	if err := readJSON(r, &in); err != nil {
		return err
	}
	tried, err := s.servers.Try(r.Context(), who, r.PathValue("domain"), in)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, tried)
}

func (s *domainAPI) deleteDomain(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	if err := s.domains.Delete(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *domainAPI) progress(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	t, err := s.status.Progress(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, t)
}

func (s *domainAPI) causes(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	causes, err := s.status.Causes(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, map[string]any{"causes": causes})
}

func (s *domainAPI) setSchedule(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	var in admin.ScheduleInput
	if err := readJSON(r, &in); err != nil {
		return err
	}
	d, err := s.domains.SetSchedule(r.Context(), who, r.PathValue("domain"), &in)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, d)
}

func (s *domainAPI) deleteSchedule(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	if _, err := s.domains.SetSchedule(r.Context(), who, r.PathValue("domain"), nil); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
