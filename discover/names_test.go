package discover

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postferry/config"
)

// zoneAt runs a DNS server of its own at an address of the world: a resolver that remembers
// something, or a name server of the domain.
func (w *world) zoneAt(address string, records ...string) {
	w.t.Helper()
	known := zone(w.t, records...)
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.serve(address, packets.LocalAddr().String())
	up, down := make(chan struct{}), make(chan struct{})
	s := &dns.Server{PacketConn: packets, NotifyStartedFunc: func() { close(up) }, Handler: dns.HandlerFunc(func(out dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative = !q.RecursionDesired
		m.Rcode = dns.RcodeNameError
		for _, rr := range known {
			if !strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
				continue
			}
			m.Rcode = dns.RcodeSuccess
			if rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		_ = out.WriteMsg(m)
	})}
	go func() {
		defer close(down)
		_ = s.ActivateAndServe()
	}()
	<-up
	w.t.Cleanup(func() {
		_ = s.Shutdown()
		<-down
	})
}

// base are the records that everybody knows: example.com moves from 10.0.0.1 to 10.0.0.2, and
// Postferry is 10.0.0.3.
func base(more ...string) []string {
	return append([]string{
		"mx.old.example. 300 IN A 10.0.0.1", "imap.old.example. 300 IN A 10.0.0.1",
		"mx.new.example. 300 IN A 10.0.0.4", "imap.new.example. 300 IN A 10.0.0.2", "ferry.example. 300 IN A 10.0.0.3",
		"example.com. 300 IN NS ns1.example.com.", "example.com. 300 IN NS ns2.example.com.",
		"ns1.example.com. 300 IN A 10.0.0.61", "ns2.example.com. 300 IN A 10.0.0.62",
	}, more...)
}

const (
	oldMX = "example.com. 3600 IN MX 10 mx.old.example."
	newMX = "example.com. 3600 IN MX 10 mx.new.example."
)

// namesWorld has a resolver that knows the first records, three more, and two name servers of
// the domain.
func namesWorld(t *testing.T, resolvers [3][]string, own [2][]string) *world {
	w := newWorld(t, base()...)
	w.New, w.Own = func(string) []string { return []string{"imap.new.example"} }, []string{"ferry.example"}
	w.Resolvers = append(w.Resolvers, "10.0.0.71:53", "10.0.0.72:53", "10.0.0.73:53")
	for i, records := range resolvers {
		if records != nil {
			w.zoneAt(w.Resolvers[i+1], base(records...)...)
		}
	}
	for i, records := range own {
		if records != nil {
			w.zoneAt([]string{"10.0.0.61:53", "10.0.0.62:53"}[i], base(records...)...)
		}
	}
	return w
}

