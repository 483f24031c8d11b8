// Package transfers begins, stops and repeats the copying of accounts, and says what came of it: the runs of a domain,
// account by account, with the messages that a server refuses. The tracker (admin/runs) follows the runs.
//
// It must not know HTTP and HTML, nor the engine: it asks for what it needs through interfaces of its own.
package transfers

import (
	"context"
	"errors"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/runs"
	"postferry/admin/selection"
	"postferry/config"
	"postferry/report"
	"postferry/store"
)

// Affected says what a command on accounts came to.
type Affected struct {
	Accounts int         `json:"accounts"`      // that it had an effect on
	Run      store.RunID `json:"run,omitempty"` // the run it began, if it did
}

// Options are what transfers and their reports need.
type Options struct {
	Scopes  scopes
	Chooser *selection.Chooser
	Ferry   ferry
	Store   Store
	Boards  *board.Boards
	Tracker *runs.Tracker
	Audit   *access.Audit
}

// scopes finds domains for who may see them.
type scopes interface {
	Domain(ctx context.Context, who access.Actor, name string) (*config.Domain, error)
}

// ferry is what is asked of the engine.
type ferry interface {
	transferFerry
	quarantineFerry
}

// transferFerry sets accounts going.
type transferFerry interface {
	Begin(ctx context.Context, ids []store.AccountID) (begun []store.AccountID, err error)
	Stop(ctx context.Context, ids []store.AccountID) (stopped []store.AccountID, err error)
	Again(ctx context.Context, ids []store.AccountID) error
}

// quarantineFerry knows the messages that a server refuses.
type quarantineFerry interface {
	Quarantine(ctx context.Context, id store.AccountID) ([]report.QuarantineRecord, error)
}

// Store knows what runs came to.
type Store interface {
	Overview(ctx context.Context, domain string) ([]store.Overview, error)
	Run(ctx context.Context, id store.RunID) (store.Run, error)
	RunAccounts(ctx context.Context, id store.RunID) ([]store.RunAccount, error)
	Runs(ctx context.Context, domain string) ([]store.Run, error)
}

// Transfers begin, stop and repeat the copying of accounts.
type Transfers struct {
	chooser *selection.Chooser
	ferry   transferFerry
	boards  *board.Boards
	tracker *runs.Tracker
	audit   *access.Audit
}

// New makes them.
func New(opt Options) *Transfers {
	return &Transfers{opt.Chooser, opt.Ferry, opt.Boards, opt.Tracker, opt.Audit}
}

// Begin begins the transfer of accounts that wait, or goes on with stopped ones.
func (a *Transfers) Begin(ctx context.Context, who access.Actor, domain string, sel selection.Selection) (*Affected, error) {
	d, ids, err := a.chooser.Choose(ctx, who, domain, sel, selection.InState(store.Waiting, store.Stopped))
	if err != nil {
		return nil, err
	}
	return a.command(ctx, who, d, "begin", ids, func() (store.RunID, error) {
		return a.startRun(ctx, who, d, store.FirstRun, ids)
	})
}

// Stop stops accounts. What is under way ends at the next safe point.
func (a *Transfers) Stop(ctx context.Context, who access.Actor, domain string, sel selection.Selection) (*Affected, error) {
	d, ids, err := a.chooser.Choose(ctx, who, domain, sel, selection.InState(store.Waiting, store.Active))
	if err != nil {
		return nil, err
	}
	return a.command(ctx, who, d, "stop", ids, func() (store.RunID, error) {
		stopped, err := a.ferry.Stop(ctx, ids)
		return 0, errors.Join(err, a.tracker.Stopped(ctx, stopped))
	})
}

// Resume lets stopped accounts go on.
func (a *Transfers) Resume(ctx context.Context, who access.Actor, domain string, sel selection.Selection) (*Affected, error) {
	d, ids, err := a.chooser.Choose(ctx, who, domain, sel, selection.InState(store.Stopped))
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
func (a *Transfers) Again(ctx context.Context, who access.Actor, domain string, sel selection.Selection) (*Affected, error) {
	d, ids, err := a.chooser.Choose(ctx, who, domain, sel, selection.InState(store.Active, store.Stopped))
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
	return &Affected{Accounts: len(ids), Run: run}, a.audit.Note(ctx, who, action, access.About{Domain: d.Name, Account: a.chooser.LoneLogin(ctx, ids), Count: len(ids)})
}
