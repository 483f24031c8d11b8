package discover

import (
	"context"
	"net/netip"
	"time"
)

// Names is where a domain's names lead, as several DNS servers tell at one moment.
type Names struct {
	Domain string    `json:"domain"`
	At     time.Time `json:"at"`
	MX     MXSpread  `json:"mx"`
	Names  []Name    `json:"names"` // of mail clients: hosts, SRV, autoconfig
}

// MXSpread is how far a change of the MX has got.
type MXSpread struct {
	Spread Spread    `json:"spread"`
	Asked  int       `json:"asked"` // DNS servers
	Told   int       `json:"told"`  // that have answered
	New    int       `json:"new"`   // that tell the new MX alone
	Until  time.Time `json:"until"` // when the last of the others forgets what it tells; zero if none does
	// TTL is for how long others may remember the MX that the domain's own servers tell. Seconds.
	TTL   int64    `json:"ttl"`
	Hosts []string `json:"hosts"` // what the domain's own servers tell, else what any does; by preference
	// Left are hosts of these that are not the new server, although others are: a backup MX
	// that nobody has thought of.
	Left []string `json:"left"`
	Seen []Seen   `json:"seen"`
}

// Spread is how far a change has got.
type Spread string

// The spreads. What a single server tells is never more than unknown.
const (
	SpreadUnknown Spread = "unknown"   // too few servers answer, or the new server is not known
	SpreadNone    Spread = "not_moved" // nobody tells the new MX
	SpreadPartly  Spread = "partly"    // the domain's own servers tell others besides, or don't agree
	SpreadUnder   Spread = "spreading" // the domain's own servers do, others remember the old one
	SpreadDone    Spread = "moved"     // all that answer do
	SpreadNoMail  Spread = "no_mail"   // the domain takes no mail (RFC 7505)
)

// Seen is what one DNS server tells of a name.
type Seen struct {
	Server  string   `json:"server"`
	Own     bool     `json:"own"`     // it is one of the domain's own
	Records []string `json:"records"` // hosts, or addresses
	Leads   Lead     `json:"leads"`
	// Seconds is for how long it goes on telling that: the time to live that is left.
	Seconds int64 `json:"ttl"`
	// Trouble is why it tells nothing; nil if it does.
	Trouble *Message `json:"trouble,omitempty"`
}

// Lead is where a name leads.
type Lead string

// The places. A name that leads to several is at the first of these that applies.
const (
	LeadUnknown Lead = "unknown"
	LeadOld     Lead = "old"
	LeadOther   Lead = "other" // neither
	LeadNew     Lead = "new"
	LeadHere    Lead = "here" // this Postferry
	LeadNone    Lead = "none" // there is no such name
)

// Name is one that mail clients may go by.
type Name struct {
	Kind  string    `json:"kind"` // A, SRV, autoconfig
	Name  string    `json:"name"`
	Leads Lead      `json:"leads"` // the worst that any server tells
	To    []string  `json:"to"`
	Until time.Time `json:"until"` // when the last server forgets that it leads to the old server; zero if none tells so
	Seen  []Seen    `json:"seen"`
}

// The kinds of names.
const (
	KindHost       = "A"
	KindSRV        = "SRV"
	KindAutoconfig = "autoconfig"
)

// NamesQuery is what to look at.
type NamesQuery struct {
	Domain string
	Old    string   // host of the old server
	NewMX  []string // hosts that take mail for the new server, besides itself
}

// Names asks all of the Finder's resolvers, and the domain's own name servers, where its mail
// is delivered and where the names lead that mail clients go by. The error is an *InputError,
// or the context's: who does not answer is in the result.
func (f *Finder) Names(ctx context.Context, q NamesQuery) (*Names, error) {
	parsed, err := parseQuery(q.Domain)
	if err != nil {
		return nil, err
	}
	bound := f.Bound
	if bound <= 0 {
		bound = defaultBound
	}
	run, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	s := &search{Finder: f, query: parsed, dns: f.client(), report: &Report{}, denied: map[string]bool{}}
	if f.Watched != nil {
		s.dns.servers, s.dns.err = f.Watched, nil
	}
	w := &namesLook{search: s, asked: q, at: time.Now()}
	w.learn(run)
	names := w.look(run)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return names, nil
}

// namesLook is one look at the names under way.
type namesLook struct {
	*search
	asked    NamesQuery
	at       time.Time
	servers  []dnsServer
	oldAddrs []netip.Addr
}

// dnsServer is one that is asked.
type dnsServer struct {
	name, address string
	own           bool
}
