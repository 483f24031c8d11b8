package lifecycle

import (
	"context"

	"postferry/store"
)

// Store is what guiding a move to its end asks of the state.
type Store interface {
	Accounts(ctx context.Context) ([]store.Account, error)
	AddAudit(ctx context.Context, e store.AuditEntry) error
	Approve(ctx context.Context, ids []store.AccountID, a store.Approval) error
	Finish(ctx context.Context, ids []store.AccountID, r store.Report) (store.Report, []store.AccountID, error)
	Forget(ctx context.Context, domain string) error
	Move(ctx context.Context, domain string) (store.Move, error)
	NoteNames(ctx context.Context, domain string, n store.NamesSeen) error
	Overview(ctx context.Context, domain string) ([]store.Overview, error)
	Reports(ctx context.Context, domain string) ([]store.Report, error)
	WayBackOf(ctx context.Context, domain string) (store.WayBackSum, error)
	Summary(ctx context.Context, id store.AccountID) (store.Summary, error)
}
