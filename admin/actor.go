package admin

import (
	"context"
	"net/netip"

	"postferry/config"
	"postferry/store"
)

// actor is who asks for something.
type actor struct {
	who   string // as the audit log calls it
	scope string // store.ScopeAll or a domain
	from  string // address; "" at the machine itself
	// owner is what lists and jobs are bound to: the digest of the session or the token.
	owner store.Digest
	// admin is the administrator's name; "" for a token or the command line.
	admin string
	token uint64 // the token's number; 0 for others
}

// commandLine is the actor at the machine itself, who may do everything.
func commandLine() actor { return actor{who: "command line"} }

// all reports whether the actor may do what concerns all domains.
func (a actor) all() bool { return a.scope == store.ScopeAll }

// requireAll refuses actors who look after one domain only.
func (a actor) requireAll() error {
	if !a.all() {
		return errForbidden()
	}
	return nil
}

// may reports whether a domain is the actor's business.
func (a actor) may(domain string) bool { return a.all() || a.scope == domain }

// addressOf is an address without its port, for the audit log and limits.
func addressOf(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.Unmap().WithZone("").String()
}

// domain finds a domain for an actor. Every use case about a domain begins with
// it: it is the one place where scopes are checked.
func (a *app) domain(_ context.Context, who actor, name string) (*config.Domain, error) {
	d, ok := a.directory.DomainNamed(name)
	if !ok || !who.may(d.Name) {
		return nil, errNotFound("domain")
	}
	return d, nil
}
