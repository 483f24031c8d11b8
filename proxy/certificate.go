package proxy

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
)

// certificateCheck is how long a certificate is used before its files are
// looked at again.
const certificateCheck = 10 * time.Second

// certificates gives out the certificate, and follows its files when they change.
type certificates struct {
	certFile, keyFile string
	every             time.Duration
	log               zerolog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	seen    stamp     // of the files that were last tried
	checked time.Time // when they were last looked at
}

// stamp tells one version of the files from another.
type stamp struct{ cert, key time.Time }

// newCertificates loads the configured pair, or the self-signed one in the
// state directory, which it makes if need be.
func newCertificates(cfg *config.Config, log zerolog.Logger) (*certificates, error) {
	c := &certificates{certFile: cfg.Proxy.Cert, keyFile: cfg.Proxy.Key, every: certificateCheck, log: log}
	if c.certFile == "" {
		var err error
		if c.certFile, c.keyFile, err = selfSigned(cfg.State, time.Now(), log); err != nil {
			return nil, err
		}
	}
	c.seen, c.checked = c.stamp(), time.Now()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return nil, fmt.Errorf("proxy.cert, proxy.key: can't use %s with %s: %w", c.certFile, c.keyFile, err)
	}
	c.current = &pair
	return c, nil
}

// Certificate gives out a certificate from a pair of PEM files, and follows
// them when they change.
func Certificate(cert, key string, log zerolog.Logger) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	c := &certificates{certFile: cert, keyFile: key, every: certificateCheck, log: log}
	c.seen, c.checked = c.stamp(), time.Now()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("can't use %s with %s: %w", cert, key, err)
	}
	c.current = &pair
	return c.get, nil
}

// get implements tls.Config.GetCertificate.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= c.every {
		c.checked = now
		if c.stamp() != c.seen {
			c.load()
		}
	}
	return c.current, nil
}

func (c *certificates) reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load()
}

// load tries the files. A pair that is no good is not tried again before it changes.
func (c *certificates) load() {
	c.seen, c.checked = c.stamp(), time.Now()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		c.log.Error().Err(err).Str("cert", c.certFile).Msg("the new certificate can't be used, the old one stays")
		return
	}
	c.current = &pair
	c.log.Info().Str("cert", c.certFile).Time("until", pair.Leaf.NotAfter).Msg("certificate loaded")
}

func (c *certificates) stamp() stamp {
	return stamp{modified(c.certFile), modified(c.keyFile)}
}

func modified(file string) time.Time {
	info, err := os.Stat(file)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// hostname is the name a self-signed certificate is made out to.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		name = ""
	}
	return cmp.Or(name, "localhost")
}
