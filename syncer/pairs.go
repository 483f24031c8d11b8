package syncer

import (
	"context"

	"postferry/syncer/session"
)

// lanesAllowed is how many of the account's pairs the configuration allows and
// the servers have room for: some allow an account two connections or only one.
func (a *account) lanesAllowed() int {
	allowed := len(a.pairs())
	if n := a.domain.Account.Connections; n > 0 {
		allowed = min(allowed, n)
	}
	for _, p := range []*session.Pool{a.front.Old.End.Pool, a.front.New.End.Pool} {
		if n := p.PerAccount(); n > 0 {
			allowed = min(allowed, n)
		}
	}
	return allowed
}

// visitPair is the pair for visits: with only one allowed, the same as for passes.
func (a *account) visitPair() *session.Pair {
	if a.lanesAllowed() == 1 {
		return a.backs[0]
	}
	return a.front
}

// mayUse tells whether a job may begin on a pair: it is free, and if it has no
// connections yet, the account may have more of them.
func (a *account) mayUse(l *session.Pair) bool {
	if a.busy[l] {
		return false
	}
	allowed, others := a.lanesAllowed(), 0
	for _, o := range a.pairs() {
		if o != l && (a.busy[o] || !o.Empty()) {
			others++
		}
	}
	return allowed == len(a.pairs()) || others < allowed
}

// claimLane makes the pass give up the only pair there may be if a client waits for it.
func (a *account) claimLane() {
	if len(a.visits)+len(a.tree.waiting) == 0 {
		return
	}
	a.interruptPulls()
	if a.tree.yield != nil {
		a.tree.yield()
	}
}

// trim ends the sessions of pairs that the servers have no room for.
func (a *account) trim() {
	n := max(a.lanesAllowed(), 1)
	unused := a.backs[min(max(n-1, 1), len(a.backs)):]
	if n == 1 {
		unused = append([]*session.Pair{a.front}, unused...)
	}
	for _, l := range unused {
		if !a.busy[l] && !l.Empty() {
			a.start(l, nil, func(ctx context.Context) { l.End(ctx) }, func() {})
		}
	}
}
