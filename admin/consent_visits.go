package admin

import (
	"context"
	"net/url"
	"sync"
	"time"

	"postferry/admin/access"
	"postferry/config"
	"postferry/store"
	"postferry/tenant"
)

const (
	// maxVisits, maxVisitsDomain and maxVisitsEach bound the browsers that are at a provider: those of all domains'
	// people (and as many of those who look after everything), of one domain's, of one session. The oldest of them is
	// not waited for any more.
	maxVisits, maxVisitsDomain, maxVisitsEach = 1000, 100, 8
	// maxAskingEach, maxAsking and maxAskingAll bound the questions to providers where a browser can be sent that are
	// open at a time: of a domain's people, of all domains', of those who look after everything.
	maxAskingEach, maxAsking, maxAskingAll = 4, 16, 16
)

// visits are browsers that were sent to a provider and have not come back, in memory only.
type visits struct {
	mu      sync.Mutex
	byState map[string]*consentVisit
}

// consentVisit is one, and whose.
type consentVisit struct {
	*tenant.Visit
	owner   store.Digest // the session in which it began
	scope   string       // of whose it is
	domain  string
	side    store.Side
	mailbox string
	signIn  *config.SignIn
}

func newVisits() *visits { return &visits{byState: map[string]*consentVisit{}} }

// put notes one.
func (v *visits) put(x *consentVisit, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for state, old := range v.byState {
		if now.After(old.Ends) {
			delete(v.byState, state)
		}
	}
	v.makeRoom(maxVisitsEach, func(old *consentVisit) bool { return old.owner == x.owner })
	all := x.scope == store.ScopeAll
	v.makeRoom(maxVisitsDomain, func(old *consentVisit) bool { return !all && old.scope == x.scope })
	v.makeRoom(maxVisits, func(old *consentVisit) bool { return all == (old.scope == store.ScopeAll) })
	v.byState[x.State] = x
}

// makeRoom drops the oldest of those that are like it, if there are as many as may be.
func (v *visits) makeRoom(most int, like func(*consentVisit) bool) {
	n, oldest := 0, ""
	for state, x := range v.byState {
		if like(x) {
			if n++; oldest == "" || x.Ends.Before(v.byState[oldest].Ends) {
				oldest = state
			}
		}
	}
	if n >= most {
		delete(v.byState, oldest)
	}
}

// take finds the one that a browser has come back from, which is over with that: nil if there is none, or
// if it began in another session.
func (v *visits) take(state string, owner store.Digest) *consentVisit {
	v.mu.Lock()
	defer v.mu.Unlock()
	x := v.byState[state]
	delete(v.byState, state)
	if x == nil || x.owner != owner {
		return nil
	}
	return x
}

// ConsentVisit is where somebody's browser has to go.
type ConsentVisit struct {
	URL      string
	Provider string // its host
	Mailbox  string
	Ends     time.Time
}

// Send has the browser of a session go to the provider, and come back to redirect, an address of ours.
func (a *Consents) Send(ctx context.Context, who access.Actor, domain string, side store.Side, mailbox, redirect string) (*ConsentVisit, error) {
	d, server, err := a.place(ctx, who, domain, side)
	if err != nil {
		return nil, err
	}
	if mailbox, err = a.checkMailbox(who, d, mailbox); err != nil {
		return nil, err
	}
	if !a.asking.Take(who.Scope, 1) {
		return nil, errTooManyConnecting()
	}
	defer a.asking.Leave(who.Scope, 1)
	bound, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	v, err := a.connector().Send(bound, server, mailbox, redirect)
	if err != nil {
		return nil, a.refusal(err)
	}
	a.visits.put(&consentVisit{Visit: v, owner: who.Owner, scope: who.Scope, domain: d.Name, side: side, mailbox: mailbox, signIn: server.SignIn}, time.Now())
	return &ConsentVisit{URL: v.URL, Provider: hostOf(v.URL), Mailbox: mailbox, Ends: v.Ends}, nil
}

// Returned is what a browser has come back from.
type Returned struct {
	Domain  string
	Side    store.Side
	Mailbox string
}

// ComeBack takes what a session's browser has come back with. Where it belongs is told as soon as it is known, with
// an error, too.
func (a *Consents) ComeBack(ctx context.Context, who access.Actor, answer url.Values) (*Returned, error) {
	x := a.visits.take(answer.Get("state"), who.Owner)
	if x == nil {
		return nil, a.refusal(&tenant.ConsentError{Reason: tenant.NotSent})
	}
	at := &Returned{Domain: x.domain, Side: x.side, Mailbox: x.mailbox}
	_, server, err := a.place(ctx, who, x.domain, x.side) // what may be done may have changed meanwhile
	if err != nil {
		return nil, err
	}
	if server.SignIn != x.signIn { // and so may the provider
		return at, a.refusal(&tenant.ConsentError{Reason: tenant.NotSent})
	}
	bound, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	agreed, err := a.connector().Redeem(bound, server, x.Visit, answer)
	if err != nil {
		return at, a.refusal(err)
	}
	return at, a.keep(ctx, who, server, agreed)
}
