package link

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"postferry/config"
)

const (
	// sharedSessions bounds the TLS sessions with a server that are kept to be resumed.
	sharedSessions = 16
	// sharedServers bounds the servers, and the ways of checking their certificates, that are remembered.
	sharedServers = 256
)

// SharedTLS keeps how the certificates of servers are checked, for many sessions with few servers:
// they have the authorities in memory once, and resume TLS sessions (RFC 8446 section 2.2), which
// spares both sides most of a handshake. The zero value is ready to use, by many goroutines.
type SharedTLS struct {
	mu    sync.Mutex
	known map[string]sharedTLS
}

type sharedTLS struct {
	config *tls.Config
	stamp  string // of the file with the authorities
}

// of is the configuration for a server. A file of authorities that has changed is read again.
func (s *SharedTLS) of(server config.Server) (*tls.Config, error) {
	stamp := stampOf(server.CA)
	key := fmt.Sprintf("%s %q %q %x %v", server.Address(), server.CA, server.Authorities, server.Fingerprint, server.TLS10)
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.known[key]; ok && known.stamp == stamp {
		return known.config, nil
	}
	c, err := tlsConfig(server, Options{})
	if err != nil {
		return nil, err
	}
	c.ClientSessionCache = tls.NewLRUClientSessionCache(sharedSessions)
	s.remember(key, sharedTLS{c, stamp})
	return c, nil
}

// remember forgets any other one where there are too many: its next session costs a whole handshake, no more.
func (s *SharedTLS) remember(key string, one sharedTLS) {
	if s.known == nil {
		s.known = map[string]sharedTLS{}
	}
	delete(s.known, key) // its file has changed
	for other := range s.known {
		if len(s.known) < sharedServers {
			break
		}
		delete(s.known, other)
	}
	s.known[key] = one
}

// stampOf tells whether a file has changed; "" for none.
func stampOf(file string) string {
	info, err := os.Stat(file)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d %s", info.Size(), info.ModTime().Format(time.RFC3339Nano))
}
