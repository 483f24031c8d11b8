package discover

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"postferry/config"
	"postferry/internal/publicnet"
	"postferry/upstream"
	"postferry/upstream/link"
	"postferry/upstream/pop3"
)

// attempt tries the candidates, the best first and several at the same time.
// Once one is found that can be used as it is, what is less good in its
// protocol is not tried, and the rest is not waited for much longer.
func (s *search) attempt(ctx context.Context) {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	t := &tally{search: s, attempts: make([]Attempt, len(s.found)), best: map[Protocol]int{}, enough: enough}
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, c := range s.found {
		g.Go(func() error {
			a, wanted := t.wanted(ctx, i, c)
			if wanted {
				a = s.try(ctx, c)
			}
			t.enter(i, a)
			return nil
		})
	}
	_ = g.Wait() // they return no errors: what goes wrong is in the attempts
	if t.timer != nil {
		t.timer.Stop()
	}
	s.report.Attempts = t.attempts
}

// tally are the attempts made so far.
type tally struct {
	*search
	enough func() // ends those under way

	mu       sync.Mutex // guards what follows
	attempts []Attempt
	best     map[Protocol]int // index of the best that can be used as it is
	timer    *time.Timer      // the grace, once an IMAP server is found
}

// wanted tells whether a candidate is still worth trying; if not, it gives the
// attempt that says so.
func (t *tally) wanted(ctx context.Context, i int, c candidate) (Attempt, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	best, found := t.best[c.protocol]
	switch {
	case found && best < i, ctx.Err() != nil && t.timer != nil:
		return c.untried(say(codeNotNeeded)), false
	case ctx.Err() != nil:
		return c.untried(say(codeOutOfTime)), false
	}
	return Attempt{}, true
}

// enter notes what came of a candidate.
func (t *tally) enter(i int, a Attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.Number = i + 1
	if best, found := t.best[a.Protocol]; a.Trusted && (!found || i < best) {
		t.best[a.Protocol] = i
	}
	if a.Trusted && a.Protocol == IMAP && t.timer == nil {
		t.timer = time.AfterFunc(grace, t.enough)
	}
	t.attempts[i] = a
	if t.tell != nil {
		t.tell(a)
	}
}

func (c candidate) untried(why Message) Attempt {
	return Attempt{Source: c.source, Protocol: c.protocol, Security: c.security, Host: c.host, Port: c.port, URL: c.server().String(),
		Outcome: why, Capabilities: []string{}}
}

// try looks at one candidate.
func (s *search) try(ctx context.Context, c candidate) Attempt {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, attemptBound)
	defer cancel()
	a := c.untried(Message{})
	if addrs, ok := s.admit(ctx, c, &a); ok {
		s.talk(ctx, c, addrs, &a)
	}
	a.Millis = millis(start)
	return a
}

// admit resolves a candidate and says no to what must not be tried.
func (s *search) admit(ctx context.Context, c candidate, a *Attempt) ([]netip.Addr, bool) {
	if c.source != SourceSRV && s.denied[c.serviceName()] && under(c.host, s.query.domain) {
		a.Outcome = say(codeDenied)
		return nil, false
	}
	if !s.anyPort && !publicnet.MailPort(c.port) {
		a.Outcome = say(codePort, "port", strconv.Itoa(c.port))
		return nil, false
	}
	addrs, err := s.dns.addresses(ctx, c.host)
	if err != nil && s.anyPort && s.Dial == nil {
		if known := hostsOf(ctx, c.host); len(known) > 0 {
			addrs, err = known, nil
		}
	}
	switch {
	case errors.Is(err, errNoName):
		a.Outcome = say(codeNoAddress)
		return nil, false
	case err != nil:
		a.Outcome = dnsTrouble(ctx, err)
		return nil, false
	}
	a.Address = addrs[0].String()
	switch {
	case s.gates.isNew(c.host, addrs):
		a.Outcome = say(codeExcludedNew, "address", a.Address)
		return nil, false
	case s.gates.isOwn(c.host, addrs):
		a.Outcome = say(codeExcludedOwn, "address", a.Address)
		return nil, false
	}
	addrs = slices.DeleteFunc(addrs, func(x netip.Addr) bool { return !s.reachable(x) })
	if len(addrs) == 0 {
		a.Outcome = say(PrivateAddress, "address", a.Address)
		a.Address = ""
		return nil, false
	}
	return addrs, true
}

