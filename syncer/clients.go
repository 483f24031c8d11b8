package syncer

import (
	"context"
	"sync"
	"time"

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
