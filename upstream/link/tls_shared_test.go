package link

import (
	"encoding/binary"
	"testing"

	"postferry/config"
)

// TestSharedTLSIsBounded: however often it is changed whom to trust for a server, what is remembered of it has a
// bound, and what was asked for last is remembered.
func TestSharedTLSIsBounded(t *testing.T) {
	var s SharedTLS
	for i := range uint32(3 * sharedServers) {
		server := config.Server{Host: "imap.new.example", Port: 993, Fingerprint: binary.BigEndian.AppendUint32(nil, i)}
		c, err := s.of(server)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := s.of(server); err != nil || again != c {
			t.Fatalf("number %d is not remembered: %v", i, err)
		}
	}
	if len(s.known) > sharedServers {
		t.Errorf("%d are remembered", len(s.known))
	}
}
