package web

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"

	"postferry/admin/board"
	"postferry/cause"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// causePart is what keeps accounts of a domain from being copied, with what can be done about it.
type causePart struct {
	W      *words
	Domain string
	C      cause.Cause
}

// causes are those of a domain.
func (s *domainPages) causes(ctx context.Context, v *visit, domain string) ([]causePart, error) {
	all, err := s.status.Causes(ctx, v.who, domain)
	parts := make([]causePart, len(all))
	for i := range all {
		parts[i] = causePart{v.W, domain, all[i]}
	}
	return parts, err
}

// causeGroup are the causes that need a person, or those that pass by themselves.
type causeGroup struct {
	NeedsPerson bool
	Accounts    int
	Causes      []causePart
}

// Groups are the causes in these two groups; one without any is left out.
func (x whole) Groups() (groups []causeGroup) {
	for _, needs := range []bool{true, false} {
		g := causeGroup{NeedsPerson: needs}
		for _, c := range x.Causes {
			if c.C.NeedsPerson == needs {
				g.Accounts += c.C.Accounts
				g.Causes = append(g.Causes, c)
			}
		}
		if g.Accounts > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

// Sentence says what is wrong, of several accounts in words that fit all of them.
func (x causePart) Sentence() string {
	if x.C.Accounts > 1 {
		id := "cause." + string(x.C.Kind)
		if x.C.Folder == "" && x.W.Has(id) {
			return x.W.T(id, "Host", x.C.Host)
		}
	}
	return x.W.Problem(x.problem())
}

// Advice says what helps.
func (x causePart) Advice() string { return x.W.Advice(x.problem()) }

func (x causePart) problem() *report.Problem {
	advice := store.RetryLater
	if x.C.NeedsPerson && x.C.Retry == nil {
		advice = store.NeedsFix
	}
	return &report.Problem{Kind: x.C.Kind, Server: x.C.Server, Host: x.C.Host, Folder: x.C.Folder, Summary: x.C.Text, Advice: advice}
}

// Names are some of the accounts.
func (x causePart) Names() string {
	names := strings.Join(x.C.Logins, ", ")
	if len(x.C.Logins) < x.C.Accounts {
		names += ", …"
	}
	return names
}

// List is the address of the list of the accounts.
func (x causePart) List() string {
	q := url.Values{"problem": {string(x.C.Kind)}}
	if x.C.Server != "" {
		q.Set("server", string(x.C.Server))
	}
	return domainPath(x.Domain) + "?" + q.Encode() + "#accounts"
}

// Link is the page on which it is mended; "" if there is none for all of the accounts.
func (x causePart) Link() string {
	switch x.C.Mend {
	case cause.Servers:
		return domainPath(x.Domain, "servers")
	case cause.SignIn:
		if x.C.Kind == store.ConsentMissing || x.C.Kind == store.ConsentRevoked || x.C.Kind == store.ConsentLost {
			return sidePath(x.Domain, "consents", x.C.Server) + "&missing=1"
		}
		return sidePath(x.Domain, "connect", x.C.Server)
	case cause.Logins:
		if x.C.Accounts > 1 {
			return domainPath(x.Domain, "accounts", "new")
		}
	}
	return ""
}

// Retries reports whether running all of the accounts again can help.
func (x causePart) Retries() bool { return x.C.Mend != cause.Decide && x.C.Mend != cause.Logins }

// causedView is the cause that a list of accounts is narrowed to.
type causedView struct {
	board.Caused
	Sentence string
	All      string // address of the list without it
}

// causedBy reads which cause an address asks for; nil for none.
func (x whole) causedBy(q url.Values) *causedView {
	c := board.Caused{Kind: store.ProblemKind(q.Get("problem")), Server: store.Side(q.Get("server"))}
	if c.Kind == "" {
		return nil
	}
	v := &causedView{Caused: c, All: domainPath(x.D.Name) + "#accounts"}
	v.Sentence = x.W.Problem(&report.Problem{Kind: c.Kind, Server: c.Server, Summary: reason.Said(string(c.Kind))})
	at := slices.IndexFunc(x.Causes, func(p causePart) bool { return p.C.Kind == c.Kind && cmp.Or(c.Server, p.C.Server) == p.C.Server })
	if at >= 0 {
		v.Sentence = x.Causes[at].Sentence()
	}
	return v
}