// serviceName is the SRV name of what a candidate is.
func (c candidate) serviceName() string {
	for _, sv := range services() {
		if sv.protocol == c.protocol && sv.security == c.security {
			return sv.name
		}
	}
	return ""
}

// probe asks a server in its protocol what it says of itself.
func probe(ctx context.Context, server config.Server, options link.Options) (link.Answer, error) {
	if server.Protocol == config.POP3 {
		return pop3.Probe(ctx, server, options)
	}
	return upstream.Probe(ctx, server, options)
}

// talk connects to a candidate and hears what it says of itself.
func (s *search) talk(ctx context.Context, c candidate, addrs []netip.Addr, a *Attempt) {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		conn, at, err := s.dialAny(ctx, network, addrs, c.port)
		a.Address = at.String()
		return conn, err
	}
	options := link.Options{Stall: attemptBound, Dial: dial}
	answer, err := probe(ctx, c.server(), options)
	if errors.Is(err, link.ErrNoTLS) {
		c.security = Plaintext
		a.Security, a.URL = c.security, c.server().String()
		answer, err = probe(ctx, c.server(), options)
	}
	a.Greeting, a.Product = answer.Greeting, product(answer.Greeting, answer.Capabilities)
	if len(answer.Capabilities) > 0 {
		a.Capabilities = answer.Capabilities[:min(len(answer.Capabilities), 100)]
	}
	if len(answer.Certificates) > 0 {
		a.Certificate = examine(answer.Certificates, c.host, s.Roots, time.Now())
	}
	if err != nil {
		a.Outcome = trouble(ctx, err, c)
		return
	}
	if strings.HasSuffix(answer.Greeting, OwnGreeting) {
		a.Outcome = say(codeExcludedOwn, "address", a.Address)
		return
	}
	a.Usable = true
	switch {
	case c.security == Plaintext:
		a.Outcome = say(codePlaintext)
	case a.Certificate != nil && len(a.Certificate.Problems) > 0:
		a.Outcome = with("problems", a.Certificate.Problems, codeBadCert)
	default:
		a.Trusted, a.Outcome = true, say(codeOK)
	}
}

// maxAddresses is how many addresses of one host are tried.
const maxAddresses = 3

// dialAny connects to the first address that answers; each gets its share of
// the time. It tells which one was tried last.
func (s *search) dialAny(ctx context.Context, network string, addrs []netip.Addr, port int) (conn net.Conn, at netip.Addr, err error) {
	addrs = addrs[:min(len(addrs), maxAddresses)]
	for i := range addrs {
		at = addrs[i]
		if conn, err = s.dialOne(ctx, network, netip.AddrPortFrom(at, uint16(port)), len(addrs)-i); err == nil {
			break
		}
	}
	return conn, at, err
}

// dialOne connects to an address that so many share the time with.
func (s *search) dialOne(ctx context.Context, network string, addr netip.AddrPort, shares int) (net.Conn, error) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(shares))
		defer cancel()
	}
	return s.dialer()(ctx, network, addr.String())
}

// trouble says why a candidate can't be used.
func trouble(ctx context.Context, err error, c candidate) Message {
	var e *link.Error
	errors.As(err, &e)
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return say(codeRefused)
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		return say(codeTimeout)
	case errors.Is(err, link.ErrNotIMAP), errors.Is(err, link.ErrNotPOP3):
		return say(codeNotMail, "protocol", strings.ToUpper(string(c.protocol)))
	case e != nil && e.Text != "":
		return say(codeTurnedAway, "text", e.Text)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return say(codeUnreachable, "cause", cause(err))
	case e != nil && e.Op != "connect" && e.Class == link.Lost:
		return say(codeCut)
	case c.security != Plaintext && e != nil && e.Err != nil && strings.Contains(e.Err.Error(), "tls:"):
		return say(codeTLSFailed, "cause", cause(err))
	}
	return say(codeFailed, "cause", cause(err))
}

// cause is what went wrong without the wrapping.
func cause(err error) string {
	var e *link.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}
