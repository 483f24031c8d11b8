package dryrun

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"postferry/config"
	"postferry/report"
	"postferry/store"
	"postferry/syncer/problem"
	"postferry/upstream/link"
)

// check is the plan of an account in any state, after its logins on both
// servers were tried.
func (p *accountPlanner) check(ctx context.Context, down *downServers) (report.AccountPlan, error) {
	defer p.pair.Close(ctx)
	err := p.openBoth(ctx, down)
	if err == nil && len(p.plan.Trouble) == 0 {
		err = p.note(ctx, store.OldSide, p.all(ctx))
	}
	return p.plan, err
}

// openBoth opens both sessions at the same time and notes trouble with each.
func (p *accountPlanner) openBoth(ctx context.Context, down *downServers) error {
	var oldErr, newErr error
	var both sync.WaitGroup
	both.Go(func() { oldErr = down.ask(p.pair.Domain.Old, func() error { return p.pair.OpenOld(ctx) }) })
	both.Go(func() { newErr = down.ask(p.pair.Domain.New, func() error { return p.pair.OpenNew(ctx) }) })
	both.Wait()
	return errors.Join(p.note(ctx, store.OldSide, oldErr), p.note(ctx, store.NewSide, newErr))
}

// note makes trouble with a server part of the plan; side is for an error that
// doesn't say which it is about. Any other error, ctx's and the store's, is returned.
func (p *accountPlanner) note(ctx context.Context, side store.Side, err error) error {
	broken, ok := errors.AsType[*link.Error](err)
	if !ok || ctx.Err() != nil {
		return err
	}
	problem := problem.Of(err, "", 1)
	problem.Retry = time.Time{} // a check is not tried again by itself
	if broken.Side() != "" {
		side = broken.Side()
	}
	problem.Server = side
	trouble := maps.Clone(p.plan.Trouble)
	if trouble == nil {
		trouble = map[store.Side]*store.Problem{}
	}
	trouble[side] = problem
	p.plan.Trouble = trouble
	return nil
}

// downPause is for how long a server that can't be reached is not asked again by
// a check: a thousand accounts would wait for it otherwise.
const downPause = 30 * time.Second

// downServers remembers which servers can't be reached, and why.
type downServers struct {
	mu    sync.Mutex
	since map[string]time.Time // by address
	why   map[string]error
}

// ask calls open unless the server could not be reached a moment ago.
func (d *downServers) ask(server config.Server, open func() error) error {
	address := server.Address()
	d.mu.Lock()
	why := d.why[address]
	if time.Since(d.since[address]) > downPause {
		why = nil
	}
	d.mu.Unlock()
	if why != nil {
		return why
	}
	err := open()
	if e, ok := errors.AsType[*link.Error](err); ok && e.Op == "connect" && !link.TooMany(err) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.why == nil {
			d.since, d.why = map[string]time.Time{}, map[string]error{}
		}
		d.since[address], d.why[address] = time.Now(), err
	}
	return err
}
