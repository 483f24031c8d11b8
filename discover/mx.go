package discover

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// MX tells where a domain's mail is delivered, and whether that is the new
// server yet. The error is an *InputError, or the context's.
func (f *Finder) MX(ctx context.Context, domain string) (MX, error) {
	q, err := parseQuery(domain)
	if err != nil {
		return MX{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(max(f.Bound, 0), defaultBound))
	defer cancel()
	s := &search{Finder: f, query: q, dns: f.client(), report: &Report{}, denied: map[string]bool{}}
	s.learnGates(ctx)
	s.askMX(ctx, 0)
	s.judgeMX(ctx)
	return s.report.MX, nil
}

// askMX asks who takes the domain's mail.
func (s *search) askMX(ctx context.Context, order int) {
	start := time.Now()
	name := s.query.domain
	a, err := s.dns.ask(ctx, name, dns.TypeMX)
	if err == nil && len(a.records) > 0 {
		if own, ok := s.authoritative(ctx, name, name, dns.TypeMX); ok {
			a = own
		}
	}
	mx := MX{State: MXUnknown, Hosts: []MXHost{}, Seconds: int64(a.ttl / time.Second)}
	result := say(codeNone)
	s.mu.Lock()
	s.exists = s.exists || err == nil
	s.mu.Unlock()
	switch {
	case errors.Is(err, errNoName):
		mx.Message = say(codeMXUnknown, "cause", errNoName.Error())
	case err != nil:
		result = dnsTrouble(ctx, err)
		mx.Message = say(codeMXUnknown, "cause", result.Text)
	default:
		mx.Hosts = mxHosts(a.records)
		if len(mx.Hosts) == 0 && len(a.records) > 0 {
			mx.State, mx.Message, result = MXNone, say(codeMXNone), say(codeMXNone)
		} else if len(mx.Hosts) == 0 {
			// RFC 5321 section 5.1: the domain's own address takes its mail then.
			mx.Hosts = []MXHost{{Name: name}}
		}
		if len(a.records) > 0 && mx.State != MXNone {
			result = say(codeRecords, "records", hostList(mx.Hosts))
		}
	}
	s.noteLookup(order, SourceMX, "MX "+name, result, start)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.MX = mx
}

// mxHosts are the hosts by preference; none for a null MX (RFC 7505).
func mxHosts(records []dns.RR) []MXHost {
	hosts := []MXHost{}
	for _, rr := range records {
		if r, ok := rr.(*dns.MX); ok {
			if host, ok := hostName(r.Mx); ok {
				hosts = append(hosts, MXHost{Name: host, Preference: int(r.Preference)})
			}
		}
	}
	slices.SortStableFunc(hosts, func(x, y MXHost) int { return cmp.Compare(x.Preference, y.Preference) })
	return hosts[:min(len(hosts), 10)]
}

func hostList(hosts []MXHost) string {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.Name
	}
	return strings.Join(names, ", ")
}

// judgeMX compares the MX with the new server.
func (s *search) judgeMX(ctx context.Context) {
	mx := &s.report.MX
	if mx.Message.Code != "" || len(mx.Hosts) == 0 {
		return
	}
	moved := 0
	for i := range mx.Hosts {
		h := &mx.Hosts[i]
		addrs, _ := s.dns.addresses(ctx, h.Name) // one that has none is not the new server
		if h.New = s.gates.isNew(h.Name, addrs); h.New {
			moved++
		}
	}
	hosts, ttl := hostList(mx.Hosts), (time.Duration(mx.Seconds) * time.Second).String()
	switch {
	case len(s.gates.newHosts) == 0:
		mx.Message = say(codeMXHosts, "hosts", hosts, "ttl", ttl)
	case moved == len(mx.Hosts):
		mx.State, mx.Message = MXMoved, say(codeMXNew, "hosts", hosts, "ttl", ttl)
	case moved > 0:
		mx.State, mx.Message = MXPartly, say(codeMXPartly, "hosts", hosts)
	default:
		mx.State, mx.Message = MXNotMoved, say(codeMXOther, "hosts", hosts, "ttl", ttl)
	}
}
