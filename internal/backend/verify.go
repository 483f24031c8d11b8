package backend

import (
	"context"

	"postferry/internal/control"
	"postferry/report"
	"postferry/store"
	"postferry/syncer/dryrun"
	"postferry/syncer/verify"
)

// Verify implements control.Backend. It has connections of its own beside the engine's.
func (l *Local) Verify(ctx context.Context, q control.VerifyQuery, tell func(report.VerifyEvent) error) error {
	ids, err := l.ids(ctx, q.Logins)
	if err != nil {
		return err
	}
	v := verify.Verification{Config: l.Config, Store: l.Store, Log: l.Log, SignIns: l.Keeper, Bodies: q.Bodies, Tell: tell}
	return v.Run(ctx, ids)
}

// ids are those of logins; none if there are none.
func (l *Local) ids(ctx context.Context, logins []string) ([]store.AccountID, error) {
	if len(logins) == 0 {
		return nil, nil
	}
	accounts, err := l.accounts(ctx, logins)
	if err != nil {
		return nil, err
	}
	ids := make([]store.AccountID, len(accounts))
	for i, a := range accounts {
		ids[i] = a.ID
	}
	return ids, nil
}

// Plan implements control.Backend. It has connections of its own beside the engine's.
func (l *Local) Plan(ctx context.Context, logins []string, tell func(control.PlanRecord) error) error {
	ids, err := l.ids(ctx, logins)
	if err != nil {
		return err
	}
	seen := checkedAccounts{}
	d := dryrun.DryRun{Config: l.Config, Store: l.Store, Log: l.Log, SignIns: l.Keeper, Tell: func(p report.AccountPlan) error {
		seen.add(p.Account, p.Problem != "" || p.Lacks != "" || p.TooLarge > 0)
		return tell(control.PlanRecord{Account: &p})
	}}
	pace, err := d.Pace(ctx)
	if err != nil {
		return err
	}
	if err := tell(control.PlanRecord{Pace: &pace}); err != nil {
		return err
	}
	if err := d.Run(ctx, ids); err != nil {
		return err
	}
	return seen.note(ctx, l.Store)
}
