package config

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"postferry/internal/asciifold"
)

// Directory are the domains that are known: those of the configuration file,
// which stay as they are, and others that come and go while Postferry runs. A
// domain of the file hides another one of its name. It is safe for concurrent
// use; what it returns is never changed.
type Directory struct {
	fixed []Domain
	now   atomic.Pointer[domains]

	change   sync.Mutex // held by whoever makes the next view
	others   map[string]Domain
	signIns  map[signInPlace]*SignIn // of the others
	complete func(*Domain)           // nil for none
}

// signInPlace is one of a domain's servers.
type signInPlace struct{ domain, side string }

// NewDirectory makes a directory of the file's domains.
func NewDirectory(fixed []Domain) *Directory {
	d := &Directory{fixed: slices.Clone(fixed), others: map[string]Domain{}, signIns: map[signInPlace]*SignIn{}}
	d.look()
	return d
}

// domains is what a directory knows at a moment.
type domains struct {
	all    []*Domain // by name
	byName map[string]*Domain
	spare  *Domain // the default domain; nil if there is none
}

// Put adds a domain, or replaces the one of that name.
func (d *Directory) Put(domain Domain) {
	d.change.Lock()
	defer d.change.Unlock()
	domain.Name = asciifold.Lower(domain.Name)
	d.others[domain.Name] = domain
	d.look()
}

// Delete removes a domain that was put.
func (d *Directory) Delete(name string) {
	d.change.Lock()
	defer d.change.Unlock()
	name = asciifold.Lower(name)
	delete(d.others, name)
	delete(d.signIns, signInPlace{name, "old"})
	delete(d.signIns, signInPlace{name, "new"})
	d.look()
}

// PutSignIn says how Postferry signs in at one of the servers of a domain that was put, or is
// going to be; nil for the accounts' own passwords. It stays as it is when the domain is put again.
func (d *Directory) PutSignIn(domain, side string, s *SignIn) {
	d.change.Lock()
	defer d.change.Unlock()
	d.signIns[signInPlace{asciifold.Lower(domain), side}] = s
	d.look()
}

// withSignIns are the others with how Postferry signs in at their servers.
func (d *Directory) withSignIns() []Domain {
	all := make([]Domain, 0, len(d.others))
	for name, domain := range d.others {
		domain.Old.SignIn = d.signIns[signInPlace{name, "old"}]
		domain.New.SignIn = d.signIns[signInPlace{name, "new"}]
		all = append(all, domain)
	}
	return all
}

// Complete has each domain, now and later, completed by fn: with what follows from its servers
// and nobody has chosen.
func (d *Directory) Complete(fn func(*Domain)) {
	d.change.Lock()
	defer d.change.Unlock()
	d.complete = fn
	d.look()
}

// look makes the next view.
func (d *Directory) look() {
	next := &domains{byName: map[string]*Domain{}}
	for _, list := range [][]Domain{d.withSignIns(), d.fixed} {
		for _, domain := range list {
			if d.complete != nil {
				d.complete(&domain)
			}
			next.byName[asciifold.Lower(domain.Name)] = &domain
			if domain.Default {
				next.spare = &domain
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(next.byName)) {
		next.all = append(next.all, next.byName[name])
	}
	d.now.Store(next)
}

// All returns all domains, by name.
func (d *Directory) All() []Domain {
	view := d.now.Load()
	all := make([]Domain, len(view.all))
	for i, domain := range view.all {
		all[i] = *domain
	}
	return all
}

// DomainNamed finds a domain by its name, whatever the case of ASCII letters.
func (d *Directory) DomainNamed(name string) (*Domain, bool) {
	domain, ok := d.now.Load().byName[asciifold.Lower(name)]
	return domain, ok
}

// DomainOf finds the domain a login belongs to: the one named after the last
// @, whatever the case, or the default domain for a login without @. It
// reports false if there is none; a login without @ is never guessed to
// belong to a domain that was not made the default.
func (d *Directory) DomainOf(login string) (*Domain, bool) {
	if at := strings.LastIndexByte(login, '@'); at >= 0 {
		return d.DomainNamed(login[at+1:])
	}
	spare := d.now.Load().spare
	return spare, spare != nil
}

// LoginOf is what clients log in with to the account of a line, and the domain of that: the
// login at the old server or, where no domain takes it, the one at the new server.
func (d *Directory) LoginOf(l AccountLine) (login string, of *Domain, ok bool) {
	if of, ok = d.DomainOf(l.Login); ok {
		return l.Login, of, true
	}
	login, _ = l.New()
	of, ok = d.DomainOf(login)
	return login, of, ok
}

// FoldLogin is a login as look-ups compare it: without the case of ASCII letters.
func FoldLogin(login string) string { return asciifold.Lower(login) }
