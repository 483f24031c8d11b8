package admin

import (
	"context"
	"errors"
	"slices"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/runs"
	"postferry/config"
	"postferry/report"
	"postferry/store"
)

// Selection says which accounts of a domain something is to be done with:
// exactly one of its fields is given.
type Selection struct {
	All          bool                `json:"all"`
	State        report.AccountState `json:"state,omitempty"` // all that are in this state
	Accounts     []store.AccountID   `json:"accounts,omitempty"`
	board.Caused                     // all that a problem of a kind keeps from being copied
}

// chooser finds the accounts that something is to be done with.
type chooser struct {
	scopes *Scopes
	boards *board.Boards
	store  accountFinder
}

// accountFinder finds accounts.
type accountFinder interface {
	AccountByID(ctx context.Context, id store.AccountID) (store.Account, error)
}

// choose finds the accounts of a selection in the order of their IDs. Accounts
// named must all be there; of the others those are left out that want refuses.
func (a *chooser) choose(ctx context.Context, who access.Actor, domain string, sel Selection, want func(*store.Overview) bool) (*config.Domain, []store.AccountID, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, nil, err
	}
	given := 0
	for _, is := range []bool{sel.All, sel.State != "", len(sel.Accounts) > 0, sel.Kind != ""} {
		if is {
			given++
		}
	}
	if given != 1 || sel.Server != "" && sel.Kind == "" {
		return nil, nil, access.Invalid(access.WrongField("accounts", "selection_malformed", "Say which accounts are meant: all of them, those in a state, those with a problem, or some."))
	}
	b, err := a.boards.Fresh(ctx, d.Name)
	if err != nil {
		return nil, nil, err
	}
	named := make(map[store.AccountID]bool, len(sel.Accounts))
	for _, id := range sel.Accounts {
		named[id] = true
	}
	ids := []store.AccountID{}
	for i := range b.Rows {
		o := &b.Rows[i]
		switch {
		case named[o.ID]:
			delete(named, o.ID)
		case len(sel.Accounts) > 0, sel.Kind != "" && !(board.Troubled(o) && sel.Has(o)), sel.State != "" && report.StateOf(o, b.LiveOf(o.ID)) != sel.State:
			continue
		}
		if want(o) {
			ids = append(ids, o.ID)
		}
	}
	if len(named) > 0 {
		return nil, nil, access.NotFound("account")
	}
	return d, ids, nil
}

func anyState(*store.Overview) bool { return true }

// inState is for choose: accounts that the store has in one of these states.
func inState(states ...store.State) func(*store.Overview) bool {
	return func(o *store.Overview) bool { return slices.Contains(states, o.State) }
}

// Affected says what a command on accounts came to.
type Affected struct {
	Accounts int         `json:"accounts"`      // that it had an effect on
	Run      store.RunID `json:"run,omitempty"` // the run it began, if it did
}

// Transfers begin, stop and repeat the copying of accounts.
type Transfers struct {
	chooser *chooser
	ferry   transferFerry
	boards  *board.Boards
	tracker *runs.Tracker
	audit   *access.Audit
}

// transferFerry sets accounts going.
type transferFerry interface {
	Begin(ctx context.Context, ids []store.AccountID) (begun []store.AccountID, err error)
	Stop(ctx context.Context, ids []store.AccountID) (stopped []store.AccountID, err error)
	Again(ctx context.Context, ids []store.AccountID) error
}

// Begin begins the transfer of accounts that wait, or goes on with stopped ones.
func (a *Transfers) Begin(ctx context.Context, who access.Actor, domain string, sel Selection) (*Affected, error) {
	d, ids, err := a.chooser.choose(ctx, who, domain, sel, inState(store.Waiting, store.Stopped))
	if err != nil {
		return nil, err
	}
	return a.command(ctx, who, d, "begin", ids, func() (store.RunID, error) {
		return a.startRun(ctx, who, d, store.FirstRun, ids)
	})
}

// Stop stops accounts. What is under way ends at the next safe point.
func (a *Transfers) Stop(ctx context.Context, who access.Actor, domain string, sel Selection) (*Affected, error) {
	d, ids, err := a.chooser.choose(ctx, who, domain, sel, inState(store.Waiting, store.Active))
	if err != nil {
		return nil, err
	}
	return a.command(ctx, who, d, "stop", ids, func() (store.RunID, error) {
		stopped, err := a.ferry.Stop(ctx, ids)
		return 0, errors.Join(err, a.tracker.Stopped(ctx, stopped))
	})
}

// Resume lets stopped accounts go on.
func (a *Transfers) Resume(ctx context.Context, who access.Actor, domain string, sel Selection) (*Affected, error) {
	d, ids, err := a.chooser.choose(ctx, who, domain, sel, inState(store.Stopped))
	if err != nil {
		return nil, err
	}
	return a.command(ctx, who, d, "resume", ids, func() (store.RunID, error) {
		return a.tracker.Resume(ctx, d.Name, ids, func() error {
			_, err := a.ferry.Begin(ctx, ids)
			return err
		})
	})
}

// startRun begins a run of accounts.
func (a *Transfers) startRun(ctx context.Context, who access.Actor, d *config.Domain, kind store.RunKind, ids []store.AccountID) (store.RunID, error) {
	return a.tracker.Begin(ctx, store.Run{Domain: d.Name, Kind: kind, By: who.Name}, ids, func() error {
		_, err := a.ferry.Begin(ctx, ids)
		if err == nil && kind == store.AgainRun {
			err = a.ferry.Again(ctx, ids)
		}
		return err
	})
}

// Again starts a new run of accounts that were begun: problems are forgotten,
// and each is due now.
func (a *Transfers) Again(ctx context.Context, who access.Actor, domain string, sel Selection) (*Affected, error) {
	d, ids, err := a.chooser.choose(ctx, who, domain, sel, inState(store.Active, store.Stopped))
	if err != nil {
		return nil, err
	}
	return a.command(ctx, who, d, "run_again", ids, func() (store.RunID, error) {
		return a.startRun(ctx, who, d, store.AgainRun, ids)
	})
}

// command does something with accounts, if there are any, and notes it.
func (a *Transfers) command(ctx context.Context, who access.Actor, d *config.Domain, action string, ids []store.AccountID, do func() (store.RunID, error)) (*Affected, error) {
	if len(ids) == 0 {
		return &Affected{}, nil
	}
	run, err := do()
	if err != nil {
		return nil, err
	}
	a.boards.Changed(d.Name)
	return &Affected{Accounts: len(ids), Run: run}, a.audit.Note(ctx, who, action, access.About{Domain: d.Name, Account: a.chooser.loneLogin(ctx, ids), Count: len(ids)})
}

// loneLogin is the login of a selection's only account, for the audit log.
func (a *chooser) loneLogin(ctx context.Context, ids []store.AccountID) string {
	if len(ids) != 1 {
		return ""
	}
	x, err := a.store.AccountByID(ctx, ids[0])
	if err != nil {
		return ""
	}
	return x.Login
}
