package web

import (
	"net/http"

	"postferry/admin/access"
	"postferry/admin/request"
	"postferry/store"
)

// loginForm is what a login form shows again. A password is never among it.
type loginForm struct {
	Name string
	Next string
	Code string // of a one-time link
}

// loginPages are about logging in.
type loginPages struct {
	frame    *frame
	sessions *access.Sessions
}

func (s *loginPages) pageLogin(v *visit) error {
	next := localPath(v.r.URL.Query().Get("next"))
	if v.who.Admin != "" {
		return v.seeOther(next)
	}
	return s.showLogin(v, loginForm{Next: next}, nil)
}

func (s *loginPages) showLogin(v *visit, form loginForm, n *notice) error {
	return s.frame.showAs(v, statusOf(n), "login", view{Title: v.T("login.title"), Narrow: true, Notice: n, D: form})
}

// statusOf is the HTTP status of a form that is shown again with a notice.
func statusOf(n *notice) int {
	if n != nil && n.Kind == "bad" {
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
}

func (s *loginPages) formLogin(v *visit) error {
	form := loginForm{Name: v.r.PostFormValue("name"), Next: localPath(v.r.PostFormValue("next"))}
	secret, _, err := s.sessions.Login(v.r.Context(), access.AddressOf(request.ClientAddr(v.r)), form.Name, store.Secret(v.r.PostFormValue("password")))
	if err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showLogin(v, form, n)
	}
	s.frame.gate.SignIn(v.w, v.r, secret)
	return v.seeOther(form.Next)
}

func (s *loginPages) formLogout(v *visit) error {
	if err := s.sessions.Logout(v.r.Context(), v.who); err != nil {
		return err
	}
	request.ClearSession(v.w, v.r)
	return v.seeOther("/login")
}

// pageWelcome is where a one-time link leads.
func (s *loginPages) pageWelcome(v *visit) error {
	return s.showWelcome(v, loginForm{Code: v.r.URL.Query().Get("code")}, nil)
}

func (s *loginPages) showWelcome(v *visit, form loginForm, n *notice) error {
	return s.frame.showAs(v, statusOf(n), "welcome", view{Title: v.T("welcome.title"), Narrow: true, Notice: n, D: form})
}

func (s *loginPages) formWelcome(v *visit) error {
	form := loginForm{Code: v.r.PostFormValue("code"), Name: v.r.PostFormValue("name")}
	password := v.r.PostFormValue("password")
	if password != v.r.PostFormValue("again") {
		return s.showWelcome(v, form, &notice{Kind: "bad", Text: v.T("welcome.differ")})
	}
	secret, _, err := s.sessions.Welcome(v.r.Context(), access.AddressOf(request.ClientAddr(v.r)), store.Secret(form.Code), form.Name, store.Secret(password))
	if err != nil {
		ref := request.RefusalOf(err)
		if ref.Failed() {
			return err
		}
		return s.showWelcome(v, form, v.noticeOf(ref))
	}
	s.frame.gate.SignIn(v.w, v.r, secret)
	return v.seeOther("/")
}
