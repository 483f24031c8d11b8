package admin

import (
	"math"
	"net/http"
	"strconv"

	"postferry/store"
)

func (s *Server) accessRoutes() []route {
	return []route{
		{"POST", "/login", true, s.apiLogin},
		{"POST", "/welcome", true, s.apiWelcome},
		{"POST", "/logout", false, s.apiLogout},
		{"GET", "/me", false, s.apiMe},
		{"PUT", "/me/password", false, s.apiPassword},
		{"GET", "/admins", false, s.apiAdmins},
		{"PUT", "/admins/{name}", false, s.apiPutAdmin},
		{"DELETE", "/admins/{name}", false, s.apiDeleteAdmin},
		{"GET", "/tokens", false, s.apiTokens},
		{"POST", "/tokens", false, s.apiCreateToken},
		{"DELETE", "/tokens/{token}", false, s.apiRevokeToken},
		{"GET", "/audit", false, s.apiAudit},
	}
}

// meView is who the API takes the caller for.
type meView struct {
	Who    string `json:"who"`
	Domain string `json:"domain,omitempty"` // "" for all domains
}

func viewMe(who actor) meView { return meView{Who: who.who, Domain: who.scope} }

func (s *Server) apiLogin(w http.ResponseWriter, r *http.Request, _ actor) error {
	var in struct {
		Name     string       `json:"name"`
		Password store.Secret `json:"password"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	secret, who, err := s.app.login(r.Context(), addressOf(clientAddr(r)), in.Name, in.Password)
	if err != nil {
		return err
	}
	s.signIn(w, r, secret)
	return writeJSON(w, http.StatusOK, viewMe(who))
}

// signIn gives a browser the session of who has just logged in, and ends those that
// it brings along: somebody else may know them.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, secret store.Secret) {
	for _, name := range []string{plainCookie, secureCookie} {
		for _, cookie := range r.CookiesNamed(name) {
			if err := s.app.endSession(r.Context(), store.DigestOf(store.Secret(cookie.Value))); err != nil {
				s.log.Warn().Err(err).Msg("cannot end a session")
			}
		}
	}
	setSession(w, r, secret)
}

func (s *Server) apiWelcome(w http.ResponseWriter, r *http.Request, _ actor) error {
	var in struct {
		Code     store.Secret `json:"code"`
		Name     string       `json:"name"`
		Password store.Secret `json:"password"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	secret, who, err := s.app.welcome(r.Context(), addressOf(clientAddr(r)), in.Code, in.Name, in.Password)
	if err != nil {
		return err
	}
	s.signIn(w, r, secret)
	return writeJSON(w, http.StatusCreated, viewMe(who))
}

func (s *Server) apiLogout(w http.ResponseWriter, r *http.Request, who actor) error {
	if err := s.app.logout(r.Context(), who); err != nil {
		return err
	}
	clearSession(w, r)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) apiMe(w http.ResponseWriter, _ *http.Request, who actor) error {
	return writeJSON(w, http.StatusOK, viewMe(who))
}

func (s *Server) apiPassword(w http.ResponseWriter, r *http.Request, who actor) error {
	var in struct {
		Old      store.Secret `json:"old_password"`
		Password store.Secret `json:"password"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	if err := s.app.changePassword(r.Context(), who, in.Old, in.Password); err != nil {
		return err
	}
	clearSession(w, r)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) apiAdmins(w http.ResponseWriter, r *http.Request, who actor) error {
	admins, err := s.app.listAdmins(r.Context(), who)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"admins": admins})
}

func (s *Server) apiPutAdmin(w http.ResponseWriter, r *http.Request, who actor) error {
	var in struct {
		Domain   string       `json:"domain"`
		Password store.Secret `json:"password"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	added, err := s.app.putAdmin(r.Context(), who, r.PathValue("name"), in.Domain, in.Password)
	if err != nil {
		return err
	}
	w.WriteHeader(createdOr(http.StatusNoContent, added))
	return nil
}

// createdOr is the status for something that was made, or else was there.
func createdOr(status int, created bool) int {
	if created {
		return http.StatusCreated
	}
	return status
}

func (s *Server) apiDeleteAdmin(w http.ResponseWriter, r *http.Request, who actor) error {
	if err := s.app.deleteAdmin(r.Context(), who, r.PathValue("name")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) apiTokens(w http.ResponseWriter, r *http.Request, who actor) error {
	tokens, err := s.app.listTokens(r.Context(), who)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"tokens": tokens})
}

func (s *Server) apiCreateToken(w http.ResponseWriter, r *http.Request, who actor) error {
	var in struct {
		Name   string `json:"name"`
		Domain string `json:"domain"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	view, secret, err := s.app.createToken(r.Context(), who, in.Name, in.Domain)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, struct {
		tokenView
		Token string `json:"token"`
	}{view, secret.Reveal()})
}

func (s *Server) apiRevokeToken(w http.ResponseWriter, r *http.Request, who actor) error {
	id, err := strconv.ParseUint(r.PathValue("token"), 10, 64)
	if err != nil {
		return errNotFound("token")
	}
	if err := s.app.revokeToken(r.Context(), who, id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) apiAudit(w http.ResponseWriter, r *http.Request, who actor) error {
	before, err := queryNumber(r, "before", 0, 1, math.MaxInt64)
	if err != nil {
		return err
	}
	limit, err := queryNumber(r, "per_page", defaultPerPage, 1, maxPerPage)
	if err != nil {
		return err
	}
	entries, err := s.app.listAudit(r.Context(), who, r.URL.Query().Get("domain"), before, int(limit))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"entries": entries})
}
