package proxy

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"postferry/config"
	"postferry/upstream"
	"postferry/upstream/link"
)

// offers are the mechanisms for tokens that new servers take, as far as they are known. Clients are
// offered those, so that programs that would rather sign in with a token do.
type offers struct {
	mu    sync.Mutex
	known map[string]offer // by address
}

// offer is what is known of a server.
type offer struct {
	mechanisms []string
	asked      time.Time
	failed     bool
}

func newOffers() *offers { return &offers{known: map[string]offer{}} }

// note takes over what a server has announced before anybody logged in.
func (o *offers) note(server config.Server, capabilities []string) {
	found := offer{asked: time.Now()}
	for _, name := range link.MechanismsForTokens() {
		if slices.ContainsFunc(capabilities, func(c string) bool { return strings.EqualFold(c, "AUTH="+name) }) {
			found.mechanisms = append(found.mechanisms, name)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known[server.Address()] = found
}

// fail notes that a server could not be asked; what was known of it stays.
func (o *offers) fail(server config.Server) {
	o.mu.Lock()
	defer o.mu.Unlock()
	was := o.known[server.Address()]
	was.asked, was.failed = time.Now(), true
	o.known[server.Address()] = was
}

// of are the mechanisms that a domain's new server takes.
func (o *offers) of(d *config.Domain) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.known[d.New.Address()].mechanisms
}

// all are those that any of the domains' new servers takes: whose a client is shows only when it
// logs in.
func (o *offers) all(domains []config.Domain) (names []string) {
	for _, name := range link.MechanismsForTokens() {
		if slices.ContainsFunc(domains, func(d config.Domain) bool { return slices.Contains(o.of(&d), name) }) {
			names = append(names, name)
		}
	}
	return names
}

// due tells whether a server is to be asked again.
func (o *offers) due(server config.Server) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	known, ok := o.known[server.Address()]
	every := lookEvery
	if known.failed {
		every = lookAgain
	}
	return !ok || time.Since(known.asked) > every
}

const (
	// lookEvery is how long an answer holds, and lookAgain how long a failure does.
	lookEvery = 15 * time.Minute
	lookAgain = time.Minute
	// lookStep is how often domains are looked through for new servers to be asked.
	lookStep = 5 * time.Second
	// lookBound is how long one of them may take.
	lookBound = 10 * time.Second
)

// look asks new servers what mechanisms they take, until ctx ends.
func (s *Server) look(ctx context.Context) {
	tick := time.NewTicker(lookStep)
	defer tick.Stop()
	for {
		for _, d := range s.cfg.AllDomains() {
			if ctx.Err() == nil && s.offers.due(d.New) {
				s.lookAt(ctx, d.New)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) lookAt(ctx context.Context, server config.Server) {
	ctx, cancel := context.WithTimeout(ctx, lookBound)
	defer cancel()
	answer, err := upstream.Probe(ctx, server, link.Options{Stall: lookBound, Dial: s.dial, Role: link.RoleNew, Log: s.log})
	if err != nil {
		s.offers.fail(server)
		s.log.Debug().Err(err).Str("server", server.Address()).Msg("the new server can't be asked what mechanisms it takes")
		return
	}
	s.offers.note(server, answer.Capabilities)
}
