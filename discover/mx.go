package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// MX tells where a domain's mail is delivered, and whether that is the new
// server yet. The domain's own name servers are asked if they answer. The error
// is an *InputError, or the context's.
func (f *Finder) MX(ctx context.Context, domain string) (MX, error) {
	q, err := parseQuery(domain)
	if err != nil {
		return MX{}, err
	}
	run, cancel := context.WithTimeout(ctx, cmp.Or(max(f.Bound, 0), defaultBound))
	defer cancel()
	s := &search{Finder: f, query: q, dns: f.client(), report: &Report{}, denied: map[string]bool{}}
	s.lookAtMX(run, 0)
	return s.report.MX, ctx.Err()
}

// lookAtMX learns what the new server is and whether the MX leads there.
func (s *search) lookAtMX(ctx context.Context, order int) {
	s.learnGates(ctx)
	s.askMX(ctx, order)
	s.judgeMX(ctx)
}

// askMX asks who takes the domain's mail.
func (s *search) askMX(ctx context.Context, order int) {
	start := time.Now()
	name := s.query.domain
	a, err := s.dns.ask(ctx, name, dns.TypeMX)
	if err == nil && len(a.records) > 0 {
		if own, ok := s.authoritative(ctx, name, dns.TypeMX); ok {
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
		mx.Message = because(codeMXUnknown, dnsTrouble(ctx, err))
	case err != nil:
		result = dnsTrouble(ctx, err)
		mx.Message = because(codeMXUnknown, result)
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
	errs := make([]error, len(mx.Hosts))
	var wg sync.WaitGroup
	for i := range mx.Hosts {
		wg.Go(func() { errs[i] = s.compareMX(ctx, &mx.Hosts[i]) })
	}
	wg.Wait()
	unsure := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	moved, byProvider := 0, false
	for _, h := range mx.Hosts {
		if h.New {
			moved++
			byProvider = byProvider || h.Match == MatchProvider
		}
	}
	// Programs get the seconds, which other languages have other words for.
	params := []string{"hosts", hostList(mx.Hosts), "ttl", span(mx.Seconds), "seconds", strconv.FormatInt(mx.Seconds, 10)}
	switch {
	case len(s.gates.newHosts) == 0:
		mx.Message = say(codeMXHosts, params...)
	case unsure >= 0:
		mx.Message = because(codeMXUnknown, dnsTrouble(ctx, errs[unsure]))
	case moved == len(mx.Hosts) && byProvider:
		mx.State, mx.Message = MXMoved, say(codeMXProvider, params...)
	case moved == len(mx.Hosts):
		mx.State, mx.Message = MXMoved, say(codeMXNew, params...)
	case moved > 0:
		mx.State, mx.Message = MXPartly, say(codeMXPartly, params...)
	default:
		mx.State, mx.Message = MXNotMoved, say(codeMXOther, params...)
	}
}

// compareMX tells whether a host is the new server or stands beside it: hosts
// that take mail are often others than those it is read from.
func (s *search) compareMX(ctx context.Context, h *MXHost) error {
	addrs, err := s.dns.addresses(ctx, h.Name)
	if errors.Is(err, errNoName) {
		err = nil // one that has none is not the new server
	}
	switch {
	case s.gates.isNew(h.Name, addrs):
		h.New, h.Match = true, MatchAddress
		return nil
	case s.besideNew(h.Name):
		h.New, h.Match = true, MatchProvider
		return nil
	case s.gates.unresolved != nil:
		return s.gates.unresolved
	}
	return err
}

// besideNew tells whether a host belongs to whoever runs the new server. What
// lies in the domain itself says nothing: its old server may lie there, too.
func (s *search) besideNew(host string) bool {
	p, known := providerOf(host)
	return slices.ContainsFunc(s.gates.newHosts, func(n string) bool {
		top := registrable(n)
		return known && p.imap.Host == n || top != "" && top == registrable(host) && top != registrable(s.query.domain)
	})
}

// span is a time in words: a TTL has seconds.
func span(seconds int64) string {
	switch {
	case seconds >= 7200:
		return fmt.Sprintf("%d hours", (seconds+1800)/3600)
	case seconds >= 120:
		return fmt.Sprintf("%d minutes", (seconds+30)/60)
	}
	return fmt.Sprintf("%d seconds", seconds)
}
