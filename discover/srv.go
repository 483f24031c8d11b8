package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// service is a SRV name of RFC 6186 section 3 and RFC 8314 section 5.1.
type service struct {
	name     string
	protocol Protocol
	security Security
}

func services() []service {
	return []service{{"_imaps", IMAP, TLS}, {"_imap", IMAP, StartTLS}, {"_pop3s", POP3, TLS}, {"_pop3", POP3, StartTLS}}
}

// askSRV asks where a service is.
func (s *search) askSRV(ctx context.Context, order int, sv service) {
	start := time.Now()
	name := sv.name + "._tcp." + s.query.domain
	a, err := s.dns.ask(ctx, name, dns.TypeSRV)
	result := say(codeNone)
	switch {
	case errors.Is(err, errNoName):
	case err != nil:
		result = dnsTrouble(ctx, err)
	case len(a.records) > 0:
		result = s.takeSRV(sv, a.records)
	}
	s.noteLookup(order, SourceSRV, "SRV "+name, result, start)
}

// takeSRV makes candidates of records, by priority and weight. Weights are for
// spreading load, which is of no concern here: the heaviest goes first.
func (s *search) takeSRV(sv service, records []dns.RR) Message {
	var all []*dns.SRV
	for _, rr := range records {
		if r, ok := rr.(*dns.SRV); ok {
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(x, y *dns.SRV) int {
		return cmp.Or(cmp.Compare(x.Priority, y.Priority), cmp.Compare(y.Weight, x.Weight))
	})
	var words []string
	for _, r := range all {
		if r.Target == "." { // RFC 2782: decidedly not available
			s.mu.Lock()
			s.exists, s.denied[sv.name] = true, true
			s.mu.Unlock()
			return say(codeNotOffered)
		}
		host, ok := hostName(r.Target)
		if !ok {
			continue
		}
		words = append(words, fmt.Sprintf("%s:%d", host, r.Port))
		s.offer(candidate{source: SourceSRV, protocol: sv.protocol, security: sv.security, host: host, port: int(r.Port)})
	}
	s.mu.Lock()
	s.exists = true
	s.mu.Unlock()
	if len(words) == 0 {
		return say(codeNone)
	}
	return say(codeRecords, "records", strings.Join(words, ", "))
}
