package jobs

import (
	"context"

	"postferry/syncer/session"
)

// Allowed is how many of the account's pairs the configuration allows and
// the servers have room for: some allow an account two connections or only one.
func (s *Pairs) Allowed() int {
	allowed := len(s.All())
	if n := s.Connections; n > 0 {
		allowed = min(allowed, n)
	}
	for _, p := range []*session.Pool{s.Front.Old.End.Pool, s.Front.New.End.Pool} {
		if n := p.PerAccount(); n > 0 {
			allowed = min(allowed, n)
		}
	}
	return allowed
}

// VisitPair is the pair for visits: with only one allowed, the same as for passes.
func (s *Pairs) VisitPair() *session.Pair {
	if s.Allowed() == 1 {
		return s.Backs[0]
	}
	return s.Front
}

// MayUse tells whether a job may begin on a pair: it is free, and if it has no
// connections yet, the account may have more of them.
func (s *Pairs) MayUse(l *session.Pair) bool {
	if s.Busy[l] {
		return false
	}
	allowed, others := s.Allowed(), 0
	for _, o := range s.All() {
		if o != l && (s.Busy[o] || !o.Empty()) {
			others++
		}
	}
	return allowed == len(s.All()) || others < allowed
}

// Trim ends the sessions of pairs that the servers have no room for.
func (r *Runner) Trim() {
	n := max(r.Allowed(), 1)
	unused := r.Backs[min(max(n-1, 1), len(r.Backs)):]
	if n == 1 {
		unused = append([]*session.Pair{r.Front}, unused...)
	}
	for _, l := range unused {
		if !r.Busy[l] && !l.Empty() {
			r.Start(l, nil, func(ctx context.Context) { l.End(ctx) }, func() {})
		}
	}
}

// ForPasses is how many pairs share a pass's folders. One sets the fewer aside, the fewer are left for the others.
func (s *Pairs) ForPasses() int { return max(1, min(len(s.Backs), s.Allowed()-1)) }

// MayPull tells whether a pull may begin on one of the pairs for passes: those behind
// the first are for servers with room to spare, and one connection is kept for visits.
func (s *Pairs) MayPull(i int) bool {
	return s.MayUse(s.Backs[i]) && s.RoomFor(i)
}

func (s *Pairs) RoomFor(i int) bool { return i == 0 || s.roomy() && i <= s.Allowed()-2 }

func (s *Pairs) roomy() bool {
	return s.Front.Old.End.Pool.Roomy() && s.Front.New.End.Pool.Roomy()
}
