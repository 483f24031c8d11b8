package admin

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"postferry/admin/runs"
	"postferry/config"
	"postferry/internal/asciifold"
	"postferry/report"
	"postferry/store"

	"golang.org/x/sync/semaphore"
)

// AccountView is an account, as lists show it.
type AccountView struct {
	ID       store.AccountID `json:"id"`
	Login    string          `json:"login"`
	OldLogin string          `json:"old_login"`
	NewLogin string          `json:"new_login"`
	State    AccountState    `json:"state"`
	Origin   store.Origin    `json:"origin"`
	Created  time.Time       `json:"created"`
	ProgressView
	LastPass *time.Time   `json:"last_pass"` // when the newest ended
	Problem  *ProblemView `json:"problem"`
	// AliasOf is the login of the account whose mailbox this one leads to: nil if it stands for itself, ""
	// if that is none of the domain.
	AliasOf *string `json:"alias_of"`
}

// ProgressView is how far an account is.
type ProgressView struct {
	Folder            string  `json:"folder"`   // being copied right now
	Messages          uint64  `json:"messages"` // known on the old server
	Copied            uint64  `json:"copied"`
	Quarantined       uint64  `json:"quarantined"`
	LeftOut           uint64  `json:"left_out"`     // messages that are deliberately not copied
	Octets            uint64  `json:"octets"`       // of what was copied
	OctetsTotal       uint64  `json:"octets_total"` // of what is on the old server; 0 if unknown
	MessagesPerSecond float64 `json:"messages_per_second"`
	OctetsPerSecond   float64 `json:"octets_per_second"`
	RemainingSeconds  *int64  `json:"remaining_seconds"`
}

// ProblemView is what keeps an account from being copied.
type ProblemView struct {
	Kind    store.ProblemKind `json:"kind"`
	Server  store.Side        `json:"server"`
	Host    string            `json:"host"`
	Summary string            `json:"summary"`
	Cause   string            `json:"cause"`
	Advice  store.Advice      `json:"advice"`
	Folder  string            `json:"folder"`
	Since   time.Time         `json:"since"`
	Retry   *time.Time        `json:"retry_at"`
}

func ViewProblem(p *store.Problem) *ProblemView {
	if p == nil {
		return nil
	}
	return &ProblemView{Kind: p.Kind, Server: p.Server, Host: p.Host, Summary: p.Summary, Cause: p.Cause, Advice: p.Advice,
		Folder: p.Folder, Since: p.Since, Retry: timeOrNil(p.Retry)}
}

func viewProgress(o *store.Overview, l *report.Live) ProgressView {
	s := o.Summary
	v := ProgressView{Messages: s.Messages, Copied: s.Copied, Quarantined: s.Quarantined, LeftOut: s.LeftOut, Octets: s.Bytes}
	if l == nil || !l.Running {
		return v
	}
	v.Folder = l.Folder
	v.Messages = max(v.Messages, l.Total)
	v.OctetsTotal = l.OctetsTotal
	v.MessagesPerSecond, v.OctetsPerSecond = l.Rate.Messages, l.Rate.Octets
	if l.Remaining != nil {
		seconds := int64(l.Remaining.Seconds())
		v.RemainingSeconds = &seconds
	}
	return v
}

func viewAccount(o *store.Overview, l *report.Live) AccountView {
	return AccountView{
		ID: o.ID, Login: o.Login, OldLogin: o.Old.Login, NewLogin: o.New.Login, State: stateOf(o, l), Origin: o.Origin,
		Created: o.Created, ProgressView: viewProgress(o, l), LastPass: timeOrNil(o.Summary.LastPass), Problem: ViewProblem(o.Problem),
	}
}

// AccountQuery says which accounts of a domain are wanted, and in which order.
type AccountQuery struct {
	Search  string // part of a login, whatever the case
	State   AccountState
	Caused  Caused // what keeps them from being copied
	Sort    string // one of accountOrders; "" is by login
	Desc    bool
	Page    int // from 1
	PerPage int
}

// AccountPage is a page of the accounts that were asked for.
type AccountPage struct {
	Accounts []AccountView `json:"accounts"`
	Total    int           `json:"total"` // accounts that were asked for, on all pages
	Page     int           `json:"page"`
	PerPage  int           `json:"per_page"`
}

// byLogin are all rows in the order of their logins, which is what pages show
// mostly: it is sorted once for each board.
func (b *Board) byLogin() []int {
	b.sort.Do(func() {
		b.sorted = make([]int, len(b.rows))
		for i := range b.sorted {
			b.sorted[i] = i
		}
		slices.SortFunc(b.sorted, func(x, y int) int { return asciifold.Compare(b.rows[x].Login, b.rows[y].Login) })
	})
	return b.sorted
}

