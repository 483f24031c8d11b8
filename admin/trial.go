package admin

import (
	"bytes"
	"context"
	"strings"
	"sync"

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
	tried := a.try(ctx, who, known)
	b, err := a.domains.boards.Fresh(ctx, known.Name)
	tried.Swapped = tried.Swapped && err == nil && b.Totals.Copied == 0
	return tried, err
}

// try tries both servers at the same time.
func (a *Servers) try(ctx context.Context, who access.Actor, d config.Domain) *TriedServers {
	tried := &TriedServers{}
	var both sync.WaitGroup
	finder := *a.finder
	finder.AllowPrivate = who.All() && !d.Old.PublicOnly
	both.Go(func() { tried.Old = judgeServer(d.Old, finder.Single(ctx, d.Old, d.New.Host)) })
	both.Go(func() { tried.Same = a.finder.Same(ctx, d.Old, d.New) })
	both.Go(func() { tried.Swapped = a.finder.Swapped(ctx, d.Name, d.Old.Host, d.New.Host) })
	if who.All() {
		inside := *a.finder
		inside.AllowPrivate = true
		both.Go(func() { tried.New = judgeServer(d.New, inside.Single(ctx, d.New)) })
	}
	both.Wait()
	return tried
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
	return store.Domain{Name: name, New: a.defaultNew(), Created: a.now()}, nil
}

func errDomainFixed() error {
	return access.Conflict("domain_fixed", "This domain is set in the configuration file. Change it there.")
}

// refuseSame refuses two servers that are one: it would be copied into itself. What is as it was stays.
func (a *Domains) refuseSame(ctx context.Context, who access.Actor, name string, in DomainInput) error {
	was, err := a.given(ctx, who, name)
	if err != nil {
		return err
	}
	d, mistakes := readDomain(who, was, in)
	if len(mistakes) > 0 || d.Old == was.Old && d.New == was.New {
		return nil // Put says the rest
	}
	known, err := DomainOf(d)
	if err != nil || !a.finder.Same(ctx, known.Old, known.New) {
		return err
	}
	m := access.WrongField("old", "server_same", "Old and new server are one and the same: nothing would be moved.")
	return access.Invalid(m)
}
