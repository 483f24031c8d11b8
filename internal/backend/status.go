package backend

import (
	"context"
	"errors"
	"slices"
	"time"

	"postferry/cause"
	"postferry/internal/control"
	"postferry/report"
	"postferry/store"
)

// Collector reads a status out of the state. live may be empty.
type Collector struct {
	Store store.Store
	next  func(ctx context.Context, domains []string) ([]control.DomainNext, error) // nil for nobody who knows
	Live  map[store.AccountID]report.Live
	Query control.StatusQuery
}

// portion is of how many accounts the passes are read at once.
const portion = 1000

// Collect emits the totals of accounts and then each of them. What the state keeps summed up is
// read at once; folders only as each account's turn comes, so that memory does not grow with them.
func (c *Collector) Collect(ctx context.Context, accounts []store.Overview, emit func(control.StatusRecord) error) error {
	totals, asking, err := c.totals(ctx, accounts)
	if err != nil {
		return err
	}
	if c.next != nil {
		if totals.Next, err = c.next(ctx, domainsOf(asking)); err != nil {
			return err
		}
	}
	if err := emit(control.StatusRecord{Totals: &totals}); err != nil {
		return err
	}
	for some := range slices.Chunk(asking, portion) {
		if err := c.emit(ctx, some, emit); err != nil {
			return err
		}
	}
	return nil
}

// askedFor is an account that is asked for.
type askedFor struct {
	*store.Overview
	of     store.AccountID // whose mailbox it is
	status *control.AccountStatus
}

// emit tells of some accounts.
func (c *Collector) emit(ctx context.Context, some []askedFor, emit func(control.StatusRecord) error) error {
	ids := make([]store.AccountID, len(some))
	for i, a := range some {
		ids[i] = a.of
	}
	passes, err := c.Store.LastPasses(ctx, ids)
	if err != nil {
		return err
	}
	for _, a := range some {
		if last, ok := passes[a.of]; ok {
			showPass(a.status, &last)
		}
		c.setLive(a.status, a.of)
		if err := c.addFolders(ctx, a); err != nil {
			return err
		}
		if err := emit(control.StatusRecord{Account: a.status}); err != nil {
			return err
		}
	}
	return nil
}

// totals sums up the accounts that are asked for, and returns them.
func (c *Collector) totals(ctx context.Context, accounts []store.Overview) (totals control.StatusTotals, all []askedFor, err error) {
	var causes cause.Gathering
	logins := c.leading(accounts)
	for i := range accounts {
		a := askedFor{Overview: &accounts[i], of: accounts[i].ID}
		if a.Alias != 0 {
			if err := c.lead(ctx, &a, logins); err != nil {
				return totals, nil, err
			}
		}
		if a.status = c.summary(a.Overview, logins[a.Alias]); a.status.AliasOf == nil {
			c.setLive(a.status, a.ID)
		}
		if !asked(c.Query, a.status) {
			continue
		}
		addTo(&totals, a.status)
		if a.Problem != nil && a.State == store.Active && a.Alias == 0 {
			causes.Add(a.Login, a.Problem)
		}
		all = append(all, a)
	}
	totals.Causes = causes.Causes()
	return totals, all, nil
}

// leading are the logins of the accounts that aliases lead to, as far as they are among accounts.
func (c *Collector) leading(accounts []store.Overview) map[store.AccountID]string {
	logins := map[store.AccountID]string{}
	for i := range accounts {
		if of := accounts[i].Alias; of != 0 {
			logins[of] = ""
		}
	}
	for i := range accounts {
		if _, leads := logins[accounts[i].ID]; leads {
			logins[accounts[i].ID] = accounts[i].Login
		}
	}
	return logins
}

// lead finds out whose mailbox an alias leads to; one whose account is gone stands for itself.
func (c *Collector) lead(ctx context.Context, a *askedFor, logins map[store.AccountID]string) error {
	if logins[a.Alias] == "" {
		first, err := c.Store.AccountByID(ctx, a.Alias)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		logins[a.Alias] = first.Login
	}
	a.of = a.Alias
	return nil
}

// domainsOf are the domains of accounts, by name.
func domainsOf(accounts []askedFor) (domains []string) {
	seen := map[string]bool{}
	for i := range accounts {
		if d := accounts[i].Domain; !seen[d] {
			seen[d] = true
			domains = append(domains, d)
		}
	}
	slices.Sort(domains)
	return domains
}

// addTo counts an account in.
func addTo(t *control.StatusTotals, a *control.AccountStatus) {
	t.Accounts++
	if a.Complete {
		t.Complete++
	}
	if a.AliasOf != nil {
		return // its mail is another account's
	}
	t.Messages += a.Messages
	t.Copied += a.Copied
	t.Quarantined += a.Quarantined
	if a.Running {
		t.MessagesPerSecond += a.MessagesPerSecond
		t.BytesPerSecond += a.OctetsPerSecond
		t.Running++
	}
	if a.Problem != nil {
		t.Problems++
	}
}

// summary is what the state keeps summed up of an account; of is the login of the account whose
// mailbox it leads to, "" for its own.
func (c *Collector) summary(o *store.Overview, of string) *control.AccountStatus {
	a := control.AccountStatus(report.AccountOf(o, nil))
	if of != "" {
		a.AliasOf = &of
	}
	return &a
}

// addFolders adds an account's folders if they are asked for.
func (c *Collector) addFolders(ctx context.Context, a askedFor) error {
	if !c.Query.Folders {
		return nil
	}
	folders, err := c.Store.Folders(ctx, a.of)
	for _, f := range folders {
		a.status.Folders = append(a.status.Folders, report.FolderOf(&report.Folder{Folder: f}, a.Problem))
	}
	return err
}

// setLive lets what is going on right now with an account take the place of its last pass.
func (c *Collector) setLive(s *control.AccountStatus, id store.AccountID) {
	if live, ok := c.Live[id]; ok && live.Running {
		(*report.Account)(s).GoesOn(&live)
	}
}

// showPass shows the newest pass, and how fast it was.
func showPass(s *control.AccountStatus, p *store.Pass) {
	last := report.PassOf(p)
	s.Pass = &last
	took := p.Ended.Sub(p.Started)
	s.MessagesPerSecond, s.OctetsPerSecond = perSecond(p.Copied, took), perSecond(p.Bytes, took)
}

func perSecond(n uint64, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return float64(n) / took.Seconds()
}
