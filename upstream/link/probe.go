package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"

	"postferry/config"
)

// Answer is what a server says of itself before anybody logs in.
type Answer struct {
	Speaks       bool                // it has greeted in the protocol
	Greeting     string              // its words, printable and bounded to 500 bytes
	Capabilities []string            // after the start of TLS, verbatim
	Certificates []*x509.Certificate // its own first, not checked; none without TLS
}

// goodbyeBound is how long a server that was asked everything is waited for.
const goodbyeBound = time.Second

// Probe connects as open does, learns what the server says of itself, and
// leaves. It accepts every certificate, because it tells the server no secret:
// the caller judges it. With an error comes what was learnt before.
func Probe(ctx context.Context, server config.Server, opt Options, begin Begin) (Answer, error) {
	opt = opt.withDefaults()
	opt.ReadOnly = true
	var answer Answer
	opt.TLS = &tls.Config{
		ServerName: server.Host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			answer.Certificates = state.PeerCertificates
			return nil
		},
	}
	a := attempt{server, opt, begin}
	e, err := a.reach(ctx)
	if err != nil {
		return answer, err
	}
	if err = start(ctx, e, server); err == nil {
		answer.Capabilities = e.Capabilities()
		goodbye, cancel := context.WithTimeout(ctx, goodbyeBound)
		defer cancel()
		// What a server answers to a goodbye doesn't matter.
		_ = e.Logout(goodbye)
	}
	answer.Speaks, answer.Greeting = e.Link().Met, e.Link().Welcome
	return answer, err
}
