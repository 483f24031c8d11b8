package admin

import (
	"context"
	"fmt"
	"strings"

	"postferry/admin/access"
	"postferry/config"
	"postferry/discover"
	"postferry/internal/asciifold"
	"postferry/store"
)

// Scopes knows which domains there are, who may see them and whose a login is.
type Scopes struct{ directory *config.Directory }

// Domain finds a domain for an actor. Every use case about a domain begins with
// it: it is the one place where scopes are checked.
func (a *Scopes) Domain(_ context.Context, who access.Actor, name string) (*config.Domain, error) {
	d, ok := a.directory.DomainNamed(name)
	if !ok || !who.May(d.Name) {
		return nil, access.NotFound("domain")
	}
	return d, nil
}

// Names are the names of all domains.
func (a *Scopes) Names() []string {
	all := a.directory.All()
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return names
}

// Peculiarities are what to know of the providers that a domain's servers belong to.
func (a *Scopes) Peculiarities(domain string) []discover.Message {
	d, ok := a.directory.DomainNamed(domain)
	if !ok {
		return []discover.Message{}
	}
	return append([]discover.Message{}, discover.Peculiarities(*d)...)
}

// Whose a login is: what stands behind its last @ says the domain, known here or not.
// One without @ belongs to the default domain, or to nobody. Nothing here looks at which
// accounts there are: nobody learns that from what is refused.

// belongs reports whether a login is one of a domain: what clients log in with.
func (a *Scopes) belongs(d *config.Domain, login string) bool {
	of, ok := a.directory.DomainOf(login)
	return ok && of.Name == d.Name
}

// foreignAddress reports a login that names another domain. Old servers know people by
// many names; one without a domain is nobody else's there.
func foreignAddress(d *config.Domain, login string) bool {
	at := strings.LastIndexByte(login, '@')
	return at >= 0 && asciifold.Lower(strings.TrimRight(login[at+1:], " \t")) != asciifold.Lower(d.Name)
}

// foreign reports a login that is another domain's at the new server, where those without @
// are the default domain's.
func (a *Scopes) foreign(d *config.Domain, login string) bool {
	of, ok := a.directory.DomainOf(login)
	return foreignAddress(d, login) || ok && of.Name != d.Name
}

// accountLogin is what clients log in with to the account of a line: the login at the old
// server or, if that is none of the domain, the one at the new server. An account that was
// known by its old login before logins had to be of the domain stays what it is.
func (a *Scopes) accountLogin(d *config.Domain, l config.AccountLine, known map[string]store.AccountID) string {
	if a.belongs(d, l.Login) {
		return l.Login
	}
	if _, ok := known[asciifold.Lower(l.Login)]; ok {
		return l.Login
	}
	newLogin, _ := l.New()
	return newLogin
}

// lineCheck checks the lines of one list, as they come, for who gives it.
func (a *Scopes) lineCheck(who access.Actor, d *config.Domain) func(config.AccountLine) error {
	seen := map[string]int{}
	return func(l config.AccountLine) error {
		newLogin, _ := l.New()
		named := a.accountLogin(d, l, nil)
		switch {
		case !a.belongs(d, named) && !strings.Contains(l.Login, "@"):
			return &config.Mistake{Code: "login_without_domain", Args: access.Args("expected", "...@"+d.Name),
				Text: "has a login without a domain; expected ...@" + d.Name + ", or such a login at the new server as well"}
		case !a.belongs(d, named), !who.All() && (foreignAddress(d, l.Login) || a.foreign(d, newLogin)):
			return errOtherDomain(d)
		case seen[asciifold.Lower(named)] > 0:
			first := seen[asciifold.Lower(named)]
			return &config.Mistake{Code: "login_twice", Args: access.Args("value", first), Text: fmt.Sprintf("has the login of line %d again", first)}
		}
		seen[asciifold.Lower(named)] = l.Line
		return nil
	}
}

// errOtherDomain is for a login of another domain. It is not repeated: if columns were
// mixed up, it is a password.
func errOtherDomain(d *config.Domain) error {
	expected := "...@" + d.Name
	return &config.Mistake{Code: "other_domain", Args: access.Args("expected", expected),
		Text: "has a login of another domain; expected " + expected}
}
