package access

import (
	"sync"

	"postferry/store"
)

// Places bound what is done or kept at a time. One domain's people and programs get
// at most each of them, all domains together domains; those who look after everything
// have all for themselves. So neither one domain nor many of them can keep others out.
type Places struct {
	each, domains, all int

	mu   sync.Mutex
	held map[string]int // by scope
	sum  int            // of what is held, but for store.ScopeAll
}

// NewPlaces makes them: for each domain, for all domains together, for those who look after everything.
func NewPlaces(each, domains, all int) *Places {
	return &Places{each: each, domains: domains, all: all, held: map[string]int{}}
}

// Take takes n places for a scope, or none. The caller must leave them if it got them.
func (p *Places) Take(scope string, n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if scope == store.ScopeAll {
		if p.held[scope]+n > p.all {
			return false
		}
	} else {
		if p.held[scope]+n > p.each || p.sum+n > p.domains {
			return false
		}
		p.sum += n
	}
	p.held[scope] += n
	return true
}

// Leave gives n places of a scope back.
func (p *Places) Leave(scope string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if scope != store.ScopeAll {
		p.sum -= n
	}
	if p.held[scope] -= n; p.held[scope] == 0 {
		delete(p.held, scope)
	}
}
