package admin

import (
	"context"
	"crypto/rand"
	"io"
	"sync"
	"time"

	"postferry/admin/access"
	"postferry/config"
	"postferry/internal/asciifold"
	"postferry/store"
)

const (
	// listLife is how long a list waits for the person's decision.
	listLife = 30 * time.Minute
	// maxListsEach, maxLists and maxListsAll bound the lists that wait: of a domain's
	// people and programs, of all domains', of those who look after everything.
	maxListsEach, maxLists, maxListsAll = 5, 50, 20
	// maxListedEach, maxListed and maxListedAll bound the accounts in these lists.
	maxListedEach, maxListed, maxListedAll = config.MaxAccounts, 3 * config.MaxAccounts, 2 * config.MaxAccounts
	// maxParsingEach, maxParsing and maxParsingAll bound the lists that are read at a time.
	maxParsingEach, maxParsing, maxParsingAll = 2, 6, 4
	// shownLogins is how many logins of a list are shown.
	shownLogins = 20
)

// list is an uploaded list that waits in memory; it is never written anywhere.
type list struct {
	id      string
	owner   store.Digest
	scope   string // of its owner
	domain  string
	expires time.Time
	parsed  *config.AccountList
}

// lists are those that wait.
type lists struct {
	parsing  *access.Places // of lists being read
	waiting  *access.Places // of lists
	accounts *access.Places // of the accounts in them

	mu   sync.Mutex
	byID map[string]*list
}

func newLists() *lists {
	return &lists{
		parsing:  access.NewPlaces(maxParsingEach, maxParsing, maxParsingAll),
		waiting:  access.NewPlaces(maxListsEach, maxLists, maxListsAll),
		accounts: access.NewPlaces(maxListedEach, maxListed, maxListedAll),
		byID:     map[string]*list{},
	}
}

// add keeps a list until it is taken, dropped or expired. An owner has one
// for a domain.
func (l *lists) add(now time.Time, x *list) error {
	x.id = rand.Text()
	x.expires = now.Add(listLife)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(func(o *list) bool { return o.gone(now) || o.owner == x.owner && o.domain == x.domain })
	if !l.take(x) {
		return access.Busy("too_many_lists", "Too many lists are waiting for a decision. Try again later.", listLife)
	}
	l.byID[x.id] = x
	return nil
}

// take takes the places that a list needs.
func (l *lists) take(x *list) bool {
	if !l.waiting.Take(x.scope, 1) {
		return false
	}
	if !l.accounts.Take(x.scope, len(x.parsed.Accounts)) {
		l.waiting.Leave(x.scope, 1)
		return false
	}
	return true
}

// forget forgets lists, with mu held.
func (l *lists) forget(which func(*list) bool) {
	for id, x := range l.byID {
		if which(x) {
			l.waiting.Leave(x.scope, 1)
			l.accounts.Leave(x.scope, len(x.parsed.Accounts))
			delete(l.byID, id)
		}
	}
}

// get finds an owner's list of a domain.
func (l *lists) get(now time.Time, owner store.Digest, domain, id string) (*list, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.byID[id]
	if x == nil || x.owner != owner || x.domain != domain || x.gone(now) {
		return nil, &access.Refusal{Kind: access.KindNotFound, Code: "list_gone", Detail: "This list is not here any more. Upload it again."}
	}
	return x, nil
}

// gone reports whether a list has waited for too long.
func (x *list) gone(now time.Time) bool { return now.After(x.expires) }

// DropExpired forgets the lists that nobody has taken in time.
func (l *lists) DropExpired(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(func(x *list) bool { return x.gone(now) })
}

// drop forgets a list.
func (l *lists) drop(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(func(x *list) bool { return x.id == id })
}

// DropOwner forgets what an owner has uploaded.
func (l *lists) DropOwner(owner store.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(func(x *list) bool { return x.owner == owner })
}

// dropDomain forgets what was uploaded for a domain.
func (l *lists) dropDomain(domain string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(func(x *list) bool { return x.domain == domain })
}

// count is how many lists wait for a decision.
func (l *lists) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byID)
}

