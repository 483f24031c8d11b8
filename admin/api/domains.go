package api

import (
	"net/http"

	"postferry/admin"
	"postferry/admin/request"
)

func (s *API) domainRoutes() []operation {
	return []operation{
		{"GET", "/domains", false, s.domains},
		{"GET", "/domains/{domain}", false, s.domain},
		{"PUT", "/domains/{domain}", false, s.putDomain},
		{"DELETE", "/domains/{domain}", false, s.deleteDomain},
		{"POST", "/domains/{domain}/try", false, s.tryServers},
		{"GET", "/domains/{domain}/progress", false, s.progress},
		{"GET", "/domains/{domain}/causes", false, s.causes},
		{"PUT", "/domains/{domain}/schedule", false, s.setSchedule},
		{"DELETE", "/domains/{domain}/schedule", false, s.deleteSchedule},
	}
}

func (s *API) domains(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	domains, err := s.app.Domains.List(r.Context(), who)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, map[string]any{"domains": domains})
}

func (s *API) domain(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	d, err := s.app.Domains.Show(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, d)
}

func (s *API) putDomain(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	var in admin.DomainInput
	if err := readJSON(r, &in); err != nil {
		return err
	}
	d, created, err := s.app.Domains.Put(r.Context(), who, r.PathValue("domain"), in)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, createdOr(http.StatusOK, created), d)
}

func (s *API) tryServers(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	var in admin.DomainInput
	if err := readJSON(r, &in); err != nil {
		return err
	}
	tried, err := s.app.Trials.Try(r.Context(), who, r.PathValue("domain"), in)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, tried)
}

func (s *API) deleteDomain(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	if err := s.app.Domains.Delete(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *API) progress(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	t, err := s.app.Status.Progress(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, t)
}

func (s *API) causes(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	causes, err := s.app.Status.Causes(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, map[string]any{"causes": causes})
}

func (s *API) setSchedule(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	var in admin.ScheduleInput
	if err := readJSON(r, &in); err != nil {
		return err
	}
	d, err := s.app.Domains.SetSchedule(r.Context(), who, r.PathValue("domain"), &in)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, d)
}

func (s *API) deleteSchedule(w http.ResponseWriter, r *http.Request, who admin.Actor) error {
	if _, err := s.app.Domains.SetSchedule(r.Context(), who, r.PathValue("domain"), nil); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
