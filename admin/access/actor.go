package access

import (
	"net/netip"

	"postferry/store"
)

// Actor is who asks for something.
type Actor struct {
	Name  string // as the audit log calls it
	Scope string // store.ScopeAll or a domain
	from  string // address; "" at the machine itself
	// Owner is what lists and jobs are bound to: the digest of the session or the token.
	Owner store.Digest
	// Admin is the administrator's name; "" for a token or the command line.
	Admin string
	token uint64 // the token's number; 0 for others
}

// CommandLine is the actor at the machine itself, who may do everything.
func CommandLine() Actor { return Actor{Name: "command line"} }

// All reports whether the actor may do what concerns all domains.
func (a Actor) All() bool { return a.Scope == store.ScopeAll }

// RequireAll refuses actors who look after one domain only.
func (a Actor) RequireAll() error {
	if !a.All() {
		return Forbidden()
	}
	return nil
}

// May reports whether a domain is the actor's business.
func (a Actor) May(domain string) bool { return a.All() || a.Scope == domain }

// AddressOf is an address without its port, for the audit log and limits.
func AddressOf(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.Unmap().WithZone("").String()
}
