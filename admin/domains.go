package admin

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"postferry/config"
	"postferry/store"
)

// domainView is a domain, as pages and API show it.
type domainView struct {
	Name string `json:"name"`
	// Fixed domains are set in the configuration file; they can't be changed here.
	Fixed    bool          `json:"fixed"`
	Old      serverView    `json:"old"`
	New      serverView    `json:"new"`
	Enrol    bool          `json:"enrol"`
	Created  *time.Time    `json:"created"` // nil for fixed ones
	Schedule *scheduleView `json:"schedule"`
	Totals   totals        `json:"totals"`
}

// serverView is one of a domain's servers.
type serverView struct {
	URL         string `json:"url"`
	Protocol    string `json:"protocol"` // imap, pop3
	Security    string `json:"security"` // tls, starttls, insecure
	Host        string `json:"host"`
	Port        int    `json:"port"`
	Fingerprint string `json:"fingerprint"` // of the one certificate that is accepted; "" to check the chain
}

func viewServer(s config.Server) serverView {
	protocol := "imap"
	if s.Protocol == config.POP3 {
		protocol = "pop3"
	}
	return serverView{URL: s.String(), Protocol: protocol, Security: string(s.Security), Host: s.Host, Port: s.Port,
		Fingerprint: strings.ToUpper(hex.EncodeToString(s.Fingerprint))}
}

// domainInput is a domain as a person or a program gives it.
type domainInput struct {
	Old            string `json:"old"` // URL: imaps://HOST[:PORT], ...
	New            string `json:"new"` // "" for the default new server
	OldFingerprint string `json:"old_fingerprint"`
	NewFingerprint string `json:"new_fingerprint"`
	Enrol          bool   `json:"enrol"`
}

// listDomains returns the domains that are the actor's business, by name.
func (a *app) listDomains(ctx context.Context, who actor) ([]domainView, error) {
	views := []domainView{}
	for _, d := range a.directory.All() {
		if !who.may(d.Name) {
			continue
		}
		v, err := a.viewDomain(ctx, &d)
		if err != nil {
			return nil, err
		}
		views = append(views, *v)
	}
	return views, nil
}

// showDomain returns one domain.
func (a *app) showDomain(ctx context.Context, who actor, name string) (*domainView, error) {
	d, err := a.domain(ctx, who, name)
	if err != nil {
		return nil, err
	}
	return a.viewDomain(ctx, d)
}

