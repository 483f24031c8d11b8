package syncer

import (
	"context"
	"strings"
	"sync"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// pools are those of the servers, which all accounts share.
type pools struct {
	shared *shared
	mu     sync.Mutex
	pools  map[string]*session.Pool
}

// endpoint returns a server's side with the pool that all accounts share.
func (o *pools) endpoint(s config.Server, old bool) session.Endpoint {
	o.mu.Lock()
	defer o.mu.Unlock()
	key, limit := "new "+s.Address(), o.shared.cfg.Sync.NewConnections
	if old {
		key, limit = "old "+s.Address(), o.shared.cfg.Sync.OldConnections
	}
	if s.PublicOnly {
		key += " outside" // that it can't be reached there says nothing to others
	}
	p := o.pools[key]
	if p == nil {
		p = session.NewPool(s.Address(), limit)
		o.pools[key] = p
	}
	return session.Endpoint{Server: s, Pool: p, ReadOnly: old}
}

// knownServer is a server that the engine has connected to, or was about to.
type knownServer struct {
	side, address string
	pool          *session.Pool
}

// servers are all of them.
func (o *pools) servers() (all []knownServer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, p := range o.pools {
		side, address, _ := strings.Cut(key, " ")
		all = append(all, knownServer{side, address, p})
	}
	return all
}

// dialOldOf is dialOld for a domain as it was at some moment.
func (o *pools) dialOldOf(ctx context.Context, d *config.Domain, c store.Credentials, dial session.DialFunc[session.Source]) (s session.Source, leave func(), err error) {
	end := o.endpoint(d.Old, true)
	release, err := end.Pool.Acquire(ctx, true, nil)
	if err != nil {
		return nil, nil, err
	}
	s, err = dial(ctx, end.Server, c, link.Options{
		Stall: o.shared.cfg.Sync.Stall, ReadOnly: true, Role: end.Role(), Log: o.shared.log, Progress: end.Pool.Alive, Quirks: &end.Pool.Quirks,
	})
	if (ctx.Err() == nil || err == nil) && session.OfServer(err) {
		end.Pool.Note(err)
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return s, func() { s.Close(); release() }, nil
}
