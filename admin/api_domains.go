package admin

import "net/http"

func (s *Server) domainRoutes() []route {
	return []route{
		{"GET", "/domains", false, s.apiDomains},
		{"GET", "/domains/{domain}", false, s.apiDomain},
		{"PUT", "/domains/{domain}", false, s.apiPutDomain},
		{"DELETE", "/domains/{domain}", false, s.apiDeleteDomain},
		{"GET", "/domains/{domain}/progress", false, s.apiProgress},
		{"PUT", "/domains/{domain}/schedule", false, s.apiSetSchedule},
		{"DELETE", "/domains/{domain}/schedule", false, s.apiDeleteSchedule},
	}
}

func (s *Server) apiDomains(w http.ResponseWriter, r *http.Request, who actor) error {
	domains, err := s.app.listDomains(r.Context(), who)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"domains": domains})
}

func (s *Server) apiDomain(w http.ResponseWriter, r *http.Request, who actor) error {
	d, err := s.app.showDomain(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, d)
}

func (s *Server) apiPutDomain(w http.ResponseWriter, r *http.Request, who actor) error {
	var in domainInput
	if err := readJSON(r, &in); err != nil {
		return err
	}
	d, created, err := s.app.putDomain(r.Context(), who, r.PathValue("domain"), in)
	if err != nil {
		return err
	}
	return writeJSON(w, createdOr(http.StatusOK, created), d)
}

func (s *Server) apiDeleteDomain(w http.ResponseWriter, r *http.Request, who actor) error {
	if err := s.app.deleteDomain(r.Context(), who, r.PathValue("domain")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) apiProgress(w http.ResponseWriter, r *http.Request, who actor) error {
	t, err := s.app.progress(r.Context(), who, r.PathValue("domain"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, t)
}

func (s *Server) apiSetSchedule(w http.ResponseWriter, r *http.Request, who actor) error {
	var in scheduleInput
	if err := readJSON(r, &in); err != nil {
		return err
	}
	d, err := s.app.setSchedule(r.Context(), who, r.PathValue("domain"), &in)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, d)
}

func (s *Server) apiDeleteSchedule(w http.ResponseWriter, r *http.Request, who actor) error {
	if _, err := s.app.setSchedule(r.Context(), who, r.PathValue("domain"), nil); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
