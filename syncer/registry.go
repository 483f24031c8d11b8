package syncer

import (
	"context"
	"reflect"
	"sort"
	"sync"
	"time"

	"postferry/report"
	"postferry/store"
	"postferry/syncer/schedule"
)

// present is an account at work and who needs it.
type present struct {
	account *account
	cancel  context.CancelFunc
	users   int
	clients int
	since   time.Time // when the last user went
	visited bool      // a client has been there
	going   bool      // was told to end
}

// linger is how long an account stays ready after its last client.
const linger = time.Minute

// registry has the accounts at work, and who needs them.
type registry struct {
	shared  *shared
	loop    *loop
	leaders *leaders
	pools   *pools
	jobs    *sync.WaitGroup

	// The loop's own.
	ctx      context.Context
	accounts map[store.AccountID]*present
	led      map[store.AccountID]*ledClients
	schedule *schedule.Queue
}

// acquire returns an account at work, starting it if need be. leave must be
// called once.
func (g *registry) acquire(ctx context.Context, id store.AccountID) (a *account, leave func(), err error) {
	asked, id := id, g.leaders.leading(ctx, id)
	err = g.loop.do(ctx, func() {
		g.leads(asked, id)
		p := g.accounts[id]
		if p == nil || p.going {
			p = g.startAccount(id, p)
		}
		p.users++
		a = p.account
	})
	if err != nil {
		return nil, nil, err
	}
	return a, sync.OnceFunc(func() {
		_ = g.loop.do(context.Background(), func() { g.left(id) })
	}), nil
}

// startAccount starts an account's goroutine. One that is still going away is
// waited for, so that an account is never at work twice.
func (g *registry) startAccount(id store.AccountID, before *present) *present {
	ctx, cancel := context.WithCancel(g.ctx)
	lead := func(of store.AccountID) { _ = g.loop.do(ctx, func() { g.leads(id, of) }) }
	p := &present{account: newAccount(g.shared, id, lead), cancel: cancel}
	if before != nil { // its users may have been told nothing yet
		p.users, p.clients, p.visited = before.users, before.clients, before.visited
	}
	g.accounts[id] = p
	g.jobs.Add(1)
	go func() {
		defer g.jobs.Done()
		defer cancel()
		if before != nil {
			<-before.account.jobs.Gone
		}
		p.account.run(ctx, g.pools.endpoint)
	}()
	return p
}

func (g *registry) left(id store.AccountID) {
	p := g.accounts[id]
	if p == nil {
		return
	}
	p.users--
	p.since = time.Now()
	if p.users == 0 && !p.visited {
		p.leave() // nobody will miss it before its next pass
	}
}

// leave tells an account to end.
func (p *present) leave() {
	p.going = true
	p.cancel()
}

// sweep lets accounts go whose last client has been away for a while, and
// forgets those that have gone.
func (g *registry) sweep(now time.Time) {
	for id, p := range g.accounts {
		if p.users > 0 || !p.going && now.Sub(p.since) < linger {
			continue
		}
		select {
		case <-p.account.jobs.Gone:
			delete(g.accounts, id)
		default:
			p.leave()
		}
	}
}

// tell runs fn with the store's row on the goroutines of those accounts that are
// at work. Those that are going read their row anew when they come back.
func (g *registry) tell(ctx context.Context, ids []store.AccountID, fn func(*account, store.Account)) error {
	var at []*account
	if err := g.loop.do(ctx, func() {
		for _, id := range ids {
			if p := g.accounts[id]; p != nil {
				at = append(at, p.account)
			}
		}
	}); err != nil {
		return err
	}
	for _, a := range at {
		row, err := g.shared.store.AccountByID(ctx, a.id)
		if err != nil {
			return err
		}
		if err := a.jobs.Do(ctx, func() { fn(a, row) }); err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// restart lets an account at work end if its domain's servers have changed. Who
// uses it finds it again with the new ones.
func (g *registry) restart(o *store.Overview) {
	p := g.accounts[o.ID]
	if p == nil || p.going {
		return
	}
	now, known := g.shared.cfg.DomainNamed(o.Domain)
	if was := p.account.servers.Load(); was != nil && known && reflect.DeepEqual(was, now) {
		return
	}
	p.leave()
}

// leaveAll tells those accounts to end that are at work.
func (g *registry) leaveAll(ctx context.Context, ids []store.AccountID) (at []*account, err error) {
	err = g.loop.do(ctx, func() {
		for _, id := range ids {
			g.schedule.Drop(id)
			if p := g.accounts[id]; p != nil {
				at = append(at, p.account)
				p.leave()
			}
		}
	})
	return at, err
}

// follow has an account take note of what a client does to its folders.
func (g *registry) follow(ctx context.Context, id store.AccountID, note func(*account) error) error {
	a, leave, err := g.acquire(ctx, id)
	if err != nil {
		return err
	}
	defer leave()
	var result error
	if err := a.jobs.Do(ctx, func() {
		if result = a.loadErr; result == nil {
			result = note(a)
		}
	}); err != nil {
		return err
	}
	return result
}

// live reports the accounts that are being worked on.
func (g *registry) live(ctx context.Context) ([]report.Live, error) {
	var at []*account
	if err := g.loop.do(ctx, func() {
		for _, p := range g.accounts {
			at = append(at, p.account)
		}
	}); err != nil {
		return nil, err
	}
	var all []report.Live
	for _, a := range at {
		if err := a.jobs.Do(ctx, func() {
			if l := a.live(time.Now()); l.Running {
				all = append(all, l)
			}
		}); err != nil && ctx.Err() != nil {
			return nil, err
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Account < all[j].Account })
	return all, nil
}

// liveFolders are how far the folders are of an account that somebody looks after; nil of another.
func (g *registry) liveFolders(ctx context.Context, id store.AccountID) (live map[store.FolderID]report.FolderProgress, err error) {
	var a *account
	id = g.leaders.leading(ctx, id)
	if err := g.loop.do(ctx, func() {
		if p := g.accounts[id]; p != nil {
			a = p.account
		}
	}); err != nil || a == nil {
		return nil, err
	}
	if err := a.jobs.Do(ctx, func() { live = a.mail.Folders.Live() }); err != nil && ctx.Err() != nil {
		return nil, err
	}
	return live, nil
}