func (a *app) viewDomain(ctx context.Context, d *config.Domain) (*domainView, error) {
	b, err := a.boards.of(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	v := &domainView{Name: d.Name, Fixed: true, Old: viewServer(d.Old), New: viewServer(d.New), Enrol: d.Enrol, Totals: b.totals}
	stored, err := a.storedDomain(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	if stored != nil {
		v.Fixed, v.Created = false, timeOrNil(stored.Created)
	}
	v.Schedule, err = a.scheduleOf(ctx, d.Name)
	return v, err
}

// storedDomain finds a domain that was set up here; nil if there is none.
func (a *app) storedDomain(ctx context.Context, name string) (*store.Domain, error) {
	all, err := a.store.Domains(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Name == name {
			return &all[i], nil
		}
	}
	return nil, nil
}

// putDomain sets a domain up, or changes its servers. Whoever looks after one
// domain only can't choose the new server.
func (a *app) putDomain(ctx context.Context, who actor, name string, in domainInput) (v *domainView, created bool, err error) {
	name, err = config.ParseDomainName(strings.TrimSpace(name))
	if err != nil {
		return nil, false, errInvalid(wrongField("name", "domain_malformed", "This is not the name of a domain."))
	}
	if !who.may(name) {
		return nil, false, errNotFound("domain")
	}
	known, ok := a.directory.DomainNamed(name)
	stored, err := a.storedDomain(ctx, name)
	if err != nil {
		return nil, false, err
	}
	if ok && stored == nil {
		return nil, false, errConflict("domain_fixed", "This domain is set in the configuration file. Change it there.")
	}
	d, mistakes := a.readDomain(name, in)
	if len(mistakes) > 0 {
		return nil, false, errInvalid(mistakes...)
	}
	if !who.all() && !a.newServerStays(known, d) {
		return nil, false, &refusal{status: 403, Code: "new_server_fixed", Detail: "The new server is your provider's choice."}
	}
	if err := a.checkNewServer(ctx, stored, d); err != nil {
		return nil, false, err
	}
	if err := a.keepDomain(ctx, d); err != nil {
		return nil, false, err
	}
	if err := a.note(ctx, who, "put_domain", auditOf{domain: name, detail: d.Old + " -> " + d.New}); err != nil {
		return nil, false, err
	}
	v, err = a.showDomain(ctx, who, name)
	return v, !ok, err
}

// checkNewServer refuses another new server once mail was copied: what is not there
// would pass for deleted by its user, and never be copied again.
func (a *app) checkNewServer(ctx context.Context, was *store.Domain, d store.Domain) error {
	if was == nil || was.New == d.New {
		return nil
	}
	b, err := a.freshBoard(ctx, d.Name)
	if err != nil || b.totals.Copied == 0 {
		return err
	}
	return errConflict("new_server_in_use", "Mail of this domain was copied to the present new server already. What is not on another one would pass for deleted, so the new server stays.")
}

// newServerStays reports whether a domain's new server is the one it had, or
// the default for one that had none.
func (a *app) newServerStays(known *config.Domain, d store.Domain) bool {
	if d.NewFingerprint != nil && (known == nil || string(known.New.Fingerprint) != string(d.NewFingerprint)) {
		return false
	}
	if known != nil {
		return known.New.String() == d.New
	}
	return a.newServer != "" && d.New == a.newServer
}

// readDomain reads what was given for a domain.
func (a *app) readDomain(name string, in domainInput) (d store.Domain, mistakes []mistake) {
	if in.New == "" {
		in.New = a.newServer
	}
	d = store.Domain{Name: name, Enrol: in.Enrol, Created: a.now()}
	for _, side := range []struct {
		field, url, fingerprint string
		toURL                   *string
		toFingerprint           *[]byte
	}{{"old", in.Old, in.OldFingerprint, &d.Old, &d.OldFingerprint}, {"new", in.New, in.NewFingerprint, &d.New, &d.NewFingerprint}} {
		server, err := config.ParseServer(strings.TrimSpace(side.url))
		switch {
		case side.url == "":
			mistakes = append(mistakes, wrongField(side.field, "missing", "A server is missing."))
		case err != nil:
			mistakes = append(mistakes, wrongField(side.field, "server_malformed", "This is not the URL of a server: %s.", err))
		case side.field == "new" && server.Protocol == config.POP3:
			mistakes = append(mistakes, wrongField(side.field, "server_pop3", "The new server must speak IMAP."))
		}
		*side.toURL = server.String()
		if *side.toFingerprint, err = config.ParseFingerprint(strings.TrimSpace(side.fingerprint)); err != nil {
			mistakes = append(mistakes, wrongField(side.field+"_fingerprint", "fingerprint_malformed", "This is not a SHA-256 fingerprint: 64 hexadecimal digits are expected."))
		}
	}
	return d, mistakes
}

// deleteDomain removes a domain that was set up here and has no accounts.
func (a *app) deleteDomain(ctx context.Context, who actor, name string) error {
	d, err := a.domain(ctx, who, name)
	if err != nil {
		return err
	}
	if err := who.requireAll(); err != nil {
		return err
	}
	stored, err := a.storedDomain(ctx, d.Name)
	if err != nil {
		return err
	}
	if stored == nil {
		return errConflict("domain_fixed", "This domain is set in the configuration file. Change it there.")
	}
	if err := a.forgetDomain(ctx, d.Name); err != nil {
		return err
	}
	return a.note(ctx, who, "delete_domain", auditOf{domain: d.Name})
}

// keepDomain stores a domain and makes it known.
func (a *app) keepDomain(ctx context.Context, d store.Domain) error {
	known, err := domainOf(d)
	if err != nil {
		return err
	}
	if err := a.store.PutDomain(ctx, d); err != nil {
		return err
	}
	a.directory.Put(known)
	a.boards.changed(d.Name)
	return a.ferry.DomainChanged(ctx, d.Name)
}

// domainOf is a stored domain as the configuration knows domains.
func domainOf(d store.Domain) (known config.Domain, err error) {
	known = config.Domain{Name: d.Name, Enrol: d.Enrol}
	if known.Old, err = config.ParseServer(d.Old); err != nil {
		return known, err
	}
	if known.New, err = config.ParseServer(d.New); err != nil {
		return known, err
	}
	known.Old.Fingerprint, known.New.Fingerprint = d.OldFingerprint, d.NewFingerprint
	return known, nil
}

// forgetDomain removes a stored domain and whoever could come in for it alone, with
// all that is kept in memory of it: the next of that name may be another's.
func (a *app) forgetDomain(ctx context.Context, name string) error {
	err := a.store.DeleteDomain(ctx, name)
	if errors.Is(err, store.ErrInvalid) {
		return errConflict("domain_in_use", "This domain has accounts. Remove them first.")
	}
	if err != nil {
		return err
	}
	a.directory.Delete(name)
	a.lists.dropDomain(name)
	a.checks.drop(name)
	a.verifications.drop(name)
	return a.ferry.DomainChanged(ctx, name)
}
