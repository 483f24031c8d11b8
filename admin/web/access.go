package web

import (
	"strconv"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/request"
	"postferry/store"
)

// accessPages are about who may come in, and what they did.
type accessPages struct {
	frame  *frame
	access *access.Administrators
	audit  *access.Audit
}

func (s *accessPages) routes() []pageRoute {
	return []pageRoute{
		{"GET /audit", false, s.pageAudit},
		{"GET /access", false, s.pageAccess},
		{"POST /access/password", false, s.formPassword},
		{"POST /access/admins", false, s.formPutAdmin},
		{"POST /access/admins/delete", false, s.formDeleteAdmin},
		{"POST /access/tokens", false, s.formCreateToken},
		{"POST /access/tokens/revoke", false, s.formRevokeToken},
	}
}

func (s *accessPages) pageAudit(v *visit) error {
	before, err := request.QueryNumber(v.r, "before", 0, 0, 1<<62)
	if err != nil {
		return err
	}
	entries, err := s.audit.List(v.r.Context(), v.who, "", before, board.MaxPerPage)
	if err != nil {
		return err
	}
	next := ""
	if len(entries) == board.MaxPerPage {
		next = "/audit?before=" + strconv.FormatUint(entries[len(entries)-1].ID, 10)
	}
	return s.frame.show(v, "audit", view{Title: v.T("audit.title"), D: struct {
		Entries []access.AuditView
		Next    string
	}{entries, next}})
}

// accessView is who may do what.
type accessView struct {
	All    bool
	Admins []access.AdminView
	Tokens []access.TokenView
	Secret string // of the token just made, shown this once
	Token  string // its name
	Scope  string
}

func (s *accessPages) pageAccess(v *visit) error { return s.showAccess(v, accessView{}, nil) }

func (s *accessPages) showAccess(v *visit, x accessView, n *notice) error {
	var err error
	x.All, x.Scope = v.who.All(), v.who.Scope
	if x.All {
		if x.Admins, err = s.access.Admins(v.r.Context(), v.who); err != nil {
			return err
		}
	}
	if x.Tokens, err = s.access.Tokens(v.r.Context(), v.who); err != nil {
		return err
	}
	return s.frame.showAs(v, statusOf(n), "access", view{Title: v.T("access.title"), Path: "/access", Notice: n, D: x})
}

// after shows the page again if a form was refused, or says what it has done.
func (s *accessPages) after(v *visit, done string, err error) error {
	if err == nil {
		return v.seeOther(doneAt("/access", done, 0))
	}
	n, err := v.noticeOr(err)
	if err != nil {
		return err
	}
	return s.showAccess(v, accessView{}, n)
}

func (s *accessPages) formPassword(v *visit) error {
	f := v.r.PostFormValue
	if f("password") != f("again") {
		return s.showAccess(v, accessView{}, &notice{Kind: "bad", Text: v.T("welcome.differ")})
	}
	err := s.access.ChangePassword(v.r.Context(), v.who, store.Secret(f("old_password")), store.Secret(f("password")))
	if err == nil {
		request.ClearSession(v.w, v.r) // all sessions have ended
		return v.seeOther(doneAt("/login", "password_changed", 0))
	}
	ref := request.RefusalOf(err)
	for i := range ref.Mistakes {
		if m := &ref.Mistakes[i]; m.Field == "old_password" { // whose name accounts have for another one
			m.Field = "password_now"
		}
	}
	return s.after(v, "", ref)
}

func (s *accessPages) formPutAdmin(v *visit) error {
	f := v.r.PostFormValue
	_, err := s.access.PutAdmin(v.r.Context(), v.who, f("name"), f("domain"), store.Secret(f("password")))
	return s.after(v, "admin_added", err)
}

func (s *accessPages) formDeleteAdmin(v *visit) error {
	return s.after(v, "admin_deleted", s.access.DeleteAdmin(v.r.Context(), v.who, v.r.PostFormValue("name")))
}

func (s *accessPages) formCreateToken(v *visit) error {
	domain := v.r.PostFormValue("domain")
	if !v.who.All() {
		domain = v.who.Scope
	}
	t, secret, err := s.access.CreateToken(v.r.Context(), v.who, v.r.PostFormValue("name"), domain)
	if err != nil {
		return s.after(v, "", err)
	}
	return s.showAccess(v, accessView{Secret: secret.Reveal(), Token: t.Name}, nil)
}

func (s *accessPages) formRevokeToken(v *visit) error {
	id, err := strconv.ParseUint(v.r.PostFormValue("id"), 10, 64)
	if err != nil {
		return &access.Refusal{Kind: access.KindNotFound, Code: "not_found", Detail: "There is no such token."}
	}
	return s.after(v, "token_revoked", s.access.RevokeToken(v.r.Context(), v.who, id))
}
