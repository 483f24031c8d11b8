package runs

import (
	"context"

	"postferry/report"
	"postferry/store"
)

// passesSource tells of the passes that end. The channel is closed when ctx has ended. A reader that is slow gets a
// report.PassEnded with Missed set in place of those that did not fit, and must read the store again.
type passesSource interface {
	Passes(ctx context.Context) <-chan report.PassEnded
}

// Store is what following the runs asks.
type Store interface {
	AccountByID(ctx context.Context, id store.AccountID) (store.Account, error)
	AddRun(ctx context.Context, r store.Run, accounts []store.AccountID) (store.Run, error)
	Overview(ctx context.Context, domain string) ([]store.Overview, error)
	Passes(ctx context.Context, id store.AccountID) ([]store.Pass, error)
	PutRun(ctx context.Context, r store.Run, changed []store.RunAccount) error
	Run(ctx context.Context, id store.RunID) (store.Run, error)
	RunAccounts(ctx context.Context, id store.RunID) ([]store.RunAccount, error)
	Runs(ctx context.Context, domain string) ([]store.Run, error)
	Schedules(ctx context.Context) ([]store.Schedule, error)
}
