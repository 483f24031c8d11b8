package syncer

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"postferry/report"
	"postferry/store"
)

// Result is how one account's pass ended.
type Result struct {
	Account store.Account // without passwords
	Pass    store.Pass
	Problem *store.Problem // what kept it from being complete, nil if nothing did
}

// Sync makes one pass over the accounts given, or over all that are active if
// none are, and returns when all are through or ctx ends. progress (may
// be nil) is called a few times a second; waiting is how many accounts have not
// had their turn.
func (e *Engine) Sync(ctx context.Context, ids []store.AccountID, progress func(live []report.Live, waiting int)) ([]Result, error) {
	accounts, err := e.chosen(ctx, ids)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(accounts))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(passesPerPlace * max(e.shared.cfg.Sync.OldConnections, 1))
	var begun atomic.Int64
	ended := make(chan error, 1)
	go func() {
		for i, a := range accounts {
			g.Go(func() error {
				begun.Add(1)
				r, err := e.scheduler.passOver(gctx, a.ID, passOptions{fresh: true})
				results[i] = Result{Account: a, Pass: r.pass, Problem: r.problem}
				return err
			})
		}
		ended <- g.Wait()
	}()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return results, err
		case <-tick.C:
			if live, err := e.Live(ctx); err == nil && progress != nil {
				progress(live, len(accounts)-int(begun.Load()))
			}
		}
	}
}

// chosen reads the accounts a Sync is about.
func (e *Engine) chosen(ctx context.Context, ids []store.AccountID) ([]store.Account, error) {
	all, err := e.shared.store.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	want := make(map[store.AccountID]bool, len(ids))
	for _, id := range ids {
		want[id] = true
	}
	var chosen []store.Account
	for _, a := range all {
		if want[a.ID] || (len(ids) == 0 && a.State == store.Active && a.Alias == 0) {
			chosen = append(chosen, a)
		}
	}
	return chosen, nil
}
