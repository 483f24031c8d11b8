package certificate

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

// files are a pair of PEM files, which are followed when they change.
type files struct {
	certFile, keyFile string
	log               zerolog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	seen    stamp     // of the files that were last tried
	checked time.Time // when they were last looked at
}

// stamp tells one version of the files from another.
type stamp struct{ cert, key time.Time }

// newFiles loads the configured pair, or the self-signed one in the
// state directory, which it makes if need be.
func newFiles(cfg *config.Config, log zerolog.Logger) (*files, error) {
	c := &files{certFile: cfg.Proxy.Cert, keyFile: cfg.Proxy.Key, log: log}
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

// Pair gives out a certificate from a pair of PEM files, and follows
// them when they change.
func Pair(cert, key string, log zerolog.Logger) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	c := &files{certFile: cert, keyFile: key, log: log}
	c.seen, c.checked = c.stamp(), time.Now()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("can't use %s with %s: %w", cert, key, err)
	}
	c.current = &pair
	return c.get, nil
}

// get implements tls.Config.GetCertificate.
func (c *files) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= certificateCheck {
		c.checked = now
		if c.stamp() != c.seen {
			c.load()
		}
	}
	return c.current, nil
}

func (c *files) reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load()
}

// load tries the files. A pair that is no good is not tried again before it changes.
func (c *files) load() {
	c.seen, c.checked = c.stamp(), time.Now()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		c.log.Error().Err(err).Str("cert", c.certFile).Msg("the new certificate can't be used, the old one stays")
		return
	}
	c.current = &pair
	c.log.Info().Str("cert", c.certFile).Time("until", pair.Leaf.NotAfter).Msg("certificate loaded")
}

func (c *files) stamp() stamp {
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