// accountOrders are the ways to sort the rows of a board.
func accountOrders() map[string]func(b *Board, x, y int) int {
	figure := func(of func(ProgressView) uint64) func(b *Board, x, y int) int {
		return func(b *Board, x, y int) int {
			r, s := &b.rows[x], &b.rows[y]
			return cmp.Compare(of(viewProgress(r, b.liveOf(r.ID))), of(viewProgress(s, b.liveOf(s.ID))))
		}
	}
	return map[string]func(b *Board, x, y int) int{
		"login": nil, // in which they are found
		"state": func(b *Board, x, y int) int {
			r, s := &b.rows[x], &b.rows[y]
			return slices.Index(AccountStates(), stateOf(r, b.liveOf(r.ID))) - slices.Index(AccountStates(), stateOf(s, b.liveOf(s.ID)))
		},
		"messages":    figure(func(v ProgressView) uint64 { return v.Messages }),
		"copied":      figure(func(v ProgressView) uint64 { return v.Copied }),
		"octets":      figure(func(v ProgressView) uint64 { return v.Octets }),
		"quarantined": figure(func(v ProgressView) uint64 { return v.Quarantined }),
		"added":       func(_ *Board, x, y int) int { return x - y },
	}
}

// Accounts are those of the domains, with their logins and passwords.
type Accounts struct {
	scopes  *Scopes
	chooser *chooser
	store   accountStore
	ferry   accountFerry
	boards  *boards
	tracker *runs.Tracker
	guesses *guesses
	adding  *semaphore.Weighted
	audit   *Audit
	now     func() time.Time
}

// accountFerry is told of new accounts and other credentials, and of what somebody says of mailboxes.
type accountFerry interface {
	Updated(ctx context.Context, ids []store.AccountID) error
	DecideMailbox(ctx context.Context, id store.AccountID, v report.MailboxVerdict) error
}

// List returns a page of a domain's accounts.
func (a *Accounts) List(ctx context.Context, who Actor, domain string, q AccountQuery) (*AccountPage, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	if _, ok := accountOrders()[q.Sort]; !ok && q.Sort != "" {
		return nil, Invalid(WrongField("sort", "unknown_value", "This is no way to sort accounts."))
	}
	if q.State != "" && !slices.Contains(AccountStates(), q.State) {
		return nil, Invalid(WrongField("state", "unknown_value", "This is no state of an account."))
	}
	b, err := a.boards.of(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	return b.page(q), nil
}

// page returns a page of the accounts of a query, whose order must be known.
func (b *Board) page(q AccountQuery) *AccountPage {
	found := b.find(q)
	if order, ok := accountOrders()[q.Sort]; ok && q.Sort != "login" {
		slices.SortStableFunc(found, func(x, y int) int { return order(b, x, y) })
	}
	if q.Desc {
		slices.Reverse(found)
	}
	p := &AccountPage{Total: len(found), Page: max(q.Page, 1), PerPage: min(max(q.PerPage, 1), MaxPerPage), Accounts: []AccountView{}}
	for _, i := range pageFrom(found, p.Page, p.PerPage) {
		p.Accounts = append(p.Accounts, b.view(i))
	}
	return p
}

// find returns which of the board's rows a query is about, in the order of
// their logins.
func (b *Board) find(q AccountQuery) []int {
	search := strings.ToLower(strings.TrimSpace(q.Search))
	var found []int
	for _, i := range b.byLogin() {
		o := &b.rows[i]
		if search != "" && !strings.Contains(strings.ToLower(o.Login), search) && !strings.Contains(strings.ToLower(o.New.Login), search) {
			continue
		}
		if !q.Caused.has(o) {
			continue
		}
		if q.State != "" && stateOf(o, b.liveOf(o.ID)) != q.State {
			continue
		}
		found = append(found, i)
	}
	return found
}

// account finds an account of a domain. An account of another domain is not
// found, like one that does not exist.
func (a *Accounts) account(ctx context.Context, d *config.Domain, id store.AccountID) (store.Account, error) {
	x, err := a.store.AccountByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && x.Domain != d.Name {
		return store.Account{}, NotFound("account")
	}
	return x, err
}

// known are the logins of all accounts of a domain, folded.
func (a *Accounts) known(ctx context.Context, domain string) (map[string]store.AccountID, error) {
	rows, err := a.store.Overview(ctx, domain)
	if err != nil {
		return nil, err
	}
	known := make(map[string]store.AccountID, len(rows))
	for i := range rows {
		known[asciifold.Lower(rows[i].Login)] = rows[i].ID
	}
	return known, nil
}

// at is where a board has an account.
func (b *Board) at(id store.AccountID) (i int, ok bool) {
	return slices.BinarySearchFunc(b.rows, id, func(o store.Overview, id store.AccountID) int { return cmp.Compare(o.ID, id) })
}

// show shows an account as it stands now.
func (a *Accounts) show(ctx context.Context, d *config.Domain, id store.AccountID) (*AccountView, error) {
	b, err := a.boards.of(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	i, ok := b.at(id)
	if !ok {
		return nil, NotFound("account")
	}
	v := b.view(i)
	return &v, nil
}

// Remove removes accounts that were never begun. If any of the chosen
// ones was, none is removed.
func (a *Accounts) Remove(ctx context.Context, who Actor, domain string, sel Selection) (int, error) {
	d, ids, err := a.chooser.choose(ctx, who, domain, sel, anyState)
	if err != nil {
		return 0, err
	}
	err = a.store.RemoveAccounts(ctx, ids)
	if errors.Is(err, store.ErrInvalid) {
		return 0, Conflict("begun_already", "Only accounts that were never begun can be removed. Stop the others instead.")
	}
	if err != nil {
		return 0, err
	}
	a.boards.changed(d.Name)
	return len(ids), a.audit.note(ctx, who, "remove_accounts", auditOf{domain: d.Name, count: len(ids)})
}
