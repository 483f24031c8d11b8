package certificate

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/rs/zerolog"

	"postferry/config"
)

// Certificates are those of a server.
type Certificates struct {
	files  *files
	issued *issued // nil for none
}

// New loads the configured pair, or the self-signed one in the state directory, which it makes if need
// be. Others are got by themselves if cfg names hosts; the authority looks at what answers listens on,
// which Close closes.
func New(cfg *config.Config, answers net.Listener, log zerolog.Logger) (*Certificates, error) {
	f, err := newFiles(cfg, log)
	if err != nil {
		return nil, err
	}
	c := &Certificates{files: f}
	if answers != nil {
		c.issued = newIssued(cfg, answers, f, log)
	}
	return c, nil
}

// Get implements tls.Config.GetCertificate.
func (c *Certificates) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.issued != nil {
		return c.issued.get(hello)
	}
	return c.files.get(hello)
}

// Reload reads the files again. If that fails the old ones stay in use and the reason is logged.
func (c *Certificates) Reload() { c.files.reload() }

// Serve answers the authority until ctx ends.
func (c *Certificates) Serve(ctx context.Context) {
	if c.issued != nil {
		c.issued.serve(ctx)
	}
}

// Close lets go of what the authority looks at.
func (c *Certificates) Close() {
	if c.issued != nil {
		c.issued.close()
	}
}