func (w *world) names() *Names {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	n, err := w.Names(ctx, NamesQuery{Domain: "example.com", Old: "imap.old.example", NewMX: []string{"filter.example"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// How far a change of the MX has got is told from all servers, and never from one alone.
func TestNamesSpreadOfTheMX(t *testing.T) {
	t.Parallel()
	one := func(record string) [3][]string { return [3][]string{{record}, {record}, {record}} }
	own := func(record string) [2][]string { return [2][]string{{record}, {record}} }
	remembers := "example.com. 1200 IN MX 10 mx.old.example."
	backup := []string{newMX, "example.com. 3600 IN MX 20 mx.old.example."}
	for name, c := range map[string]struct {
		resolvers [3][]string
		own       [2][]string
		base      string // what the first resolver tells
		want      Spread
		told, new int
		until     time.Duration // from now; 0 for never
		left      []string
	}{
		"nobody has heard of it":           {one(oldMX), own(oldMX), oldMX, SpreadNone, 6, 0, time.Hour, nil},
		"one resolver remembers the old":   {[3][]string{{newMX}, {remembers}, {newMX}}, own(newMX), newMX, SpreadUnder, 6, 5, 20 * time.Minute, nil},
		"everybody knows":                  {one(newMX), own(newMX), newMX, SpreadDone, 6, 6, 0, nil},
		"own servers don't agree":          {one(newMX), [2][]string{{newMX}, {oldMX}}, newMX, SpreadPartly, 6, 5, 0, nil},
		"a forgotten backup MX":            {one(newMX), [2][]string{backup, backup}, newMX, SpreadPartly, 6, 4, 0, []string{"mx.old.example"}},
		"a filter of the new one":          {one("example.com. 60 IN MX 10 filter.example."), own("example.com. 60 IN MX 10 filter.example."), "example.com. 60 IN MX 10 filter.example.", SpreadDone, 6, 6, 0, nil},
		"no mail at all":                   {one("example.com. 60 IN MX 0 ."), own("example.com. 60 IN MX 0 ."), "example.com. 60 IN MX 0 .", SpreadNoMail, 6, 0, 0, nil},
		"a resolver and a server are down": {[3][]string{{newMX}, nil, {newMX}}, [2][]string{{newMX}, nil}, newMX, SpreadDone, 4, 4, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := namesWorld(t, c.resolvers, c.own)
			w.add(c.base)
			n := w.names()
			if n.MX.Spread != c.want || n.MX.Told != c.told || n.MX.New != c.new || n.MX.Asked != 6 || !slices.Equal(n.MX.Left, c.left) {
				t.Errorf("%s, %d of %d tell the new one, left %q, want %s, %d of %d, %q\n%+v", n.MX.Spread, n.MX.New, n.MX.Told, n.MX.Left, c.want, c.new, c.told, c.left, n.MX.Seen)
			}
			for _, s := range n.MX.Seen { // why a server tells nothing is a code, for other languages
				if silent := s.Leads == LeadUnknown; silent != (s.Trouble != nil) || silent && (s.Trouble.Text == "" || s.Trouble.Code != codeDNSFailed && s.Trouble.Code != codeDNSTimeout && s.Trouble.Code != codeDNSNotKnown) {
					t.Errorf("%+v", s)
				}
			}
			if want := n.At.Add(c.until); c.until == 0 && !n.MX.Until.IsZero() || c.until != 0 && !n.MX.Until.Equal(want) {
				t.Errorf("the last entry runs out at %v, now is %v", n.MX.Until, n.At)
			}
		})
	}
}

// A single answer is none.
func TestNamesOfOneServerAreUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, append(base()[:5:5], newMX)...)
	w.New = func(string) []string { return []string{"imap.new.example"} }
	if n := w.names(); n.MX.Spread != SpreadUnknown || n.MX.Told != 1 {
		t.Errorf("%s of %d answers", n.MX.Spread, n.MX.Told)
	}
}

// leads are the names that are there, with where they lead.
func leads(n *Names) map[string]Lead {
	all := map[string]Lead{}
	for _, x := range n.Names {
		all[x.Name] = x.Leads
	}
	return all
}

// Names of clients, SRV records and autoconfig are told as far as any server still tells the old
// server.
func TestNamesOfClients(t *testing.T) {
	t.Parallel()
	moved := []string{newMX, "imap.example.com. 300 IN A 10.0.0.3", "mail.example.com. 300 IN A 10.0.0.2",
		"_imaps._tcp.example.com. 300 IN SRV 0 1 993 imap.old.example.", "_pop3s._tcp.example.com. 300 IN SRV 0 0 0 ."}
	late := append(slices.Clone(moved[2:]), newMX, "imap.example.com. 900 IN A 10.0.0.1")
	w := namesWorld(t, [3][]string{moved, late, moved}, [2][]string{moved, moved})
	w.add(append(moved, "autoconfig.example.com. 300 IN A 10.0.0.80")...)
	w.web("10.0.0.80:443", "/mail/config-v1.1.xml", `<clientConfig version="1.1"><emailProvider id="x"><incomingServer type="imap">
		<hostname>imap.old.example</hostname><port>993</port><socketType>SSL</socketType></incomingServer></emailProvider></clientConfig>`, "autoconfig.example.com")
	n := w.names()
	want := map[string]Lead{"imap.example.com": LeadOld, "mail.example.com": LeadNew, "_imaps._tcp.example.com": LeadOld,
		"https://autoconfig.example.com/mail/config-v1.1.xml": LeadOld}
	got := leads(n)
	for name, lead := range want {
		if got[name] != lead {
			t.Errorf("%s: %q, want %s", name, got[name], lead)
		}
	}
	if len(got) != len(want) {
		t.Errorf("names: %v", got)
	}
	for _, x := range n.Names {
		if x.Name == "imap.example.com" && !x.Until.Equal(n.At.Add(15*time.Minute)) {
			t.Errorf("imap.example.com leads to the old server until %v, now is %v", x.Until, n.At)
		}
	}
}

// The configuration says whom to ask, and what leads here.
func TestNamesForConfig(t *testing.T) {
	c := config.Default()
	c.Watch.Resolvers, c.Watch.Here = []string{"192.0.2.53:53"}, []string{"imap.example.com"}
	f := ForConfig(&c)
	if !slices.Equal(f.Watched, c.Watch.Resolvers) || !slices.Contains(f.Own, "imap.example.com") {
		t.Errorf("%+v", f)
	}
}
