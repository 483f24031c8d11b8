package upstream

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/internal/lab/script"
	"postferry/upstream/link"
)

func TestProbeDovecot(t *testing.T) {
	d := lab.StartDovecot(t, lab.DovecotOptions{Hosts: []string{"imap.example.com"}})
	for name, server := range map[string]config.Server{
		"TLS": d.ImplicitTLS(), "STARTTLS": d.StartTLS(), "none": d.Insecure(),
	} {
		t.Run(name, func(t *testing.T) {
			var dialled string
			opt := link.Options{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				dialled = addr
				return new(net.Dialer).DialContext(ctx, network, addr)
			}}
			got, err := Probe(t.Context(), server, opt)
			if err != nil {
				t.Fatal(err)
			}
			if dialled != server.Address() {
				t.Errorf("dialled %q", dialled)
			}
			if !strings.HasPrefix(got.Greeting, "lab ") || !slices.Contains(got.Capabilities, "IMAP4rev1") {
				t.Errorf("got %+v", got)
			}
			if tls := server.Security != config.Insecure; tls != (len(got.Certificates) == 1) {
				t.Errorf("%d certificates", len(got.Certificates))
			} else if tls && got.Certificates[0].DNSNames[0] != "imap.example.com" {
				t.Errorf("the certificate is for %v", got.Certificates[0].DNSNames)
			}
		})
	}
}

// What was learnt before a failure is told with it.
func TestProbeFails(t *testing.T) {
	server := tlsServer(t, "", lab.NewCA(t).Issue(t))
	server.Security = config.ImplicitTLS
	if got, err := Probe(t.Context(), server, testOptions(t)); err == nil || got.Greeting != "" {
		t.Errorf("TLS with plain text: %+v, %v", got, err)
	}
	plain := script.Start(t, script.Options{}, "S: * OK [CAPABILITY IMAP4rev1] plain only")
	server = plain.Server()
	server.Security = config.StartTLS
	if got, err := Probe(t.Context(), server, testOptions(t)); !errors.Is(err, link.ErrNoTLS) || got.Greeting != "plain only" {
		t.Errorf("without STARTTLS: %+v, %v", got, err)
	}
}
