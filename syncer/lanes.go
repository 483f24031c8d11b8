package syncer

import "context"

// lanesAllowed is how many of the account's lanes the configuration allows and
// the servers have room for: some allow an account two connections or only one.
func (a *account) lanesAllowed() int {
	allowed := len(a.lanes())
	if n := a.domain.Account.Connections; n > 0 {
		allowed = min(allowed, n)
	}
	for _, p := range []*pool{a.front.old.end.pool, a.front.new.end.pool} {
		if n := p.perAccount(); n > 0 {
			allowed = min(allowed, n)
		}
	}
	return allowed
}

// visitLane is the lane for visits: with only one allowed, the same as for passes.
func (a *account) visitLane() *lane {
	if a.lanesAllowed() == 1 {
		return a.backs[0]
	}
	return a.front
}

// mayUse tells whether a job may begin on a lane: it is free, and if it has no
// connections yet, the account may have more of them.
func (a *account) mayUse(l *lane) bool {
	if a.busy[l] {
		return false
	}
	allowed, others := a.lanesAllowed(), 0
	for _, o := range a.lanes() {
		if o != l && (a.busy[o] || !o.empty()) {
			others++
		}
	}
	return allowed == len(a.lanes()) || others < allowed
}

// claimLane makes the pass give up the only lane there may be if a client waits for it.
func (a *account) claimLane() {
	if len(a.visits)+len(a.tree.waiting) == 0 {
		return
	}
	a.interruptPulls()
	if a.tree.yield != nil {
		a.tree.yield()
	}
}

// trim ends the sessions of lanes that the servers have no room for.
func (a *account) trim() {
	n := max(a.lanesAllowed(), 1)
	unused := a.backs[min(max(n-1, 1), len(a.backs)):]
	if n == 1 {
		unused = append([]*lane{a.front}, unused...)
	}
	for _, l := range unused {
		if !a.busy[l] && !l.empty() {
			a.start(l, nil, func(ctx context.Context) { l.end(ctx) }, func() {})
		}
	}
}
