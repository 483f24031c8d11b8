package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"postferry/cause"
	"postferry/internal/control"
	"postferry/report"
	"postferry/store"
	"postferry/wire"
)

// collector reads a status out of the state. live may be empty.
type collector struct {
	store store.Store
	next  func(ctx context.Context, domains []string) ([]control.DomainNext, error) // nil for nobody who knows
	live  map[store.AccountID]report.Live
	query control.StatusQuery
}

// collect emits the totals of accounts and then each of them. The state is
// read twice rather than kept, so that memory does not grow with the folders;
// the totals need only what it keeps summed up.
func (c *collector) collect(ctx context.Context, accounts []store.Account, emit func(control.StatusRecord) error) error {
	totals, accounts, err := c.totals(ctx, accounts)
	if err != nil {
		return err
	}
	if c.next != nil {
		if totals.Next, err = c.next(ctx, domainsOf(accounts)); err != nil {
			return err
		}
	}
	if err := emit(control.StatusRecord{Totals: &totals}); err != nil {
		return err
	}
	for _, a := range accounts {
		s, err := c.account(ctx, a, c.query.Folders)
		if err != nil {
			return err
		}
		if err := emit(control.StatusRecord{Account: s}); err != nil {
			return err
		}
	}
	return nil
}

// totals sums up the accounts that are asked for, and returns them.
func (c *collector) totals(ctx context.Context, accounts []store.Account) (totals control.StatusTotals, asking []store.Account, err error) {
	var causes cause.Gathering
	for _, a := range accounts {
		s, err := c.summary(ctx, a)
		if err != nil {
			return totals, nil, err
		}
		if s.AliasOf == "" {
			c.setLive(s, a.ID)
		}
		if !asked(c.query, s) {
			continue
		}
		addTo(&totals, s)
		if a.Problem != nil && a.State == store.Active && a.Alias == 0 {
			causes.Add(a.Login, a.Problem)
		}
		asking = append(asking, a)
	}
	totals.Causes = causes.Causes()
	return totals, asking, nil
}

// domainsOf are the domains of accounts, by name.
func domainsOf(accounts []store.Account) (domains []string) {
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
	if a.AliasOf != "" {
		return // its mail is another account's
	}
	t.Messages += a.Messages
	t.Copied += a.Copied
	t.Quarantined += a.Quarantined
	if a.Running {
		t.MessagesPerSecond += a.MessagesPerSecond
		t.BytesPerSecond += a.BytesPerSecond
		t.Running++
	}
	if a.LastError != nil {
		t.Problems++
	}
}

// summary is what the state keeps summed up of an account.
func (c *collector) summary(ctx context.Context, a store.Account) (*control.AccountStatus, error) {
	of := ""
	if a.Alias != 0 {
		login, first, err := c.leading(ctx, a)
		if err != nil {
			return nil, err
		}
		a, of = first, login
	}
	sum, err := c.store.Summary(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	return &control.AccountStatus{AliasOf: of,
		Login: a.Login, Domain: a.Domain, Origin: a.Origin, State: a.State, LastError: describeProblem(a.Problem),
		Messages: sum.Messages, Copied: sum.Copied, Quarantined: sum.Quarantined, LeftOut: sum.LeftOut, Complete: sum.Complete && a.Problem == nil,
	}, nil
}

// leading is an alias with state, problem and number of the account whose mailbox it leads
// to, and that one's login.
func (c *collector) leading(ctx context.Context, a store.Account) (of string, shown store.Account, err error) {
	first, err := c.store.AccountByID(ctx, a.Alias)
	if errors.Is(err, store.ErrNotFound) {
		return "", a, nil
	}
	a.ID, a.State, a.Problem = first.ID, first.State, first.Problem
	return first.Login, a, err
}

// account is one account's status, with its folders if asked for.
func (c *collector) account(ctx context.Context, a store.Account, withFolders bool) (*control.AccountStatus, error) {
	s, err := c.summary(ctx, a)
	if err != nil {
		return nil, err
	}
	if s.AliasOf != "" {
		a.ID = a.Alias
	}
	passes, err := c.store.Passes(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	if len(passes) > 0 {
		showPass(s, passes[len(passes)-1])
	}
	c.setLive(s, a.ID)
	if !withFolders {
		return s, nil
	}
	folders, err := c.store.Folders(ctx, a.ID)
	for _, f := range folders {
		s.Folders = append(s.Folders, describeFolder(f, a.Problem))
	}
	return s, err
}

// setLive lets what is going on right now with an account take the place of its last pass.
func (c *collector) setLive(s *control.AccountStatus, id store.AccountID) {
	if live, ok := c.live[id]; ok && live.Running {
		showLive(s, live)
	}
}

func showPass(s *control.AccountStatus, p store.Pass) {
	s.LastPass = &control.PassStatus{
		Started: p.Started, Ended: p.Ended, Complete: p.Complete,
		Copied: p.Copied, Adopted: p.Adopted, FlagChanges: p.FlagChanges,
		Bytes: p.Bytes, Quarantined: p.Quarantined, Error: p.Error,
	}
	took := p.Ended.Sub(p.Started)
	s.MessagesPerSecond, s.BytesPerSecond = perSecond(p.Copied, took), perSecond(p.Bytes, took)
}

func showLive(s *control.AccountStatus, l report.Live) {
	s.Running = true
	s.Current = l.Folder
	s.Messages = max(s.Messages, l.Total)
	s.MessagesPerSecond, s.BytesPerSecond = l.Rate.Messages, l.Rate.Octets
	s.Bytes, s.BytesTotal, s.BytesAbout = l.OctetsDone, l.OctetsTotal, !l.OctetsExact
	if l.Remaining != nil {
		left := l.Remaining.Seconds()
		s.SecondsLeft = &left
	}
}

func perSecond(n uint64, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return float64(n) / took.Seconds()
}

func describeFolder(f store.Folder, p *store.Problem) control.FolderStatus {
	s := control.FolderStatus{
		Title: f.Title, New: wire.DecodeMailbox(f.New), State: f.State, Note: f.Note,
		Messages: uint64(f.Checkpoint.Messages), Copied: f.Copied, Quarantined: f.Quarantined, LeftOut: f.LeftOut,
		Checked: timeOrNil(f.Checkpoint.Checked),
	}
	if f.State == store.FolderMissing {
		s.LeftOut, s.Missing, s.Looks = f.LeftOut, timeOrNil(f.Missing.Since), f.Missing.Looks
	}
	if p != nil && p.Folder != "" && p.Folder == f.Title {
		s.LastError = describeProblem(p)
	}
	return s
}

func describeProblem(p *store.Problem) *control.ProblemStatus {
	if p == nil {
		return nil
	}
	return &control.ProblemStatus{
		Kind: cmp.Or(p.Kind, store.Unexpected), NeedsPerson: p.NeedsPerson(), Summary: p.Summary, Cause: p.Cause, Advice: p.Advice, Folder: p.Folder,
		Since: p.Since, Retry: timeOrNil(p.Retry),
	}
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
