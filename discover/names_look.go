package discover

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
)

// maxOwnServers bounds a domain's own name servers that are asked.
const maxOwnServers = 8

// learn finds out whom to ask, and what is old and new.
func (w *namesLook) learn(ctx context.Context) {
	w.learnGates(ctx)
	if w.asked.Old != "" {
		w.oldAddrs, _ = w.dns.addresses(ctx, w.asked.Old) // without them its name alone tells
	}
	for _, r := range w.dns.servers {
		w.servers = append(w.servers, dnsServer{name: r, address: r})
	}
	for _, ns := range w.nameServers(ctx, w.query.domain, maxOwnServers) {
		addrs, err := w.dns.addresses(ctx, ns)
		if at := slices.IndexFunc(addrs, w.reachable); err == nil && at >= 0 {
			w.servers = append(w.servers, dnsServer{name: ns, address: net.JoinHostPort(addrs[at].String(), "53"), own: true})
		}
	}
}

// look asks for everything at the same time.
func (w *namesLook) look(ctx context.Context) *Names {
	n := &Names{Domain: w.query.domain, At: w.at.UTC()}
	hosts, services, files := w.hostNames(), services(), w.autoconfigURLs()
	all := make([]Name, len(hosts)+len(services)+len(files))
	var g errgroup.Group
	g.SetLimit(atOnce)
	g.Go(func() error {
		n.MX = w.spread(ctx, w.askAll(ctx, w.query.domain, dns.TypeMX))
		return nil
	})
	for i, host := range hosts {
		g.Go(func() error {
			all[i] = w.host(ctx, host)
			return nil
		})
	}
	for i, sv := range services {
		g.Go(func() error {
			name := sv.name + "._tcp." + w.query.domain
			all[len(hosts)+i] = w.name(KindSRV, name, w.askAll(ctx, name, dns.TypeSRV))
			return nil
		})
	}
	for i, url := range files {
		g.Go(func() error {
			all[len(hosts)+len(services)+i] = w.autoconfig(ctx, url)
			return nil
		})
	}
	_ = g.Wait() // none of them fails: who is silent is in the result
	n.Names = slices.DeleteFunc(all, func(x Name) bool { return x.Leads == LeadNone })
	return n
}

// hostNames are the names that clients of the domain usually have, and the old server's if it
// is the domain's.
func (w *namesLook) hostNames() []string {
	var names []string
	if old := strings.ToLower(strings.TrimSuffix(w.asked.Old, ".")); under(old, w.query.domain) {
		names = append(names, old)
	}
	for _, prefix := range []string{"imap.", "mail.", "pop.", "pop3."} {
		if name := prefix + w.query.domain; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// askAll asks all servers the same.
func (w *namesLook) askAll(ctx context.Context, name string, kind uint16) []Seen {
	seen := make([]Seen, len(w.servers))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, server := range w.servers {
		g.Go(func() error {
			seen[i] = w.askOne(ctx, server, name, kind)
			return nil
		})
	}
	_ = g.Wait()
	return seen
}

// askOne asks one server, twice if need be: datagrams get lost.
func (w *namesLook) askOne(ctx context.Context, server dnsServer, name string, kind uint16) Seen {
	s := Seen{Server: server.name, Own: server.own, Records: []string{}}
	a, err := w.dns.askServer(ctx, server.address, name, kind, !server.own)
	if err != nil && !errors.Is(err, errNoName) && ctx.Err() == nil {
		a, err = w.dns.askServer(ctx, server.address, name, kind, !server.own)
	}
	switch {
	case errors.Is(err, errNoName):
		s.Leads = LeadNone
	case err != nil:
		why := dnsTrouble(ctx, err)
		s.Leads, s.Trouble = LeadUnknown, &why
	case server.own && !a.own:
		why := say(codeDNSNotKnown)
		s.Leads, s.Trouble = LeadUnknown, &why
	default:
		s.Seconds = int64(a.ttl / time.Second)
		w.judgeSeen(ctx, &s, kind, a.records)
	}
	return s
}

// judgeSeen says where the records of an answer lead.
func (w *namesLook) judgeSeen(ctx context.Context, s *Seen, kind uint16, records []dns.RR) {
	switch kind {
	case dns.TypeMX:
		w.judgeMXSeen(ctx, s, records)
	case dns.TypeSRV:
		var leads []Lead
		for _, rr := range records {
			srv, isSRV := rr.(*dns.SRV)
			if !isSRV {
				continue
			}
			if host, ok := hostName(srv.Target); ok { // "." stands for none (RFC 2782)
				s.Records = append(s.Records, host)
				leads = append(leads, w.leadOfHost(ctx, host))
			}
		}
		s.Leads = worst(leads)
	default:
		addrs := addressesIn(records)
		for _, a := range addrs {
			s.Records = append(s.Records, a.String())
		}
		s.Leads = w.leadOfAddrs(addrs)
	}
}

// judgeMXSeen says where the mail goes that goes by an answer.
func (w *namesLook) judgeMXSeen(ctx context.Context, s *Seen, records []dns.RR) {
	hosts := mxHosts(records)
	switch {
	case len(hosts) == 0 && len(records) > 0:
		s.Leads = LeadNone
		return
	case len(hosts) == 0: // RFC 5321 section 5.1
		hosts = []MXHost{{Name: w.query.domain}}
	}
	var leads []Lead
	for _, h := range hosts {
		s.Records = append(s.Records, h.Name)
		leads = append(leads, w.leadOfMX(ctx, h.Name))
	}
	s.Leads = worst(leads)
}

// leadOfMX says whose a host is that takes mail.
func (w *namesLook) leadOfMX(ctx context.Context, host string) Lead {
	lead := w.leadOfHost(ctx, host)
	if lead != LeadOld && lead != LeadNew && (slices.Contains(fold(w.asked.NewMX), host) || w.besideNew(host)) {
		return LeadNew
	}
	return lead
}

// leadOfHost says where a host's name leads.
func (w *namesLook) leadOfHost(ctx context.Context, host string) Lead {
	addrs, err := w.dns.addresses(ctx, host)
	switch {
	case slices.Contains(w.gates.newHosts, host):
		return LeadNew
	case slices.Contains(w.gates.ownHosts, host):
		return LeadHere
	case len(addrs) > 0 && w.leadOfAddrs(addrs) != LeadOther:
		return w.leadOfAddrs(addrs)
	case strings.EqualFold(host, strings.TrimSuffix(w.asked.Old, ".")) && (err != nil || len(w.oldAddrs) == 0):
		return LeadOld
	case errors.Is(err, errNoName):
		return LeadNone
	case err != nil:
		return LeadUnknown
	}
	return w.leadOfAddrs(addrs)
}

// leadOfAddrs says where addresses lead. The name of the old server may lead to us by
// now, so that it is old only as long as it is neither here nor new.
func (w *namesLook) leadOfAddrs(addrs []netip.Addr) Lead {
	var leads []Lead
	for _, a := range addrs {
		switch {
		case slices.Contains(w.gates.ownAddrs, a):
			leads = append(leads, LeadHere)
		case slices.Contains(w.gates.newAddrs, a):
			leads = append(leads, LeadNew)
		case slices.Contains(w.oldAddrs, a):
			leads = append(leads, LeadOld)
		default:
			leads = append(leads, LeadOther)
		}
	}
	return worst(leads)
}

// worst is the first of the places that any of them is; none if there are none.
func worst(leads []Lead) Lead {
	for _, l := range []Lead{LeadOld, LeadOther, LeadUnknown, LeadNew, LeadHere} {
		if slices.Contains(leads, l) {
			return l
		}
	}
	return LeadNone
}
