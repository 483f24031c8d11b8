package discover

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"postferry/internal/publicnet"
)

// gates are where a candidate may not lead: the new server and ourselves. After
// the change of DNS, mail.DOMAIN and the MX may lead there.
type gates struct {
	newHosts, ownHosts []string
	newAddrs, ownAddrs []netip.Addr
	unresolved         error // why addresses of the new server are not known
}

// learnGates resolves the names of the new server and our own.
func (s *search) learnGates(ctx context.Context) {
	var g gates
	if s.New != nil {
		g.newHosts = fold(s.New(s.query.domain))
	}
	g.ownHosts = fold(s.Own)
	own := make(chan []netip.Addr)
	go func() {
		addrs, _ := s.resolveAll(ctx, g.ownHosts) // the greeting gives us away as well
		own <- addrs
	}()
	g.newAddrs, g.unresolved = s.resolveAll(ctx, g.newHosts)
	g.ownAddrs = append(<-own, publicnet.Own()...)
	if g.unresolved != nil {
		s.note(because(codeNewUnknown, dnsTrouble(ctx, g.unresolved)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gates = g
}

// resolveAll are the addresses of all hosts. The error is the first one.
func (s *search) resolveAll(ctx context.Context, hosts []string) (all []netip.Addr, err error) {
	found := make([][]netip.Addr, len(hosts))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, h := range hosts {
		g.Go(func() (err error) {
			if found[i], err = s.dns.addresses(ctx, h); err != nil {
				return &hostError{h, err}
			}
			return nil
		})
	}
	err = g.Wait()
	return slices.Concat(found...), err
}

// hostError is why the addresses of a host are not known.
type hostError struct {
	host string
	err  error
}

func (e *hostError) Error() string { return e.host + ": " + e.err.Error() }
func (e *hostError) Unwrap() error { return e.err }

func fold(hosts []string) []string {
	out := make([]string, len(hosts))
	for i, h := range hosts {
		out[i] = strings.ToLower(strings.TrimSuffix(h, "."))
	}
	return out
}

// isNew tells whether a host is the new server.
func (g *gates) isNew(host string, addrs []netip.Addr) bool {
	return slices.Contains(g.newHosts, host) || common(g.newAddrs, addrs)
}

// isOwn tells whether a host leads to us.
func (g *gates) isOwn(host string, addrs []netip.Addr) bool {
	return slices.Contains(g.ownHosts, host) || common(g.ownAddrs, addrs)
}

func common(x, y []netip.Addr) bool {
	return slices.ContainsFunc(x, func(a netip.Addr) bool { return slices.Contains(y, a) })
}

// OwnGreeting ends the greeting of Postferry, by which it knows itself behind
// an address that is not this machine's own: port forwarding, containers.
const OwnGreeting = "Postferry ready"

// reachable tells whether an address may be connected to. Whoever enters a
// domain decides where its names lead.
func (f *Finder) reachable(a netip.Addr) bool { return publicnet.Reachable(a, f.AllowPrivate) }
