package admin

import (
	"net/http"
	"strconv"
	"strings"

	"postferry/store"
)

// view is what lists show of a row. An alias shows what goes on with the account that it leads to.
func (b *board) view(i int) accountView {
	o := &b.rows[i]
	if o.Alias == 0 {
		return viewAccount(o, b.liveOf(o.ID))
	}
	v := viewAccount(o, b.liveOf(o.Alias))
	of := ""
	if at, ok := b.at(o.Alias); ok {
		of = b.rows[at].Login
	}
	v.AliasOf = &of
	return v
}

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

// accountNamed is the login of the account that a problem of two logins is about, which its sentence
// has in quotes; "" for none.
func accountNamed(summary string) string {
	_, rest, _ := strings.Cut(summary, `the account "`)
	quoted, err := strconv.QuotedPrefix(`"` + rest)
	if err != nil {
		return ""
	}
	login, _ := strconv.Unquote(quoted)
	return login
}

// formDecideAlias answers it.
func (s *Server) formDecideAlias(v *visit) error {
	id, err := accountID(v.r)
	if err != nil {
		return err
	}
	of := strings.TrimSpace(v.r.PostFormValue("alias_of"))
	switch do := v.r.PostFormValue("do"); {
	case do == "apart":
		of = ""
	case do != "same":
		return &refusal{status: http.StatusBadRequest, Code: "malformed", Detail: "The form did not arrive whole. Try again."}
	case of == "":
		n, err := v.noticeOr(errInvalid(wrongField("alias_of", "no_such_account", "There is no other account of that login in the domain.")))
		if err != nil {
			return err
		}
		return s.showAccountPage(v, n)
	}
	if _, err := s.app.updateAccount(v.r.Context(), v.who, v.domain(), id, accountPatch{AliasOf: &of}); err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showAccountPage(v, n)
	}
	return v.seeOther(doneAt(domainPath(v.domain(), "a", v.r.PathValue("account")), "alias_decided", 0))
}
