package admin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"postferry/admin/access"
	"postferry/config"
	"postferry/directory"
	"postferry/internal/asciifold"
	"postferry/report/reason"
	"postferry/store"
	"postferry/tenant"
)

// maxRosters bounds the lists of mailboxes that are kept, in memory only.
const maxRosters = 8

// roster is the list of a tenant's mailboxes as it was fetched.
type roster struct {
	fetched time.Time
	all     []directory.Mailbox
}

// rosters are those that were fetched lately.
type rosters struct {
	mu       sync.Mutex
	byDomain map[string]roster
}

func newRosters() *rosters { return &rosters{byDomain: map[string]roster{}} }

func (r *rosters) get(domain string, now time.Time) (roster, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, ok := r.byDomain[domain]
	return x, ok && now.Sub(x.fetched) < listLife
}

// put keeps a list; the oldest goes if there are too many.
func (r *rosters) put(domain string, x roster) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byDomain[domain] = x
	for len(r.byDomain) > maxRosters {
		oldest := domain
		for name, other := range r.byDomain {
			if other.fetched.Before(r.byDomain[oldest].fetched) {
				oldest = name
			}
		}
		delete(r.byDomain, oldest)
	}
}

func (r *rosters) drop(domain string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byDomain, domain)
}

// MailboxQuery chooses mailboxes of a tenant and says what their new logins are.
type MailboxQuery struct {
	Filter directory.Filter
	Rule   directory.Rule
	Anew   bool // fetch the list again
}

// MailboxList are mailboxes of a tenant.
type MailboxList struct {
	Fetched time.Time
	Listed  int // by the tenant altogether
	Moves   []directory.Move
	Clashes []directory.Clash
	// Known are those that are accounts already, by address in lower case.
	Known map[string]bool
	// NeedPasswords: the new server wants a password for each, which the list doesn't have.
	NeedPasswords bool
}