// ListView says what is in a list, without any password.
type ListView struct {
	ID       string            `json:"id"`
	Format   config.ListFormat `json:"format"`
	Accounts int               `json:"accounts"` // lines that are right
	Known    int               `json:"known"`    // of these, accounts that are there already and would be updated
	Logins   []string          `json:"logins"`   // the first of them
	Ignored  []string          `json:"ignored_columns"`
	Mistakes []access.Mistake  `json:"mistakes"` // at most 1,000
	Omitted  int               `json:"mistakes_omitted"`
	Expires  time.Time         `json:"expires"`
}

// Lists are uploads of accounts that wait for the person's decision.
type Lists struct {
	scopes   *Scopes
	accounts *Accounts
	lists    *lists
}

// Waiting is how many lists wait for a decision.
func (a *Lists) Waiting() int { return a.lists.count() }

// Parse reads a list for a domain to its end and keeps it for a decision.
// Nothing is stored.
func (a *Lists) Parse(ctx context.Context, who access.Actor, domain string, r io.Reader, format config.ListFormat, encoding config.ListEncoding) (*ListView, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	if !a.lists.parsing.Take(who.Scope, 1) {
		return nil, access.Busy("too_many_lists", "Other lists are being read. Try again in a moment.", 10*time.Second)
	}
	defer a.lists.parsing.Leave(who.Scope, 1)
	parsed, err := config.ReadAccounts(r, config.ListOptions{Format: format, Encoding: encoding,
		Check: a.accounts.pairCheck(ctx, who, d), Passwordless: d.Passwordless()})
	if err != nil {
		return nil, err
	}
	x := &list{owner: who.Owner, scope: who.Scope, domain: d.Name, parsed: parsed}
	if err := a.lists.add(time.Now(), x); err != nil {
		return nil, err
	}
	return a.view(ctx, d, x)
}

// Show shows a list that waits.
func (a *Lists) Show(ctx context.Context, who access.Actor, domain, id string) (*ListView, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	x, err := a.lists.get(time.Now(), who.Owner, d.Name, id)
	if err != nil {
		return nil, err
	}
	return a.view(ctx, d, x)
}

// Drop forgets a list.
func (a *Lists) Drop(ctx context.Context, who access.Actor, domain, id string) error {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return err
	}
	if _, err := a.lists.get(time.Now(), who.Owner, d.Name, id); err != nil {
		return err
	}
	a.lists.drop(id)
	return nil
}

func (a *Lists) view(ctx context.Context, d *config.Domain, x *list) (*ListView, error) {
	known, err := a.accounts.known(ctx, x.domain)
	if err != nil {
		return nil, err
	}
	v := &ListView{ID: x.id, Format: x.parsed.Format, Accounts: len(x.parsed.Accounts), Logins: []string{},
		Ignored: append([]string{}, x.parsed.Ignored...), Mistakes: viewMistakes(x.parsed.Mistakes), Omitted: x.parsed.Omitted, Expires: x.expires}
	for i, l := range x.parsed.Accounts {
		if i < shownLogins {
			v.Logins = append(v.Logins, l.Login)
		}
		if _, ok := known[asciifold.Lower(a.scopes.accountLogin(d, l, known))]; ok {
			v.Known++
		}
	}
	return v, nil
}

func viewMistakes(found []config.Finding) []access.Mistake {
	views := make([]access.Mistake, len(found))
	for i, f := range found {
		views[i] = access.Mistake{Line: f.Line, Code: f.Code, Args: f.Args, Text: f.Text}
	}
	return views
}

// decide returns the lines of a list that waits: all of it, or only the good ones.
func (a *Lists) decide(who access.Actor, domain, id string, onlyGood bool) ([]config.AccountLine, error) {
	x, err := a.lists.get(time.Now(), who.Owner, domain, id)
	if err != nil {
		return nil, err
	}
	p := x.parsed
	switch {
	case len(p.Mistakes) > 0 && !onlyGood:
		r := access.Conflict("list_has_mistakes", "The list has mistakes. Correct it and upload it again, or take only the lines that are right.")
		r.Args = access.Args("mistakes", len(p.Mistakes)+p.Omitted, "accounts", len(p.Accounts))
		r.Mistakes = viewMistakes(p.Mistakes)
		return nil, r
	case len(p.Accounts) == 0:
		return nil, access.Conflict("list_empty", "The list has no line that is right.")
	}
	return p.Accounts, nil
}
