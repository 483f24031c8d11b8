package discover

import (
	"context"
	"crypto/x509"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// defaultBound is how long all of it may take.
	defaultBound = 10 * time.Second
	// lookupShare is the part of it for DNS and web servers.
	lookupShare = 0.4
	// attemptBound bounds the talk with one candidate.
	attemptBound = 5 * time.Second
	// grace is how long the others may still take once one is found that can be
	// used as it is.
	grace = 2500 * time.Millisecond
	// maxOfSource bounds the candidates of one protocol from one source,
	// whatever a domain publishes.
	maxOfSource = 12
	// maxMX is by how many of the hosts that take a domain's mail is guessed.
	maxMX = 3
	// atOnce is how many candidates are tried at the same time.
	atOnce = 12
)

// Finder looks for old servers. The zero value is ready for use and may be
// used by many at the same time; its fields are set before the first.
type Finder struct {
	// New tells the hosts (names or addresses) a domain moves to, which can't be
	// its old server; nil for none.
	New func(domain string) []string
	// Own are hosts (names or addresses) that lead to this Postferry, besides the
	// addresses of this machine.
	Own []string
	// AllowPrivate also tries addresses inside private networks.
	AllowPrivate bool
	// Bound limits how long all of it takes; 0 for 10 seconds.
	Bound time.Duration
	// Resolvers are the recursive DNS servers to ask, as host:port; nil for those
	// of /etc/resolv.conf.
	Resolvers []string
	// Watched are the DNS servers that Names asks instead of Resolvers, as host:port; nil for those.
	Watched []string
	// Roots are the authorities whose certificates are trusted; nil for the system's.
	Roots *x509.CertPool
	// Dial makes all connections (udp and tcp), to an IP address and port; nil for
	// a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Find looks for the old server of a domain, or of an address in it. The error
// is an *InputError, or the context's; that nothing was found is in the report.
func (f *Finder) Find(ctx context.Context, text string) (*Report, error) {
	return f.Follow(ctx, text, nil)
}

// Follow is Find, and calls tell (may be nil) with each attempt as it ends, one
// call at a time.
func (f *Finder) Follow(ctx context.Context, text string, tell func(Attempt)) (*Report, error) {
	q, err := parseQuery(text)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	bound := f.Bound
	if bound <= 0 {
		bound = defaultBound
	}
	run, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	s := &search{
		Finder: f, query: q, tell: tell, dns: f.client(),
		report: &Report{Query: q.text, Domain: q.domain, Unicode: q.unicode, Notes: []Message{}, Why: []Message{}, Lookups: []Lookup{}, Attempts: []Attempt{}},
	}
	s.look(run, time.Duration(float64(bound)*lookupShare))
	s.attempt(run)
	s.judge()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s.report.Millis = millis(start)
	return s.report, nil
}

// search is one Find under way.
type search struct {
	*Finder
	query query
	dns   *resolver
	tell  func(Attempt)
	gates gates
	// anyPort is set if a server is looked at that somebody has named who may look everywhere.
	anyPort bool

	mu      sync.Mutex // guards what follows
	report  *Report
	lookups []orderedLookup
	found   []candidate
	denied  map[string]bool // services the domain says it does not offer
	exists  bool            // DNS knows something of the domain
}

// orderedLookup keeps the report's order whatever comes back first.
type orderedLookup struct {
	order int
	Lookup
}

// look asks DNS and web servers, all at the same time.
func (s *search) look(ctx context.Context, bound time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	s.denied = map[string]bool{}
	g := new(errgroup.Group)
	ask := func(fn func(context.Context)) { g.Go(func() error { fn(ctx); return nil }) }
	for i, service := range services() {
		ask(func(ctx context.Context) { s.askSRV(ctx, i, service) })
	}
	for i, url := range s.autoconfigURLs() {
		ask(func(ctx context.Context) { s.askAutoconfig(ctx, 10+i, url) })
	}
	ask(func(ctx context.Context) { s.lookAtMX(ctx, 20) })
	_ = g.Wait() // they return no errors: what goes wrong is in the report
	s.guess()
	slices.SortStableFunc(s.lookups, func(x, y orderedLookup) int { return x.order - y.order })
	for _, l := range s.lookups {
		s.report.Lookups = append(s.report.Lookups, l.Lookup)
	}
}

// noteLookup enters what came of a question.
func (s *search) noteLookup(order int, source Source, asked string, result Message, start time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookups = append(s.lookups, orderedLookup{order, Lookup{Source: source, Asked: printable(asked), Result: result, Millis: millis(start)}})
}

// offer adds candidates.
func (s *search) offer(c ...candidate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = append(s.found, c...)
}

// note adds what the administrator should know, once.
func (s *search) note(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.report.Notes {
		if n.Text == m.Text {
			return
		}
	}
	s.report.Notes = append(s.report.Notes, m)
}