// Mailboxes lists a tenant's mailboxes; what was fetched within the last half hour is taken.
func (a *Tenants) Mailboxes(ctx context.Context, who access.Actor, domain string, q MailboxQuery) (*MailboxList, error) {
	d, _, leave, err := a.connectable(ctx, who, domain, store.OldSide)
	if err != nil {
		return nil, err
	}
	defer leave()
	if !tenant.HasDirectory(d.Old) {
		return nil, access.Conflict("no_directory", "Only Microsoft 365 and Google Workspace list their mailboxes.")
	}
	x, ok := a.rosters.get(d.Name, time.Now())
	if !ok || q.Anew {
		all, err := a.connector().Mailboxes(ctx, d.Old)
		if err != nil {
			return nil, a.listRefusal(d.Name, err)
		}
		x = roster{fetched: time.Now(), all: all}
		a.rosters.put(d.Name, x)
	}
	accounts, err := a.accounts.known(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	list := &MailboxList{Fetched: x.fetched, Listed: len(x.all), Known: map[string]bool{}, NeedPasswords: d.New.SignIn == nil}
	list.Moves, list.Clashes = q.Rule.Map(q.Filter.Choose(x.all))
	for _, m := range list.Moves {
		if _, there := accounts[asciifold.Lower(m.Address)]; there {
			list.Known[strings.ToLower(m.Address)] = true
		}
	}
	return list, nil
}

// listRefusal says why there is no list.
func (a *Tenants) listRefusal(domain string, err error) error {
	e, ok := errors.AsType[*directory.Error](err)
	if !ok {
		var said interface{ Summary() reason.Reason }
		if errors.As(err, &said) {
			return access.Conflict("list_not_fetched", "The list of mailboxes can't be fetched: %s", said.Summary())
		}
		return err
	}
	a.log.Warn().Str("domain", domain).Str("cause", e.Cause).Msg("the list of mailboxes can't be fetched")
	r := access.Conflict(string(e.Reason), "%s", e.Error())
	r.Args = access.Args("Set", e.Set)
	if e.After > 0 {
		r.Args["wait_seconds"], r.Retry = int64(e.After.Round(time.Second)/time.Second), e.After
	}
	return r
}

// MailboxPick are mailboxes that are to become accounts.
type MailboxPick struct {
	MailboxQuery
	Addresses []string // of them; all that the query finds and that are no accounts yet if there are none
	// Exceptions is a CSV list of other new logins and passwords (tenant.ReadExceptions); "" for none.
	Exceptions string
	// Each are the same, one by one.
	Each []MailboxException
}

// MailboxException is a mailbox that the rule doesn't fit.
type MailboxException struct {
	Address     string       `json:"address"`
	NewLogin    string       `json:"new_login"`    // "" for that of the rule
	NewPassword store.Secret `json:"new_password"` // "" for none of its own
	LeaveOut    bool         `json:"leave_out"`
}

// addTo puts exceptions beside those of a list.
func (p MailboxPick) addTo(e *tenant.Exceptions) {
	if e.Logins == nil {
		e.Logins, e.Passwords = map[string]string{}, map[string]string{}
	}
	for _, x := range p.Each {
		key := strings.ToLower(strings.TrimSpace(x.Address))
		switch login := strings.TrimSpace(x.NewLogin); {
		case x.LeaveOut:
			e.Logins[key] = ""
		case login != "":
			e.Logins[key] = login
		}
		if x.NewPassword != "" {
			e.Passwords[key] = x.NewPassword.Reveal()
		}
	}
}

// ImportMailboxes makes accounts of a tenant's mailboxes. They wait until a person begins.
func (a *Tenants) ImportMailboxes(ctx context.Context, who access.Actor, domain string, p MailboxPick) (*Added, error) {
	exceptions, err := readExceptions(p.Exceptions)
	if err != nil {
		return nil, err
	}
	p.addTo(&exceptions)
	p.Rule.Exceptions = exceptions.Logins
	list, err := a.Mailboxes(ctx, who, domain, p.MailboxQuery)
	if err != nil {
		return nil, err
	}
	if len(list.Clashes) > 0 {
		return nil, access.Conflict("mailboxes_clash", "%s", (&tenant.ClashError{Clashes: list.Clashes}).Error())
	}
	moves := slices.DeleteFunc(slices.Clone(list.Moves), func(m directory.Move) bool {
		if len(p.Addresses) == 0 {
			return list.Known[strings.ToLower(m.Address)] // it has its logins already
		}
		return !slices.Contains(p.Addresses, m.Address)
	})
	if len(moves) == 0 {
		return nil, access.Conflict("no_mailboxes", "No mailbox was chosen.")
	}
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	lines, mistakes := a.checkMailboxes(who, d, exceptions.Lines(moves))
	if len(mistakes) > 0 {
		return nil, access.Invalid(mistakes...)
	}
	return a.accounts.put(ctx, who, d, lines)
}

// checkMailboxes says which of them can't become accounts.
func (a *Tenants) checkMailboxes(who access.Actor, d *config.Domain, lines []config.AccountLine) (good []config.AccountLine, mistakes []access.Mistake) {
	check, newLogins := a.scopes.lineCheck(who, d), config.NewLogins{}
	for _, l := range lines {
		err := check(l)
		if err == nil {
			err = newLogins.Check(l)
		}
		switch {
		case err == nil && !d.NeedsPassword(l):
			good = append(good, l)
			continue
		case err == nil:
			mistakes = append(mistakes, access.Mistake{Code: "mailbox_without_password", Args: access.Args("login", l.Login),
				Text: l.Login + " has no password at the new server: expected one in the list of exceptions"})
		default:
			m := viewMistake(0, err)
			m.Text = l.Login + " " + m.Text
			mistakes = append(mistakes, m)
		}
		if len(mistakes) == maxMailboxMistakes {
			break
		}
	}
	return good, mistakes
}

// maxMailboxMistakes are as many as are told.
const maxMailboxMistakes = 20

// readExceptions reads the list of exceptions.
func readExceptions(text string) (tenant.Exceptions, error) {
	if strings.TrimSpace(text) == "" {
		return tenant.Exceptions{}, nil
	}
	e, err := tenant.ReadExceptions(strings.NewReader(text), config.ListUTF8)
	if wrong, ok := errors.AsType[*config.Error](err); ok {
		return e, access.Invalid(viewMistakes(wrong.Mistakes)...)
	}
	return e, err
}
