package admin

import (
	"context"

	"postferry/store"
)

// progress sums a domain up as it stands now.
func (a *app) progress(ctx context.Context, who actor, domain string) (*totals, error) {
	d, err := a.domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	b, err := a.boards.of(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	return &b.totals, nil
}

// accountsOf returns those of a board's accounts that are named, for a page
// that shows them. Unknown ones are left out.
func (b *board) accountsOf(ids []store.AccountID) []accountView {
	views := []accountView{}
	for _, id := range ids {
		if i, ok := b.at(id); ok {
			views = append(views, b.view(i))
		}
	}
	return views
}

// extras are the states besides the totals that a stream tells: the newest
// run, check and verification, as far as there are any.
func (a *app) extras(ctx context.Context, domain string) map[string]any {
	states := map[string]any{}
	if runs, err := a.store.Runs(ctx, domain); err == nil && len(runs) > 0 {
		states["run"] = viewRun(runs[0])
	}
	if v := a.viewCheck(domain); v != nil {
		states["check"] = v
	}
	if v := a.viewVerify(domain); v != nil {
		states["verify"] = v
	}
	return states
}
