package admin

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"postferry/config"
	"postferry/store"
)

const (
	// maxList bounds an uploaded list. Octets.
	maxList = 64 << 20
	// listLife is how long a list waits for the person's decision.
	listLife = 30 * time.Minute
	// maxLists and maxListed bound the lists that wait: their number, and the
	// accounts in all of them.
	maxLists  = 50
	maxListed = 3 * config.MaxAccounts
	// maxParsing is how many lists are read at a time.
	maxParsing = 4
	// shownLogins is how many logins of a list are shown.
	shownLogins = 20
)

// list is an uploaded list that waits in memory; it is never written anywhere.
type list struct {
	id      string
	owner   store.Digest
	domain  string
	expires time.Time
	parsed  *config.AccountList
}

// lists are those that wait.
type lists struct {
	parsing chan struct{} // a place for each list being read

	mu   sync.Mutex
	byID map[string]*list
}

func newLists() *lists {
	return &lists{parsing: make(chan struct{}, maxParsing), byID: map[string]*list{}}
}

// add keeps a list until it is taken, dropped or expired. An owner has one
// for a domain.
func (l *lists) add(now time.Time, x *list) error {
	x.id = base64.RawURLEncoding.EncodeToString(random(16))
	x.expires = now.Add(listLife)
	l.mu.Lock()
	defer l.mu.Unlock()
	accounts := len(x.parsed.Accounts)
	for id, o := range l.byID {
		if now.After(o.expires) || o.owner == x.owner && o.domain == x.domain {
			delete(l.byID, id)
			continue
		}
		accounts += len(o.parsed.Accounts)
	}
	if len(l.byID) >= maxLists || accounts > maxListed {
		return errBusy("too_many_lists", "Too many lists are waiting for a decision. Try again later.", listLife)
	}
	l.byID[x.id] = x
	return nil
}

// get finds an owner's list of a domain.
func (l *lists) get(now time.Time, owner store.Digest, domain, id string) (*list, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.byID[id]
	if x == nil || x.owner != owner || x.domain != domain || now.After(x.expires) {
		return nil, &refusal{status: http.StatusNotFound, Code: "list_gone", Detail: "This list is not here any more. Upload it again."}
	}
	return x, nil
}

// drop forgets a list.
func (l *lists) drop(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byID, id)
}

// dropOwner forgets what an owner has uploaded.
func (l *lists) dropOwner(owner store.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, x := range l.byID {
		if x.owner == owner {
			delete(l.byID, id)
		}
	}
}

// listView says what is in a list, without any password.
type listView struct {
	ID       string            `json:"id"`
	Format   config.ListFormat `json:"format"`
	Accounts int               `json:"accounts"` // lines that are right
	Known    int               `json:"known"`    // of these, accounts that are there already and would be updated
	Logins   []string          `json:"logins"`   // the first of them
	Ignored  []string          `json:"ignored_columns"`
	Mistakes []mistake         `json:"mistakes"` // at most 1,000
	Omitted  int               `json:"mistakes_omitted"`
	Expires  time.Time         `json:"expires"`
}

// parseList reads a list for a domain to its end and keeps it for a decision.
// Nothing is stored.
func (a *app) parseList(ctx context.Context, who actor, domain string, r io.Reader, format config.ListFormat, encoding config.ListEncoding) (*listView, error) {
	d, err := a.domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	select {
	case a.lists.parsing <- struct{}{}:
		defer func() { <-a.lists.parsing }()
	default:
		return nil, errBusy("too_many_lists", "Other lists are being read. Try again in a moment.", 10*time.Second)
	}
	parsed, err := config.ReadAccounts(r, config.ListOptions{Format: format, Encoding: encoding,
		Check: func(l config.AccountLine) error { return a.checkLogin(d, l) }})
	if err != nil {
		return nil, err
	}
	x := &list{owner: who.owner, domain: d.Name, parsed: parsed}
	if err := a.lists.add(a.now(), x); err != nil {
		return nil, err
	}
	return a.viewList(ctx, x)
}

// waitingList shows a list that waits.
func (a *app) waitingList(ctx context.Context, who actor, domain, id string) (*listView, error) {
	d, err := a.domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	x, err := a.lists.get(a.now(), who.owner, d.Name, id)
	if err != nil {
		return nil, err
	}
	return a.viewList(ctx, x)
}

// dropList forgets a list.
func (a *app) dropList(ctx context.Context, who actor, domain, id string) error {
	d, err := a.domain(ctx, who, domain)
	if err != nil {
		return err
	}
	if _, err := a.lists.get(a.now(), who.owner, d.Name, id); err != nil {
		return err
	}
	a.lists.drop(id)
	return nil
}

func (a *app) viewList(ctx context.Context, x *list) (*listView, error) {
	known, err := a.known(ctx, x.domain)
	if err != nil {
		return nil, err
	}
	v := &listView{ID: x.id, Format: x.parsed.Format, Accounts: len(x.parsed.Accounts), Logins: []string{},
		Ignored: append([]string{}, x.parsed.Ignored...), Mistakes: viewMistakes(x.parsed.Mistakes), Omitted: x.parsed.Omitted, Expires: x.expires}
	for i, l := range x.parsed.Accounts {
		if i < shownLogins {
			v.Logins = append(v.Logins, l.Login)
		}
		if _, ok := known[foldName(l.Login)]; ok {
			v.Known++
		}
	}
	return v, nil
}

func viewMistakes(found []config.Finding) []mistake {
	views := make([]mistake, len(found))
	for i, f := range found {
		views[i] = mistake{Line: f.Line, Code: f.Code, Args: f.Args, Text: f.Text}
	}
	return views
}

// checkLogin reports a login that is another domain's. Old servers know people
// by many names, so a login without a domain is fine, and so is any other with
// which the login at the new server shows the domain.
func (a *app) checkLogin(d *config.Domain, l config.AccountLine) error {
	of, ok := a.directory.DomainOf(l.Login)
	if ok && of.Name == d.Name || !ok && !strings.Contains(l.Login, "@") {
		return nil
	}
	newLogin, _ := l.New()
	if to, known := a.directory.DomainOf(newLogin); !ok && known && to.Name == d.Name {
		return nil
	}
	expected := "...@" + d.Name
	// The login is not repeated: if columns were mixed up, it is a password.
	return &config.Mistake{Code: "other_domain", Args: args("expected", expected),
		Text: "has a login of another domain; expected " + expected}
}

// decide returns the lines of a list that waits: all of it, or only the good ones.
func (a *app) decide(who actor, domain, id string, onlyGood bool) ([]config.AccountLine, error) {
	x, err := a.lists.get(a.now(), who.owner, domain, id)
	if err != nil {
		return nil, err
	}
	p := x.parsed
	switch {
	case len(p.Mistakes) > 0 && !onlyGood:
		r := errConflict("list_has_mistakes", "The list has mistakes. Correct it and upload it again, or take only the lines that are right.")
		r.Args = args("mistakes", len(p.Mistakes)+p.Omitted, "accounts", len(p.Accounts))
		r.Mistakes = viewMistakes(p.Mistakes)
		return nil, r
	case len(p.Accounts) == 0:
		return nil, errConflict("list_empty", "The list has no line that is right.")
	}
	return p.Accounts, nil
}
