package backend

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"postferry/admin"
	"postferry/config"
	"postferry/credential"
	"postferry/internal/control"
	"postferry/lifecycle"
	"postferry/proxy"
	"postferry/report"
	"postferry/store"
	"postferry/syncer"
)

// Local works on the state that this process holds.
type Local struct {
	Store store.Store
	// Engine is nil where nothing is copied (import and status on their own).
	Engine *syncer.Engine
	// Relay has the clients; nil where there are none.
	Relay *proxy.Server
	// Background says that the engine makes passes by itself, as the daemon's does.
	Background bool

	Config *config.Config // for what reaches the servers beside the engine
	Log    zerolog.Logger // likewise
	Guide  *lifecycle.Guide
	// Keeper knows how to sign in.
	Keeper *credential.Keeper
	// NewLink makes a one-time link to the import page; nil where there is none.
	NewLink linkMaker
	// Operator works with the import page's memory as well; nil where there is none.
	Operator *admin.Operator
	// Corrected tells the import page of accounts that were given new logins or passwords;
	// nil where there is none.
	Corrected func(context.Context, []store.Account) error
	Closing   func() error
}

func (l *Local) Close() error { return l.Closing() }

// Ferry lets the import page reach the engine.
func (l *Local) Ferry() admin.Ferry { return adminFerry{l} }

// Ending is the engine as moves are ended with it.
func (l *Local) Ending() lifecycle.Engine { return finisher{l} }

// Domains implements control.Backend.
func (l *Local) Domains(context.Context) ([]config.Domain, error) {
	return l.Config.Directory.All(), nil
}

// Import adds accounts. One that is known gets other credentials and stays what a person or
// the engine has made of it, stopped or finished; a password that was refused is tried again.
func (l *Local) Import(ctx context.Context, accounts []store.Account) (added, updated int, err error) {
	if accounts, err = l.asKnown(ctx, accounts); err != nil {
		return 0, 0, err
	}
	now := time.Now()
	for i := range accounts {
		a := &accounts[i]
		a.Origin, a.Created, a.State, a.OldOpens = store.Imported, now, store.Active, true
	}
	stored, put, err := l.Store.PutAccounts(ctx, accounts)
	if err != nil {
		return 0, 0, err
	}
	if err := l.noter().Imported(ctx, stored, put); err != nil {
		return 0, 0, err
	}
	var known, all []store.AccountID
	finished := 0 // they take no other credentials
	for i, a := range stored {
		if !put[i].Added && a.State == store.Finished {
			finished++
		}
		if all = append(all, a.ID); !put[i].Added {
			known = append(known, a.ID)
		}
	}
	if err := l.Store.ForgetProblems(ctx, known); err != nil {
		return 0, 0, err
	}
	if l.Corrected != nil {
		if err := l.Corrected(ctx, stored); err != nil {
			return 0, 0, err
		}
	}
	if l.Engine != nil {
		if err := l.Engine.Updated(ctx, all); err != nil {
			return 0, 0, err
		}
	}
	return len(stored) - len(known), len(known) - finished, nil
}

// noter writes to the audit log what is done here.
func (l *Local) noter() *admin.Operator {
	if l.Operator != nil {
		return l.Operator
	}
	return admin.NewOperator(l.Store, l.Log)
}

// asKnown gives accounts that are called by the login at the new server the name of one that
// an earlier version has called by the login at the old one.
func (l *Local) asKnown(ctx context.Context, accounts []store.Account) ([]store.Account, error) {
	accounts = slices.Clone(accounts)
	for i := range accounts {
		a := &accounts[i]
		if a.Login == a.Old.Login {
			continue
		}
		known, err := l.Store.Account(ctx, a.Old.Login)
		switch {
		case err == nil && known.Domain == a.Domain:
			a.Login = known.Login
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	return accounts, nil
}

// Sync implements control.Backend.
func (l *Local) Sync(ctx context.Context, logins []string, progress func(live []report.Live, waiting int)) ([]control.SyncResult, error) {
	var ids []store.AccountID
	if len(logins) > 0 {
		accounts, err := accountsOf(ctx, l.Store, logins)
		if err != nil {
			return nil, err
		}
		for _, a := range accounts {
			ids = append(ids, a.ID)
		}
	}
	results, err := l.Engine.Sync(ctx, ids, only(ids, progress))
	var out []control.SyncResult
	for _, r := range results {
		if r.Account.ID != 0 { // its turn came before the end
			out = append(out, control.SyncResult{ID: r.Account.ID, Login: r.Account.Login, Pass: r.Pass, Problem: r.Problem})
		}
	}
	if err != nil {
		return out, err
	}
	return out, l.countQuarantine(ctx, out)
}

// countQuarantine fills in what the servers refuse of each account.
func (l *Local) countQuarantine(ctx context.Context, results []control.SyncResult) error {
	for i, r := range results {
		folders, err := l.Store.Folders(ctx, r.ID)
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
func only(ids []store.AccountID, progress func([]report.Live, int)) func([]report.Live, int) {
	if len(ids) == 0 || progress == nil {
		return progress
	}
	return func(live []report.Live, waiting int) {
		progress(slices.DeleteFunc(live, func(l report.Live) bool { return !slices.Contains(ids, l.Account) }), waiting)
	}
}

// Status implements control.Backend.
func (l *Local) Status(ctx context.Context, q control.StatusQuery, emit func(control.StatusRecord) error) error {
	accounts, err := overviewsOf(ctx, l.Store, q.Logins)
	if err != nil {
		return err
	}
	c := Collector{Store: l.Store, Query: q}
	if l.Guide != nil {
		c.next = l.next
	}
	if l.Engine != nil {
		live, err := l.Engine.Live(ctx)
		if err != nil {
			return err
		}
		c.Live = make(map[store.AccountID]report.Live, len(live))
		for _, x := range live {
			c.Live[x.Account] = x
		}
	}
	return c.Collect(ctx, accounts, emit)
}
