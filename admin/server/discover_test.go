package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/miekg/dns"

	"postferry/discover"
	"postferry/internal/lab"
)

// smallWorld is a network with DNS, of a domain whose mail is at one old server.
type smallWorld struct {
	records []string // in the syntax of zone files
	address string   // of the old server
	cert    tls.Certificate
	wg      sync.WaitGroup
}

// dial connects with DNS or the old server; there is nothing else.
func (w *smallWorld) dial(_ context.Context, _, addr string) (net.Conn, error) {
	serve := map[string]func(net.Conn) error{"9.9.9.9:53": w.names, w.address: w.imap}[addr]
	if serve == nil {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	w.wg.Go(func() {
		defer theirs.Close()
		_ = serve(theirs) // it ends when the other side has gone
	})
	return ours, nil
}

// names answers questions for DNS.
func (w *smallWorld) names(conn net.Conn) error {
	c := &dns.Conn{Conn: conn}
	for {
		q, err := c.ReadMsg()
		if err != nil {
			return err
		}
		m := new(dns.Msg).SetReply(q)
		for _, text := range w.records {
			rr, err := dns.NewRR(text)
			if err != nil {
				return err
			}
			if h := rr.Header(); h.Rrtype == q.Question[0].Qtype && strings.EqualFold(h.Name, q.Question[0].Name) {
				m.Answer = append(m.Answer, rr)
			}
		}
		if len(m.Answer) == 0 {
			m.Rcode = dns.RcodeNameError
		}
		if err := c.WriteMsg(m); err != nil {
			return err
		}
	}
}

// imap is the old server, as far as somebody sees who doesn't log in.
func (w *smallWorld) imap(conn net.Conn) error {
	c := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{w.cert}})
	const caps = "CAPABILITY IMAP4rev1 AUTH=PLAIN"
	if _, err := fmt.Fprintf(c, "* OK [%s] ready\r\n", caps); err != nil {
		return err
	}
	for lines := bufio.NewScanner(c); lines.Scan(); {
		tag, verb, _ := strings.Cut(lines.Text(), " ")
		if strings.EqualFold(verb, "CAPABILITY") {
			fmt.Fprintf(c, "* %s\r\n", caps)
		}
		fmt.Fprintf(c, "%s OK done\r\n", tag)
	}
	return nil
}

// TestDiscover looks for a server where DNS knows it, where nothing is known of the domain, and
// where DNS never answers.
func TestDiscover(t *testing.T) {
	ca := lab.NewCA(t)
	w := &smallWorld{address: "93.184.216.34:993", cert: ca.Issue(t, "mail.a.example"), records: []string{
		"_imaps._tcp.a.example. 300 IN SRV 0 1 993 mail.a.example.", "mail.a.example. 300 IN A 93.184.216.34",
		"b.example. 300 IN MX 10 mx.b.example."}}
	t.Cleanup(w.wg.Wait)
	online := func(opt *Options) {
		opt.Finder.Resolvers, opt.Finder.Roots, opt.Finder.Dial = []string{"9.9.9.9:53"}, ca.Pool(), w.dial
	}
	for _, x := range []struct {
		name, domain, query, found string
		change                     []func(*Options)
	}{
		{"known", "a.example", "anna@A.example", "imaps://mail.a.example", []func(*Options){online}},
		{"unknown", "b.example", "b.example", "", []func(*Options){online}},
		{"offline", "a.example", "anna@A.example", "", nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := startPage(t, x.change...)
			var report discover.Report
			p.program(x.domain).want(200, "POST", "/api/v1/discover", map[string]string{"domain": x.query}, &report)
			if report.Domain != x.domain || len(report.Why) == 0 || (report.Found != nil) != (x.found != "") {
				t.Fatalf("%+v", report)
			}
			if f := report.Found; f != nil && (f.URL != x.found || f.Fingerprint != "" || f.Port != 993) {
				t.Errorf("%+v", f)
			}
			if x.found == "" && report.Why[0].Text == "" {
				t.Errorf("%+v", report.Why)
			}
			got := p.program("").want(422, "POST", "/api/v1/discover", map[string]string{"domain": "no domain"}, nil)
			if !strings.Contains(got.text, `"field":"domain"`) {
				t.Error(got.text)
			}
		})
	}
}

// TestDiscoveryReportIsDescribed: openapi.yaml knows every field that a report may have.
func TestDiscoveryReportIsDescribed(t *testing.T) {
	doc, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	var report discover.Report
	fill(reflect.ValueOf(&report).Elem(), 8)
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	if err := doc.Components.Schemas["DiscoveryReport"].Value.VisitJSON(value, openapi3.MultiErrors()); err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			if strings.Contains(line, "unsupported") { // it doesn't know which texts are allowed
				t.Error(line)
			}
		}
	}
}

// fill gives everything in a value one element, or something that isn't nothing. Sentences
// have sentences in them: so many levels are enough.
func fill(v reflect.Value, levels int) {
	if levels == 0 {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), levels-1)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), levels-1)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), levels-1)
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value, levels-1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("x").Convert(v.Type().Key()), value)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	}
}
