package syncer

import (
	"context"

	"postferry/syncer/session"
)

// lanesAllowed is how many of the account's pairs the configuration allows and
// the servers have room for: some allow an account two connections or only one.
func (s *pairSet) lanesAllowed() int {
	allowed := len(s.pairs())
	if n := s.connections; n > 0 {
		allowed = min(allowed, n)
	}
	for _, p := range []*session.Pool{s.front.Old.End.Pool, s.front.New.End.Pool} {
		if n := p.PerAccount(); n > 0 {
			allowed = min(allowed, n)
		}
	}
	return allowed
}

// visitPair is the pair for visits: with only one allowed, the same as for passes.
func (s *pairSet) visitPair() *session.Pair {
	if s.lanesAllowed() == 1 {
		return s.backs[0]
	}
	return s.front
}

// mayUse tells whether a job may begin on a pair: it is free, and if it has no
// connections yet, the account may have more of them.
func (s *pairSet) mayUse(l *session.Pair) bool {
	if s.busy[l] {
		return false
	}
	allowed, others := s.lanesAllowed(), 0
	for _, o := range s.pairs() {
		if o != l && (s.busy[o] || !o.Empty()) {
			others++
		}
	}
	return allowed == len(s.pairs()) || others < allowed
}

// claimLane makes the pass give up the only pair there may be if a client waits for it.
func (a *account) claimLane() {
	if len(a.visits)+len(a.tree.waiting) == 0 {
		return
	}
	a.folders.interruptPulls()
	if a.tree.yield != nil {
		a.tree.yield()
	}
}

// trim ends the sessions of pairs that the servers have no room for.
func (r *runner) trim() {
	n := max(r.lanesAllowed(), 1)
	unused := r.backs[min(max(n-1, 1), len(r.backs)):]
	if n == 1 {
		unused = append([]*session.Pair{r.front}, unused...)
	}
	for _, l := range unused {
		if !r.busy[l] && !l.Empty() {
			r.start(l, nil, func(ctx context.Context) { l.End(ctx) }, func() {})
		}
	}
}
