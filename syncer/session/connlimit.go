package session

import (
	"fmt"
	"sync/atomic"
	"time"
)

// capMemory is how long it is remembered that a server refused one connection
// more. Then one more is tried: other programs may have been connected, too.
const capMemory = 30 * time.Minute

// caps are how many connections a server turned out to allow: in all, or for
// one account. 0 for no bound known.
type caps struct {
	total, each           int
	totalSince, eachSince time.Time
}

// all is the bound for all accounts together.
func (c *caps) all(limit int) int {
	c.total, c.totalSince = relax(c.total, c.totalSince)
	if c.total == 0 {
		return limit
	}
	return min(limit, c.total)
}

// account is the bound for each account; 0 for none.
func (c *caps) account() int {
	c.each, c.eachSince = relax(c.each, c.eachSince)
	return c.each
}

// relax lets a bound grow with time.
func relax(n int, since time.Time) (int, time.Time) {
	if n == 0 || time.Since(since) < capMemory {
		return n, since
	}
	return n + 1, time.Now()
}

// CrowdedError means that an account has as many connections as the server
// allows, so that it must do with those.
type CrowdedError struct {
	server string
	each   int
	cause  error
}

func (e *CrowdedError) Error() string {
	return fmt.Sprintf("%s allows an account %d connections: %v", e.server, e.each, e.cause)
}

// Unwrap makes it an interruption: what was begun is gone on with over another connection.
func (e *CrowdedError) Unwrap() []error { return []error{ErrYield, e.cause} }

// Crowded learns from a refusal because of too many connections. others are
// those that the account has. It returns a *crowdedError if the account must do
// with them, nil if a place is to be waited for once more, and the refusal if
// nothing but time helps. The place that was refused is still taken.
func (p *Pool) Crowded(others int, refusal error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch {
	case others > 0:
		p.caps.each, p.caps.eachSince = others, now
		return &CrowdedError{p.server, others, refusal}
	case p.Used > 1:
		p.caps.total, p.caps.totalSince = p.Used-1, now
		return nil
	}
	return refusal
}

// PerAccount is how many connections an account may have; 0 if it is not bounded.
func (p *Pool) PerAccount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.caps.account()
}

// Held counts an account's sessions with one server.
type Held struct{ atomic.Int32 }
