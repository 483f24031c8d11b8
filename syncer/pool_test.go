package syncer

import (
	"errors"
	"testing"

	"postferry/config"
	"postferry/upstream/link"
)

// TestOutsideHasAPoolOfItsOwn: a server that may be reached outside only says nothing of
// the one at the same address that others reach.
func TestOutsideHasAPoolOfItsOwn(t *testing.T) {
	r := newRig(t)
	r.start(false)
	server := config.Server{Host: "old.example", Port: 993}
	known := r.engine.pools.endpoint(server, true)
	server.PublicOnly = true
	outside := r.engine.pools.endpoint(server, true)
	for range 5 {
		outside.Pool.Note(&link.Error{Class: link.Later, Err: errors.New("no mail server")})
	}
	if release, err := outside.Pool.Acquire(t.Context(), false, nil); err == nil {
		release()
		t.Error("the server that can't be reached doesn't rest")
	}
	release, err := known.Pool.Acquire(t.Context(), false, nil)
	if err != nil {
		t.Fatalf("the other one rests, too: %v", err)
	}
	release()
	if again := r.engine.pools.endpoint(server, true); again.Pool != outside.Pool {
		t.Error("it has another pool each time")
	}
}
