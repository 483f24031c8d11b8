package demo

import (
	"errors"
	"net"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// What the demo's DNS servers tell: the name that mail programs go by leads to Postferry, and the MX
// first to the old server and then to the new one.
const (
	oldMX = "mx.old.example"
	newMX = "mx.new.example"
)

// names are two DNS servers on the loopback interface that tell the same.
type names struct {
	servers []*dns.Server
	ended   sync.WaitGroup

	mu sync.Mutex // guards what follows
	mx string
}

func startNames() (*names, error) {
	n := &names{mx: oldMX}
	for range 2 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(err, n.close())
		}
		up := make(chan struct{})
		s := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(n.answer), NotifyStartedFunc: func() { close(up) }}
		n.servers = append(n.servers, s)
		n.ended.Go(func() { _ = s.ActivateAndServe() }) // ends with close
		<-up
	}
	return n, nil
}

// addrs are where they are, as a configuration lists them.
func (n *names) addrs() string {
	var all []string
	for _, s := range n.servers {
		all = append(all, `"`+s.PacketConn.LocalAddr().String()+`"`)
	}
	return strings.Join(all, ", ")
}

// moveMX changes the MX, as a domain's owner does.
func (n *names) moveMX() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mx = newMX
}

// answer answers with a record, if there is one.
func (n *names) answer(out dns.ResponseWriter, q *dns.Msg) {
	n.mu.Lock()
	mx := n.mx
	n.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	m.Rcode = dns.RcodeNameError
	for _, text := range []string{
		mailDomain + ". 0 IN MX 10 " + mx + ".", "imap." + mailDomain + ". 0 IN A 127.0.0.1",
		oldMX + ". 0 IN A 192.0.2.1", newMX + ". 0 IN A 127.0.0.1", // the former is nobody's (RFC 5737)
	} {
		rr, err := dns.NewRR(text)
		if err != nil || !strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
			continue
		}
		if m.Rcode = dns.RcodeSuccess; rr.Header().Rrtype == q.Question[0].Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	_ = out.WriteMsg(m) // whoever asks asks again
}

func (n *names) close() error {
	var errs []error
	for _, s := range n.servers {
		errs = append(errs, s.Shutdown())
	}
	n.ended.Wait()
	return errors.Join(errs...)
}
