package nameserver

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postferry/internal/lab/loopback"
)

// Zone is a DNS server that answers with authority from the records it is told. It knows all
// domains of a test.
type Zone struct {
	Addr string // host:port, UDP
	tb   testing.TB

	mu      sync.Mutex // guards what follows
	records []dns.RR
}

// StartZone starts a server that answers until the test ends. Records are in the syntax of zone
// files (RFC 1035 section 5.1).
func StartZone(tb testing.TB, records ...string) *Zone {
	tb.Helper()
	z := &Zone{tb: tb}
	z.Tell(records...)
	z.Addr = serveDNS(tb, func(m *dns.Msg) {
		m.Authoritative = true
		m.Answer, m.Rcode = z.lookUp(m.Question[0])
	})
	return z
}

// Tell makes it answer from other records from now on.
func (z *Zone) Tell(records ...string) {
	z.tb.Helper()
	var all []dns.RR
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			z.tb.Fatalf("nameserver: DNS: %v", err)
		}
		all = append(all, rr)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records = all
}

// lookUp is what it knows. A name that has other records only exists all the same.
func (z *Zone) lookUp(q dns.Question) (found []dns.RR, rcode int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	rcode = dns.RcodeNameError
	for _, rr := range z.records {
		if strings.EqualFold(rr.Header().Name, q.Name) {
			if rcode = dns.RcodeSuccess; rr.Header().Rrtype == q.Qtype {
				found = append(found, dns.Copy(rr))
			}
		}
	}
	return found, rcode
}

// Resolver is a DNS server that asks a Zone and remembers what it tells for as long as that says
// (RFC 1035 section 7.4). That something does not exist it does not remember.
type Resolver struct {
	Addr string // host:port, UDP
	zone *Zone

	mu    sync.Mutex // guards what follows
	known map[dns.Question]remembered
	held  time.Time // its time stands still at this moment; zero if it does not
}

type remembered struct {
	records []dns.RR
	until   time.Time
}

// StartResolver starts a server that answers until the test ends.
func StartResolver(tb testing.TB, z *Zone) *Resolver {
	tb.Helper()
	r := &Resolver{zone: z, known: map[dns.Question]remembered{}}
	r.Addr = serveDNS(tb, func(m *dns.Msg) {
		m.RecursionAvailable = true
		m.Answer, m.Rcode = r.recall(m.Question[0])
	})
	return r
}

// Forget makes it ask anew.
func (r *Resolver) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.known)
}

// Hold lets its time stand still until release is called: it forgets nothing, however long a test takes.
func (r *Resolver) Hold() (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = time.Now()
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.held = time.Time{}
	}
}

// now is its time. The caller holds mu.
func (r *Resolver) now() time.Time {
	if !r.held.IsZero() {
		return r.held
	}
	return time.Now()
}

// recall is what it remembers, with the time that is left of it, or else what the zone tells.
func (r *Resolver) recall(q dns.Question) (found []dns.RR, rcode int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if was, ok := r.known[q]; ok && now.Before(was.until) {
		for _, rr := range was.records {
			rr = dns.Copy(rr)
			rr.Header().Ttl = uint32(was.until.Sub(now) / time.Second)
			found = append(found, rr)
		}
		return found, dns.RcodeSuccess
	}
	found, rcode = r.zone.lookUp(q)
	if len(found) > 0 {
		ttl := time.Duration(found[0].Header().Ttl) * time.Second // RFC 2181 section 5.2: all have the same
		r.known[q] = remembered{found, now.Add(ttl)}
	}
	return found, rcode
}

// serveDNS answers questions over UDP until the test ends.
func serveDNS(tb testing.TB, answer func(*dns.Msg)) (addr string) {
	tb.Helper()
	packets, err := net.ListenPacket("udp", net.JoinHostPort(loopback.Address, "0"))
	if err != nil {
		tb.Fatalf("nameserver: DNS: %v", err)
	}
	up, down := make(chan struct{}), make(chan struct{})
	s := &dns.Server{PacketConn: packets, NotifyStartedFunc: func() { close(up) }, Handler: dns.HandlerFunc(func(out dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		answer(m)
		_ = out.WriteMsg(m) // whoever asks asks again
	})}
	go func() {
		defer close(down)
		_ = s.ActivateAndServe()
	}()
	<-up
	tb.Cleanup(func() {
		_ = s.Shutdown()
		<-down
	})
	return packets.LocalAddr().String()
}
