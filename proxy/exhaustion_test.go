package proxy

import (
	"bytes"
	"context"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// emptyListener has no descriptors left for a while.
type emptyListener struct {
	net.Listener
	mu      sync.Mutex
	failing int
	asked   []time.Time
}

func (l *emptyListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	l.asked = append(l.asked, time.Now())
	failing := len(l.asked) <= l.failing
	l.mu.Unlock()
	if failing {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// TestExhaustedAccept: a server without descriptors tries again, ever more slowly, says so once,
// and goes on as soon as there are some.
func TestExhaustedAccept(t *testing.T) {
	t.Parallel()
	var empty *emptyListener
	p := startProxy(t, nowhere, func(p *proxyRig) {
		empty = &emptyListener{Listener: p.imap, failing: 7}
		p.imap = empty
	})
	c := p.connect(t)
	c.hears("* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS AUTH=PLAIN] Postferry ready\n")
	empty.mu.Lock()
	defer empty.mu.Unlock()
	if took := empty.asked[7].Sub(empty.asked[0]); took < 500*time.Millisecond {
		t.Errorf("tried 7 times within %v", took)
	}
	if n := bytes.Count([]byte(p.log.String()), []byte("connections can't be accepted")); n != 1 {
		t.Errorf("told %d times: %s", n, p.log.String())
	}
}

// TestExhaustionIsToldEachMinute: with how often it has failed since.
func TestExhaustionIsToldEachMinute(t *testing.T) {
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := exhaustion{log: zerolog.New(&log)}
	for i := range 5 {
		if i == 4 {
			e.told = e.told.Add(-toldEach)
		}
		e.wait(ctx, syscall.EMFILE)
	}
	if n := bytes.Count(log.Bytes(), []byte("\n")); n != 2 || !bytes.Contains(log.Bytes(), []byte(`"times":4`)) {
		t.Errorf("%s", log.String())
	}
	if e.pauses != 16*shortest {
		t.Errorf("pauses for %v", e.pauses)
	}
	e.over()
	if e.wait(ctx, syscall.EMFILE); e.pauses != shortest {
		t.Errorf("pauses for %v after it had worked", e.pauses)
	}
}
