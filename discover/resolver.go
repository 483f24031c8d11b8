package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// dnsTry bounds one question to one DNS server.
const dnsTry = 1500 * time.Millisecond

// errNoName means that a name does not exist.
var errNoName = errors.New("there is no such name")

// resolver asks DNS. net.Resolver tells no TTLs.
type resolver struct {
	servers []string
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	err     error // why there are no servers
}

func (f *Finder) client() *resolver {
	r := &resolver{servers: f.Resolvers, dial: f.dialer()}
	if r.servers == nil {
		conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil {
			r.err = fmt.Errorf("this machine's DNS servers are not known: %w", err)
			return r
		}
		for _, s := range conf.Servers {
			r.servers = append(r.servers, net.JoinHostPort(s, conf.Port))
		}
	}
	return r
}

func (f *Finder) dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if f.Dial != nil {
		return f.Dial
	}
	return (&net.Dialer{}).DialContext
}

// answer is what DNS knows of a name.
type answer struct {
	records []dns.RR // of the type that was asked for
	ttl     time.Duration
	own     bool // from the domain's own name server
}

// ask asks the recursive servers, one after the other, and all of them once
// more, as datagrams get lost. That a name does not exist is errNoName; that it
// has no such record is an empty answer.
func (r *resolver) ask(ctx context.Context, name string, kind uint16) (answer, error) {
	err := r.err
	for _, server := range slices.Concat(r.servers, r.servers) {
		var a answer
		if a, err = r.askServer(ctx, server, name, kind, true); err == nil || errors.Is(err, errNoName) {
			return a, err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return answer{}, cmp.Or(err, errors.New("no DNS server is known"))
}

// askServer asks one server: over UDP, and over TCP if the answer does not fit
// (RFC 7766 section 5).
func (r *resolver) askServer(ctx context.Context, server, name string, kind uint16, recurse bool) (answer, error) {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	m.RecursionDesired = recurse
	m.SetEdns0(1232, false)
	reply, err := r.exchange(ctx, "udp", server, m)
	if err == nil && reply.Truncated {
		reply, err = r.exchange(ctx, "tcp", server, m)
	}
	if err != nil {
		return answer{}, err
	}
	switch reply.Rcode {
	case dns.RcodeSuccess:
	case dns.RcodeNameError:
		return answer{}, errNoName
	default:
		return answer{}, fmt.Errorf("the DNS server says %s", dns.RcodeToString[reply.Rcode])
	}
	return collect(reply, kind), nil
}

func (r *resolver) exchange(ctx context.Context, network, server string, m *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsTry)
	defer cancel()
	conn, err := r.dial(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	client := dns.Client{Net: network, UDPSize: 1232}
	reply, _, err := client.ExchangeWithConnContext(ctx, m, &dns.Conn{Conn: conn, UDPSize: 1232})
	if err != nil {
		return nil, err
	}
	// An answer to another question was made up by somebody (RFC 5452 section 9.1).
	if !reply.Response || len(reply.Question) != 1 || !sameQuestion(reply.Question[0], m.Question[0]) {
		return nil, errors.New("the DNS server answers another question")
	}
	return reply, nil
}

func sameQuestion(x, y dns.Question) bool {
	return strings.EqualFold(x.Name, y.Name) && x.Qtype == y.Qtype && x.Qclass == y.Qclass
}

// collect takes the records of a type, whatever names aliases (CNAME) led to.
func collect(reply *dns.Msg, kind uint16) answer {
	a := answer{own: reply.Authoritative}
	for _, rr := range reply.Answer {
		ttl := time.Duration(rr.Header().Ttl) * time.Second
		if a.ttl == 0 || ttl < a.ttl {
			a.ttl = ttl
		}
		if rr.Header().Rrtype == kind && len(a.records) < 50 {
			a.records = append(a.records, rr)
		}
	}
	return a
}

// addresses are a host's, IPv4 first; the host may be an address itself.
func (r *resolver) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap()}, nil
	}
	kinds := []uint16{dns.TypeA, dns.TypeAAAA}
	answers, errs := make([]answer, len(kinds)), make([]error, len(kinds))
	var wg sync.WaitGroup
	for i, kind := range kinds {
		wg.Go(func() { answers[i], errs[i] = r.ask(ctx, host, kind) })
	}
	wg.Wait()
	found := addressesIn(slices.Concat(answers[0].records, answers[1].records))
	if len(found) > 0 {
		return found, nil
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, errNoName) {
			return nil, err
		}
	}
	return nil, errNoName
}

// addressesIn are those of A and AAAA records.
func addressesIn(records []dns.RR) (found []netip.Addr) {
	for _, rr := range records {
		var addr netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			addr, _ = netip.AddrFromSlice(rr.A)
		case *dns.AAAA:
			addr, _ = netip.AddrFromSlice(rr.AAAA)
		}
		if addr.IsValid() {
			found = append(found, addr.Unmap())
		}
	}
	return found
}

// authoritative asks a domain's own name servers, whose answer is the newest
// and bears the full TTL; a recursive server's has what is left of it.
func (s *search) authoritative(ctx context.Context, name string, kind uint16) (answer, bool) {
	for _, ns := range s.nameServers(ctx, name, 2) {
		addrs, err := s.dns.addresses(ctx, ns)
		if err != nil {
			continue
		}
		at := slices.IndexFunc(addrs, s.reachable)
		if at < 0 {
			continue
		}
		server := net.JoinHostPort(addrs[at].String(), "53")
		if a, err := s.dns.askServer(ctx, server, name, kind, false); err == nil && a.own {
			return a, true
		}
	}
	return answer{}, false
}

// nameServers are so many of those of the zone a name is in, which may be the name
// itself or one above it.
func (s *search) nameServers(ctx context.Context, name string, most int) (hosts []string) {
	for zone := name; strings.Contains(zone, ".") && len(hosts) == 0 && ctx.Err() == nil; _, zone, _ = strings.Cut(zone, ".") {
		a, err := s.dns.ask(ctx, zone, dns.TypeNS)
		if err != nil && !errors.Is(err, errNoName) {
			return nil
		}
		for _, rr := range a.records {
			if ns, ok := rr.(*dns.NS); ok && len(hosts) < most {
				hosts = append(hosts, strings.TrimSuffix(ns.Ns, "."))
			}
		}
	}
	return hosts
}

// dnsTrouble says why DNS gave no answer.
func dnsTrouble(ctx context.Context, err error) Message {
	var timeout net.Error
	host, ofHost := errors.AsType[*hostError](err)
	switch {
	case ofHost:
		return because(codeHost, dnsTrouble(ctx, host.err), "host", host.host)
	case errors.Is(err, errNoName):
		return say(codeNoAddress)
	case ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout():
		return say(codeDNSTimeout)
	}
	return say(codeDNSFailed, "cause", err.Error())
}
