package api

import (
	"net/http"
	"strings"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/request"
	"postferry/store"
)

// signInAPI is about how Postferry signs in at a domain's servers, what people agree to there, and a tenant's mailboxes.
type signInAPI struct {
	tenants  *admin.Tenants
	consents *admin.Consents
}

func (s *signInAPI) routes() []operation {
	const signIn, consents, mailboxes = "/domains/{domain}/sign-in/{side}", "/domains/{domain}/consents/{side}", "/domains/{domain}/mailboxes"
	return []operation{
		{"GET", signIn, false, s.signIn},
		{"PUT", signIn, false, s.putSignIn},
		{"DELETE", signIn, false, s.forgetSignIn},
		{"POST", signIn + "/test", false, s.testSignIn},
		{"GET", consents, false, s.listConsents},
		{"POST", consents + "/codes", false, s.beginCode},
		{"DELETE", consents + "/codes/{code}", false, s.cancelCode},
		{"DELETE", consents + "/mailboxes/{mailbox}", false, s.forgetConsent},
		{"GET", mailboxes, false, s.mailboxes},
		{"POST", mailboxes, false, s.enrol},
	}
}

// at is which of a domain's servers a request is about.
func at(r *http.Request) (domain string, side store.Side) {
	return r.PathValue("domain"), store.Side(r.PathValue("side"))
}

func (s *signInAPI) signIn(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	domain, side := at(r)
	v, err := s.tenants.ShowSignIn(r.Context(), who, domain, side)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, v)
}

func (s *signInAPI) putSignIn(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	domain, side := at(r)
	var in admin.SignInInput
	if err := readJSON(r, &in); err != nil {
		return err
	}
	if err := s.tenants.PutSignIn(r.Context(), who, domain, side, in); err != nil {
		return err
	}
	return s.signIn(w, r, who)
}

func (s *signInAPI) forgetSignIn(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	domain, side := at(r)
	gone, err := s.tenants.ForgetSignIn(r.Context(), who, domain, side)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, gone)
}

func (s *signInAPI) testSignIn(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	domain, side := at(r)
	var in struct {
		Mailbox string `json:"mailbox"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	steps, err := s.tenants.TestSignIn(r.Context(), who, domain, side, in.Mailbox)
	if err != nil {
		return err
	}
	good := true
	for _, step := range steps {
		good = good && step.OK
	}
	return request.WriteJSON(w, http.StatusOK, map[string]any{"ok": good, "steps": steps})
}

func (s *signInAPI) listConsents(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	domain, side := at(r)
	page, perPage, err := request.Page(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	list, err := s.consents.List(r.Context(), who, domain, side, admin.ConsentQuery{Search: q.Get("search"), Missing: q.Get("missing") == "true", Page: page, PerPage: perPage})
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, list)
}

func (s *signInAPI) beginCode(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	domain, side := at(r)
	var in struct {
		Mailbox string `json:"mailbox"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	v, err := s.consents.BeginCode(r.Context(), who, domain, side, in.Mailbox)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusAccepted, v)
}

func (s *signInAPI) cancelCode(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	domain, side := at(r)
	if err := s.consents.CancelCode(r.Context(), who, domain, side, r.PathValue("code")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *signInAPI) forgetConsent(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	domain, side := at(r)
	gone, err := s.consents.Forget(r.Context(), who, domain, side, r.PathValue("mailbox"))
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, gone)
}

func (s *signInAPI) mailboxes(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	page, perPage, err := request.Page(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	in := admin.MailboxInput{Search: q.Get("search"), Suspended: q.Get("suspended") == "true", AllDomains: q.Get("all_domains") == "true", To: q.Get("to"), LocalPart: q.Get("local_part") == "true"}
	if kinds := q.Get("kinds"); kinds != "" {
		in.Kinds = strings.Split(kinds, ",")
	}
	query, err := in.Query(r.PathValue("domain"))
	if err != nil {
		return err
	}
	query.Anew = q.Get("anew") == "true"
	list, err := s.tenants.Mailboxes(r.Context(), who, r.PathValue("domain"), query)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, list.Page(page, perPage))
}

func (s *signInAPI) enrol(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	var in admin.EnrolInput
	if err := readJSON(r, &in); err != nil {
		return err
	}
	pick, err := in.Pick(r.PathValue("domain"))
	if err != nil {
		return err
	}
	added, err := s.tenants.ImportMailboxes(r.Context(), who, r.PathValue("domain"), pick)
	if err != nil {
		return err
	}
	return request.WriteJSON(w, http.StatusOK, added)
}
