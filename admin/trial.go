package admin

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"

	"postferry/admin/access"
	"postferry/config"
	"postferry/discover"
	"postferry/store"
)

// TriedServers are a domain's servers as they answered.
type TriedServers struct {
	Old *TriedServer `json:"old"`
	New *TriedServer `json:"new"` // nil for whom it isn't to choose
	// Same is set if both lead to one mail server.
	Same bool `json:"same"`
	// Swapped is set if nothing has been copied yet and the MX leads to the new server: it may be the old one.
	Swapped bool `json:"swapped"`
}

// TriedServer is a server as it answered. OK is set if it can be used as it is given, with its pin
// where there is one; Pinned if the certificate is the pinned one.
type TriedServer struct {
	Attempt discover.Attempt `json:"attempt"`
	OK      bool             `json:"ok"`
	Pinned  bool             `json:"pinned"`
}

// Try connects to the servers that a domain would have with what is given, and says what answers.
// Nobody logs in, and nothing is kept.
func (a *Servers) Try(ctx context.Context, who access.Actor, name string, in DomainInput) (*TriedServers, error) {
	was, err := a.domains.given(ctx, who, name)
	if err != nil {
		return nil, err
	}
	d, mistakes := readDomain(who, was, in)
	if len(mistakes) > 0 {
		return nil, access.Invalid(mistakes...)
	}
	if err := checkScope(who, was, d); err != nil {
		return nil, err
	}
	known, err := DomainOf(d)
	if err != nil {
		return nil, err
	}
	leave, err := a.search(who)
	if err != nil {
		return nil, err
	}
	defer leave()
	return a.try(ctx, who, known)
}

// try tries both servers at the same time.
func (a *Servers) try(ctx context.Context, who access.Actor, d config.Domain) (tried *TriedServers, err error) {
	tried = &TriedServers{}
	var both sync.WaitGroup
	finder := *a.finder
	finder.AllowPrivate = who.All() && !d.Old.PublicOnly
	both.Go(func() { tried.Old = judgeServer(d.Old, finder.Single(ctx, d.Old, d.New.Host)) })
	both.Go(func() { tried.Same = a.finder.Same(ctx, d.Old, d.New) })
	both.Go(func() { tried.Swapped, err = a.domains.swapped(ctx, d) })
	if who.All() {
		inside := *a.finder
		inside.AllowPrivate = true
		both.Go(func() { tried.New = judgeServer(d.New, inside.Single(ctx, d.New)) })
	}
	both.Wait()
	return tried, err
}

// swapped suspects that a domain's servers are mixed up: nothing has been copied yet, and its MX leads to the new one.
func (a *Domains) swapped(ctx context.Context, d config.Domain) (bool, error) {
	b, err := a.boards.Fresh(ctx, d.Name)
	if err != nil || b.Totals.Copied > 0 {
		return false, err
	}
	return a.finder.Swapped(ctx, d.Name, d.Old.Host, d.New.Host), nil
}

// judgeServer tells whether a server can be used as it is given.
func judgeServer(s config.Server, at discover.Attempt) *TriedServer {
	t := &TriedServer{Attempt: at}
	if at.Certificate != nil && s.Fingerprint != nil {
		sum, err := config.ParseFingerprint(at.Certificate.Fingerprint)
		t.Pinned = err == nil && bytes.Equal(sum, s.Fingerprint)
	}
	asked := s.Security != config.Insecure && at.Security == discover.Plaintext // it has no TLS
	t.OK = at.Usable && !asked && (t.Pinned || s.Fingerprint == nil && (at.Trusted || s.Security == config.Insecure))
	return t
}

// given is a domain as it is kept, or as it would be set up; it is refused where Put would refuse it.
func (a *Domains) given(ctx context.Context, who access.Actor, name string) (store.Domain, error) {
	name, err := config.ParseDomainName(strings.TrimSpace(name))
	if err != nil {
		return store.Domain{}, access.Invalid(access.WrongField("name", "domain_malformed", "This is not the name of a domain."))
	}
	if !who.May(name) {
		return store.Domain{}, access.NotFound("domain")
	}
	_, known := a.directory.DomainNamed(name)
	stored, err := storedDomain(ctx, a.store, name)
	switch {
	case err != nil:
		return store.Domain{}, err
	case stored != nil:
		return *stored, nil
	case known:
		return store.Domain{}, errDomainFixed()
	}
	return store.Domain{Name: name, New: a.defaultNew(), Created: time.Now()}, nil
}

func errDomainFixed() error {
	return access.Conflict("domain_fixed", "This domain is set in the configuration file. Change it there.")
}

// refuseMistaken refuses two servers that are one, as it would be copied into itself, and those that seem to be mixed up, unless
// that is said to be right. What is as it was stays.
func (a *Domains) refuseMistaken(ctx context.Context, who access.Actor, name string, in DomainInput) error {
	was, err := a.given(ctx, who, name)
	if err != nil {
		return err
	}
	d, mistakes := readDomain(who, was, in)
	if len(mistakes) > 0 || d.Old == was.Old && d.New == was.New {
		return nil // Put says the rest
	}
	known, err := DomainOf(d)
	if err != nil {
		return err
	}
	if a.finder.Same(ctx, known.Old, known.New) {
		return access.Invalid(access.WrongField("old", "server_same", "Old and new server are one and the same: nothing would be moved."))
	}
	if in.AcceptSwapped {
		return nil
	}
	swapped, err := a.swapped(ctx, known)
	if err == nil && swapped {
		err = access.Conflict("servers_swapped", "The MX of the domain leads to the new server already, and nothing has been copied yet: perhaps old and new server are mixed up. If they are right, send accept_swapped with them.")
	}
	return err
}
