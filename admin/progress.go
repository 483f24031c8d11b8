package admin

import (
	"context"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/checks"
	"postferry/admin/transfers"
	"postferry/cause"
)

// Status is how far domains are.
type Status struct {
	scopes        *Scopes
	boards        *board.Boards
	runs          *transfers.Runs
	checks        *checks.Checks
	verifications *checks.Verifications
}

// Progress sums a domain up as it stands now.
func (a *Status) Progress(ctx context.Context, who access.Actor, domain string) (*board.Totals, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	b, err := a.boards.Of(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	return &b.Totals, nil
}

// Board is the newest of a domain's.
func (a *Status) Board(ctx context.Context, domain string) (*board.Board, error) {
	return a.boards.Of(ctx, domain)
}

// Throughput is a domain's of the last minutes, in messages a second: a point every ChartEvery,
// oldest first.
func (a *Status) Throughput(domain string) []float64 { return a.boards.Throughput(domain) }

// Extras are the states besides the totals that a stream tells: the newest
// run, check and verification, as far as there are any.
func (a *Status) Extras(ctx context.Context, domain string) map[string]any {
	states := map[string]any{}
	if v, err := a.runs.Newest(ctx, domain); err == nil && v != nil {
		states["run"] = v
	}
	if v := a.checks.View(domain); v != nil {
		states["check"] = v
	}
	if v := a.verifications.View(domain); v != nil {
		states["verify"] = v
	}
	return states
}

// Causes says what keeps accounts of a domain from being copied, each cause once.
func (a *Status) Causes(ctx context.Context, who access.Actor, domain string) ([]cause.Cause, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	b, err := a.boards.Of(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	return b.Causes, nil
}
