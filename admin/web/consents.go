package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/request"
	"postferry/store"
)

// consentsForm are the mailboxes of a domain whose owners agree.
type consentsForm struct {
	List    *admin.ConsentList
	Search  string
	Missing bool
	Mailbox string
	Codes   codesPart
	Pager   pagerPart
}

// pagerPart leads to the other pages of a list.
type pagerPart struct {
	W          *words
	Back, Next string // addresses; "" for none
}

// codesPart are the codes that wait to be entered.
type codesPart struct {
	W      *words
	Domain string
	Side   store.Side
	All    []admin.ConsentCodeView
}

// Running is what the page watches: when it is not any more, the list is another one.
func (x codesPart) Running() string {
	for _, c := range x.All {
		if c.Ended == nil {
			return "running"
		}
	}
	return "done"
}

// Said says why nothing came of a code.
func (x codesPart) Said(c admin.ConsentCodeView) string {
	if c.Reason == nil {
		return ""
	}
	return x.W.textOr("refusal."+c.Why, c.Error, c.Reason.Args)
}

func (s *connectPages) pageConsents(v *visit) error {
	side := sideOf(v.r)
	if v.r.FormValue("side") == "" {
		side = s.consents.Usual(v.domain())
	}
	return s.showConsents(v, v.domain(), side, nil)
}

// showConsents shows who has agreed.
func (s *connectPages) showConsents(v *visit, domain string, side store.Side, n *notice) error {
	page, err := request.QueryNumber(v.r, "page", 1, 1, 1_000_000)
	if err != nil {
		return err
	}
	q := admin.ConsentQuery{Search: strings.TrimSpace(v.r.FormValue("search")), Missing: v.r.FormValue("missing") != "", Page: int(page), PerPage: request.DefaultPerPage}
	list, err := s.consents.List(v.r.Context(), v.who, domain, side, q)
	if err != nil {
		return err
	}
	form := consentsForm{List: list, Search: q.Search, Missing: q.Missing, Mailbox: strings.TrimSpace(v.r.PostFormValue("mailbox")), Codes: codesPart{v.W, list.Domain, side, list.Codes}, Pager: pagerPart{W: v.W}}
	at := func(page int) string {
		return domainPath(list.Domain, "consents") + "?" + url.Values{"side": {string(side)}, "search": {q.Search}, "missing": {ticked(q.Missing)}, "page": {strconv.Itoa(page)}}.Encode()
	}
	if q.Page > 1 {
		form.Pager.Back = at(q.Page - 1)
	}
	if q.Page*q.PerPage < list.Found {
		form.Pager.Next = at(q.Page + 1)
	}
	return s.frame.showAs(v, statusOf(n), "consents", view{Title: v.T("consents.title", "Domain", list.Domain), Heading: v.T("consents.heading"), Path: at(q.Page), Crumbs: v.toDomain(list.Domain), Notice: n,
		Stream: domainPath(list.Domain, "consents", "live") + "?side=" + string(side), D: form})
}

// liveConsents sends what comes of codes.
func (s *connectPages) liveConsents(v *visit) error {
	domain, side := v.domain(), sideOf(v.r)
	if _, err := s.consents.Codes(v.r.Context(), v.who, domain, side); err != nil {
		return err
	}
	return s.frame.gate.Stream(v.w, v.r, v.who, func(ctx context.Context, x *request.Stream) error {
		all, err := s.consents.Codes(ctx, v.who, domain, side)
		if err != nil {
			return err
		}
		html, err := s.frame.part("consent_codes", codesPart{v.W, domain, side, all})
		if err != nil {
			return err
		}
		sum := sha256.Sum256([]byte(html))
		return x.SendAs("change", "codes", change{ID: "codes", Version: hex.EncodeToString(sum[:8]), HTML: html})
	})
}

// formConsents has somebody agree, or forgets what somebody has agreed to.
func (s *connectPages) formConsents(v *visit) error {
	domain, side, mailbox := v.domain(), sideOf(v.r), v.r.PostFormValue("mailbox")
	at := sidePath(domain, "consents", side)
	var err error
	switch v.r.PostFormValue("do") {
	case "browser":
		return s.sendBrowser(v, domain, side, mailbox)
	case "code":
		_, err = s.consents.BeginCode(v.r.Context(), v.who, domain, side, mailbox)
	case "cancel":
		err = s.consents.CancelCode(v.r.Context(), v.who, domain, side, v.r.PostFormValue("id"))
	case "forget":
		var gone *admin.Forgotten
		if gone, err = s.consents.Forget(v.r.Context(), v.who, domain, side, mailbox); err == nil {
			at += map[bool]string{true: "&done=consent_revoked", false: "&done=consent_forgotten"}[gone.Revoked > 0]
		}
	default:
		return access.NotFound("page")
	}
	if err != nil {
		return s.consentRefused(v, domain, side, err)
	}
	return v.seeOther(at)
}

// consentRefused says on the page why there is no agreement.
func (s *connectPages) consentRefused(v *visit, domain string, side store.Side, err error) error {
	n, err := v.noticeOr(err)
	if err != nil {
		return err
	}
	return s.showConsents(v, domain, side, n)
}

// goingForm leads a browser to a provider. It is a link and no redirection: the content policy lets forms lead to
// this site alone.
type goingForm struct {
	*admin.ConsentVisit
	Domain string
	Side   store.Side
}

func (s *connectPages) sendBrowser(v *visit, domain string, side store.Side, mailbox string) error {
	going, err := s.consents.Send(v.r.Context(), v.who, domain, side, mailbox, s.consents.ReturnAddress(request.Reached(v.r)))
	if err != nil {
		return s.consentRefused(v, domain, side, err)
	}
	return s.frame.showAs(v, http.StatusOK, "consent_go", view{Title: v.T("consents.title", "Domain", domain), Heading: v.T("consents.go_heading", "Mailbox", going.Mailbox),
		Narrow: true, Path: sidePath(domain, "consents", side), Crumbs: v.toDomain(domain), D: goingForm{going, domain, side}})
}

// pageBack is where browsers come back from a provider.
func (s *connectPages) pageBack(v *visit) error {
	at, err := s.consents.ComeBack(v.r.Context(), v.who, v.r.URL.Query())
	switch {
	case err != nil && at == nil:
		return err
	case err != nil:
		return s.consentRefused(v, at.Domain, at.Side, err)
	}
	return v.seeOther(sidePath(at.Domain, "consents", at.Side) + "&done=consent_given")
}
