package api

import (
	"math"
	"net/http"
	"strconv"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/request"
	"postferry/store"
)

// accessAPI is about who may come in.
type accessAPI struct {
	access   *access.Administrators
	audit    *access.Audit
	sessions *access.Sessions
	gate     *request.Gate
}

func (s *accessAPI) routes() []operation {
	return []operation{
		{"POST", "/login", true, s.login},
		{"POST", "/welcome", true, s.welcome},
		{"POST", "/logout", false, s.logout},
		{"GET", "/me", false, s.me},
		{"PUT", "/me/password", false, s.password},
		{"GET", "/admins", false, s.admins},
		{"PUT", "/admins/{name}", false, s.putAdmin},
		{"DELETE", "/admins/{name}", false, s.deleteAdmin},
		{"GET", "/tokens", false, s.tokens},
		{"POST", "/tokens", false, s.createToken},
		{"DELETE", "/tokens/{token}", false, s.revokeToken},
		{"GET", "/audit", false, s.listAudit},
	}
}

// meView is who the API takes the caller for.
type meView struct {
	Who    string `json:"who"`
	Domain string `json:"domain,omitempty"` // "" for all domains
}

func viewMe(who access.Actor) meView { return meView{Who: who.Name, Domain: who.Scope} }

func (s *accessAPI) login(w http.ResponseWriter, r *http.Request, _ access.Actor) error {
	var in struct {
		Name     string       `json:"name"`
		Password store.Secret `json:"password"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	secret, who, err := s.sessions.Login(r.Context(), access.AddressOf(request.ClientAddr(r)), in.Name, in.Password)
	if err != nil {
		return err
	}
	s.gate.SignIn(w, r, secret)
	return request.WriteJSON(w, http.StatusOK, viewMe(who))
}

func (s *accessAPI) welcome(w http.ResponseWriter, r *http.Request, _ access.Actor) error {
	var in struct {
		Code     store.Secret `json:"code"`
		Name     string       `json:"name"`
		Password store.Secret `json:"password"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	secret, who, err := s.sessions.Welcome(r.Context(), access.AddressOf(request.ClientAddr(r)), in.Code, in.Name, in.Password)
	if err != nil {
		return err
	}
	s.gate.SignIn(w, r, secret)
	return request.WriteJSON(w, http.StatusCreated, viewMe(who))
}

func (s *accessAPI) logout(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	if err := s.sessions.Logout(r.Context(), who); err != nil {
		return err
	}
	request.ClearSession(w, r)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *accessAPI) me(w http.ResponseWriter, _ *http.Request, who access.Actor) error {
	return request.WriteJSON(w, http.StatusOK, viewMe(who))
}

func (s *accessAPI) password(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	var in struct {
		Old      store.Secret `json:"old_password"`
		Password store.Secret `json:"password"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	if err := s.access.ChangePassword(r.Context(), who, in.Old, in.Password); err != nil {
		return err
	}
	request.ClearSession(w, r)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *accessAPI) admins(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	admins, err := s.access.Admins(r.Context(), who)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, map[string]any{"admins": admins})
}

func (s *accessAPI) putAdmin(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	var in struct {
		Domain   string       `json:"domain"`
		Password store.Secret `json:"password"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	added, err := s.access.PutAdmin(r.Context(), who, r.PathValue("name"), in.Domain, in.Password)
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

func (s *accessAPI) deleteAdmin(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	if err := s.access.DeleteAdmin(r.Context(), who, r.PathValue("name")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *accessAPI) tokens(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	tokens, err := s.access.Tokens(r.Context(), who)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, map[string]any{"tokens": tokens})
}

func (s *accessAPI) createToken(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	var in struct {
		Name   string `json:"name"`
		Domain string `json:"domain"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	view, secret, err := s.access.CreateToken(r.Context(), who, in.Name, in.Domain)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusCreated, struct {
		access.TokenView
		Token string `json:"token"`
	}{view, secret.Reveal()})
}

func (s *accessAPI) revokeToken(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	id, err := strconv.ParseUint(r.PathValue("token"), 10, 64)
	if err != nil {
		return access.NotFound("token")
	}
	if err := s.access.RevokeToken(r.Context(), who, id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *accessAPI) listAudit(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	before, err := request.QueryNumber(r, "before", 0, 1, math.MaxInt64)
	if err != nil {
		return err
	}
	limit, err := request.QueryNumber(r, "per_page", request.DefaultPerPage, 1, board.MaxPerPage)
	if err != nil {
		return err
	}
	entries, err := s.audit.List(r.Context(), who, r.URL.Query().Get("domain"), before, int(limit))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, map[string]any{"entries": entries})
}
