package upstream

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

// Probe connects as Dial does, learns what the server says of itself, and
// leaves. It accepts every certificate, because it tells the server no secret:
// the caller judges it. With an error comes what was learnt before.
func Probe(ctx context.Context, server config.Server, opt Options) (Answer, error) {
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
	s, err := reach(ctx, server, opt)
	if err != nil {
		return answer, err
	}
	if err = s.start(ctx, server); err == nil {
		answer.Capabilities = s.Capabilities()
		goodbye, cancel := context.WithTimeout(ctx, goodbyeBound)
		defer cancel()
		// What a server answers to a goodbye doesn't matter.
		_ = s.Logout(goodbye)
	}
	answer.Speaks, answer.Greeting = s.greeted()
	return answer, err
}

// unopened is a connection with a server of either protocol that nothing was
// said on yet.
type unopened interface {
	start(ctx context.Context, server config.Server) error
	greeted() (met bool, words string)
	Capabilities() []string
	Logout(ctx context.Context) error
}

// reach makes a connection in the server's protocol.
func reach(ctx context.Context, server config.Server, opt Options) (unopened, error) {
	if server.Protocol == config.POP3 {
		return reachPOP3(ctx, server, opt)
	}
	return reachIMAP(ctx, server, opt)
}
