package web

import (
	"strings"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/request"
	"postferry/report/reason"
	"postferry/store"
)

// aliasQuestion is what a page asks a person about two logins.
type aliasQuestion struct {
	Of string // login of the account that it leads to, or may; "" if that is another domain's, or can't be told
	Is bool   // it leads there already
}

// Question is whether the account's mailbox is another's; nil if there is nothing to ask.
func (x accountPageView) Question() *aliasQuestion {
	switch {
	case x.AliasOf != nil:
		return &aliasQuestion{Of: *x.AliasOf, Is: true}
	case x.Problem != nil && x.Problem.Kind == store.SameMailbox:
		return &aliasQuestion{Of: accountNamed(x.Problem.Summary)}
	}
	return nil
}

// accountNamed is the login of the account that a problem of two logins is about; "" for none.
func accountNamed(why reason.Reason) string {
	return reason.Reason(why.Value("Whose")).Value("Login")
}

// formDecideAlias answers it.
func (s *accountPages) formDecideAlias(v *visit) error {
	id, err := request.AccountID(v.r)
	if err != nil {
		return err
	}
	of := strings.TrimSpace(v.r.PostFormValue("alias_of"))
	switch do := v.r.PostFormValue("do"); {
	case do == "apart":
		of = ""
	case do != "same":
		return &access.Refusal{Kind: access.KindMalformed, Code: "malformed", Detail: "The form did not arrive whole. Try again."}
	case of == "":
		n, err := v.noticeOr(access.Invalid(access.WrongField("alias_of", "no_such_account", "There is no other account of that login in the domain.")))
		if err != nil {
			return err
		}
		return s.showAccountPage(v, n)
	}
	if _, err := s.accounts.Update(v.r.Context(), v.who, v.domain(), id, admin.AccountPatch{AliasOf: &of}); err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showAccountPage(v, n)
	}
	return v.seeOther(doneAt(domainPath(v.domain(), "a", v.r.PathValue("account")), "alias_decided", 0))
}
