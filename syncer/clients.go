package syncer

import (
	"context"
	"sync"
	"time"

	"postferry/store"
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

// acquire returns an account at work, starting it if need be. leave must be
// called once.
func (e *Engine) acquire(ctx context.Context, id store.AccountID) (a *account, leave func(), err error) {
	asked, id := id, e.leading(ctx, id)
	err = e.do(ctx, func() {
		e.leads(asked, id)
		p := e.accounts[id]
		if p == nil || p.going {
			p = e.startAccount(id, p)
		}
		p.users++
		a = p.account
	})
	if err != nil {
		return nil, nil, err
	}
	return a, sync.OnceFunc(func() {
		_ = e.do(context.Background(), func() { e.left(id) })
	}), nil
}

// startAccount starts an account's goroutine. One that is still going away is
// waited for, so that an account is never at work twice.
func (e *Engine) startAccount(id store.AccountID, before *present) *present {
	ctx, cancel := context.WithCancel(e.ctx)
	p := &present{account: newAccount(e.shared, id), cancel: cancel}
	p.account.lead = func(of store.AccountID) { _ = e.do(ctx, func() { e.leads(id, of) }) }
	if before != nil { // its users may have been told nothing yet
		p.users, p.clients, p.visited = before.users, before.clients, before.visited
	}
	e.accounts[id] = p
	e.jobs.Add(1)
	go func() {
		defer e.jobs.Done()
		defer cancel()
		if before != nil {
			<-before.account.gone
		}
		p.account.run(ctx, e.endpoint)
	}()
	return p
}

func (e *Engine) left(id store.AccountID) {
	p := e.accounts[id]
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
func (e *Engine) sweep(now time.Time) {
	for id, p := range e.accounts {
		if p.users > 0 || !p.going && now.Sub(p.since) < linger {
			continue
		}
		select {
		case <-p.account.gone:
			delete(e.accounts, id)
		default:
			p.leave()
		}
	}
}
