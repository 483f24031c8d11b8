package backend

import (
	"context"

	"postferry/internal/control"
	"postferry/report"
	"postferry/syncer/dryrun"
	"postferry/syncer/verify"
)

// Verify implements control.Backend. It has connections of its own beside the engine's.
func (l *Local) Verify(ctx context.Context, q control.VerifyQuery, tell func(report.VerifyEvent) error) error {
	ids, err := idsOf(ctx, l.Store, q.Logins)
	if err != nil {
		return err
	}
	v := verify.Verification{Config: l.Config, Store: l.Store, Log: l.Log, SignIns: l.Keeper, Bodies: q.Bodies, Tell: tell}
	return v.Run(ctx, ids)
}

// Plan implements control.Backend. It has connections of its own beside the engine's.
func (l *Local) Plan(ctx context.Context, logins []string, tell func(control.PlanRecord) error) error {
	ids, err := idsOf(ctx, l.Store, logins)
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
