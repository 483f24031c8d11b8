package discover

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// spread says from all answers how far the MX has moved.
func (w *namesLook) spread(ctx context.Context, seen []Seen) MXSpread {
	m := MXSpread{Seen: seen, Asked: len(seen), Spread: SpreadUnknown, Hosts: []string{}, Left: []string{}}
	own, ownNew, noMail := 0, 0, 0
	for _, s := range seen {
		if s.Trouble != nil || s.Leads == LeadUnknown {
			continue
		}
		m.Told++
		isNew := s.Leads == LeadNew || s.Leads == LeadHere
		switch {
		case isNew:
			m.New++
		case s.Leads == LeadNone:
			noMail++
		case !s.Own:
			m.Until = later(m.Until, w.at.Add(time.Duration(s.Seconds)*time.Second))
		}
		if s.Own {
			own++
			if m.TTL = max(m.TTL, s.Seconds); isNew {
				ownNew++
			}
		}
		if s.Own && own == 1 || len(m.Hosts) == 0 {
			m.Hosts = s.Records
		}
	}
	m.Left = w.leftMX(ctx, seen)
	m.Spread = m.judge(own, ownNew, noMail, len(w.gates.newHosts) > 0 && w.gates.unresolved == nil)
	return m
}

// judge needs two servers at least that tell the same.
func (m *MXSpread) judge(own, ownNew, noMail int, known bool) Spread {
	switch {
	case m.Told < 2 || !known:
		return SpreadUnknown
	case noMail == m.Told:
		return SpreadNoMail
	case m.New == m.Told:
		return SpreadDone
	case own > 0 && ownNew == own:
		return SpreadUnder
	case len(m.Left) > 0 || m.New > 0:
		return SpreadPartly
	}
	return SpreadNone
}

// leftMX are the hosts that are not the new server in answers in which others are.
func (w *namesLook) leftMX(ctx context.Context, seen []Seen) []string {
	left := []string{}
	for _, s := range seen {
		var others []string
		for _, host := range s.Records {
			if lead := w.leadOfMX(ctx, host); lead != LeadNew && lead != LeadHere {
				others = append(others, host)
			}
		}
		if len(others) == len(s.Records) {
			continue
		}
		for _, host := range others {
			if !slices.Contains(left, host) {
				left = append(left, host)
			}
		}
	}
	return left
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b.UTC()
	}
	return a
}

// host looks at a name with addresses.
func (w *namesLook) host(ctx context.Context, name string) Name {
	v4, v6 := w.askAll(ctx, name, dns.TypeA), w.askAll(ctx, name, dns.TypeAAAA)
	for i, s := range v6 {
		switch {
		case v4[i].Trouble != nil || s.Trouble != nil && v4[i].Leads != LeadNone:
		case v4[i].Leads == LeadNone:
			v4[i] = s
		case s.Leads != LeadNone:
			v4[i].Records = append(v4[i].Records, s.Records...)
			v4[i].Leads = worst([]Lead{v4[i].Leads, s.Leads})
			v4[i].Seconds = max(v4[i].Seconds, s.Seconds)
		}
	}
	return w.name(KindHost, name, v4)
}

// name says from all answers where a name leads: what any of them tells counts.
func (w *namesLook) name(kind, name string, seen []Seen) Name {
	n := Name{Kind: kind, Name: name, Seen: seen, To: []string{}}
	var leads []Lead
	for _, s := range seen {
		// A server of the domain's own knows nothing of where its aliases (CNAME) lead elsewhere.
		if s.Own && s.Leads == LeadNone {
			continue
		}
		leads = append(leads, s.Leads)
		for _, r := range s.Records {
			if !slices.Contains(n.To, r) {
				n.To = append(n.To, r)
			}
		}
		if s.Leads == LeadOld {
			n.Until = later(n.Until, w.at.Add(time.Duration(s.Seconds)*time.Second))
		}
	}
	n.Leads = worst(leads)
	return n
}

// autoconfig looks at what a domain publishes for mail programs.
func (w *namesLook) autoconfig(ctx context.Context, url string) Name {
	shown, _, _ := strings.Cut(url, "?")
	n := Name{Kind: KindAutoconfig, Name: shown, Leads: LeadNone, To: []string{}, Seen: []Seen{}}
	text, err := w.fetch(ctx, url)
	if err != nil {
		return n
	}
	servers, err := parseAutoconfig(text, w.query)
	if err != nil {
		return n
	}
	var leads []Lead
	for _, c := range servers {
		if !slices.Contains(n.To, c.host) {
			n.To = append(n.To, c.host)
			leads = append(leads, w.leadOfHost(ctx, c.host))
		}
	}
	n.Leads = worst(leads)
	return n
}
