package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"postferry/admin"
	"postferry/config"
	"postferry/store"
	"postferry/syncer"
)

// local works on the state that this process holds.
type local struct {
	store store.Store
	// engine is nil where nothing is copied (import and status on their own).
	engine *syncer.Engine
	// background says that the engine makes passes by itself, as the daemon's does.
	background bool

	cfg *config.Config // for what reaches the servers beside the engine
	log zerolog.Logger // likewise
	// newLink makes a one-time link to the import page; nil where there is none.
	newLink func(context.Context) (string, error)
	// operator works with the import page's memory as well; nil where there is none.
	operator *admin.Operator
	// corrected tells the import page of accounts that were given new logins or passwords;
	// nil where there is none.
	corrected func(context.Context, []store.Account) error
	close     func() error
}

func (l *local) Close() error { return l.close() }

// Domains implements backend.
func (l *local) Domains(context.Context) ([]config.Domain, error) { return l.cfg.Directory.All(), nil }

// Import keeps what a person or the engine decided about a known account:
// a stopped or finished one stays so.
func (l *local) Import(ctx context.Context, accounts []store.Account) (added, updated int, err error) {
	known, err := l.store.Accounts(ctx)
	if err != nil {
		return 0, 0, err
	}
	states := make(map[string]store.State, len(known))
	for _, a := range known {
		states[foldLogin(a.Login)] = a.State
	}
	accounts = slices.Clone(accounts)
	now := time.Now()
	for i := range accounts {
		a := &accounts[i]
		a.Origin, a.Created, a.State = store.Imported, now, store.Active
		if s, ok := states[foldLogin(a.Login)]; ok {
			a.State = s
		}
	}
	stored, added, err := l.store.PutAccounts(ctx, accounts)
	if err != nil {
		return 0, 0, err
	}
	if l.corrected != nil {
		if err := l.corrected(ctx, stored); err != nil {
			return 0, 0, err
		}
	}
	if l.engine != nil {
		ids := make([]store.AccountID, len(stored))
		for i, a := range stored {
			ids[i] = a.ID
		}
		if err := l.engine.Updated(ctx, ids); err != nil {
			return 0, 0, err
		}
	}
	return added, len(stored) - added, nil
}

// Sync implements backend.
func (l *local) Sync(ctx context.Context, logins []string, progress func(live []syncer.Live, waiting int)) ([]syncResult, error) {
	var ids []store.AccountID
	if len(logins) > 0 {
		accounts, err := l.accounts(ctx, logins)
		if err != nil {
			return nil, err
		}
		for _, a := range accounts {
			ids = append(ids, a.ID)
		}
	}
	results, err := l.engine.Sync(ctx, ids, only(ids, progress))
	var out []syncResult
	for _, r := range results {
		if r.Account.ID != 0 { // its turn came before the end
			out = append(out, syncResult{Login: r.Account.Login, Pass: r.Pass, Problem: r.Problem})
		}
	}
	if err != nil {
		return out, err
	}
	return out, l.countQuarantine(ctx, out)
}

// countQuarantine fills in what the servers refuse of each account.
func (l *local) countQuarantine(ctx context.Context, results []syncResult) error {
	for i, r := range results {
		a, err := l.store.Account(ctx, r.Login)
		if err != nil {
			return err
		}
		folders, err := l.store.Folders(ctx, a.ID)
		if err != nil {
			return err
		}
		for _, f := range folders {
			results[i].Quarantined += f.Quarantined
		}
	}
	return nil
}

// only tells progress of the accounts asked for: a daemon works on others, too.
func only(ids []store.AccountID, progress func([]syncer.Live, int)) func([]syncer.Live, int) {
	if len(ids) == 0 || progress == nil {
		return progress
	}
	return func(live []syncer.Live, waiting int) {
		progress(slices.DeleteFunc(live, func(l syncer.Live) bool { return !slices.Contains(ids, l.Account) }), waiting)
	}
}

// Status implements backend.
func (l *local) Status(ctx context.Context, q statusQuery, emit func(statusRecord) error) error {
	accounts, err := l.accounts(ctx, q.Logins)
	if err != nil {
		return err
	}
	c := collector{store: l.store}
	if l.engine != nil {
		live, err := l.engine.Live(ctx)
		if err != nil {
			return err
		}
		c.live = make(map[store.AccountID]syncer.Live, len(live))
		for _, x := range live {
			c.live[x.Account] = x
		}
	}
	return c.collect(ctx, accounts, q.Folders, emit)
}

// accounts returns the accounts of logins in that order, each once; all if
// there are none. Unknown ones are named together in one error.
func (l *local) accounts(ctx context.Context, logins []string) ([]store.Account, error) {
	if len(logins) == 0 {
		return l.store.Accounts(ctx)
	}
	var found []store.Account
	var unknown unknownLogins
	seen := make(map[store.AccountID]bool)
	for _, login := range logins {
		a, err := l.store.Account(ctx, login)
		switch {
		case errors.Is(err, store.ErrNotFound):
			unknown = append(unknown, login)
		case err != nil:
			return nil, err
		case !seen[a.ID]:
			seen[a.ID] = true
			found = append(found, a)
		}
	}
	if len(unknown) > 0 {
		return nil, usageError(unknown)
	}
	return found, nil
}

// foldLogin is a login as look-ups compare it: without the case of ASCII letters.
func foldLogin(login string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, login)
}
