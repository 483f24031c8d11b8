package inmemory

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// room is how much a stream holds that nobody has read yet, as the buffers of a socket do.
const room = 256 << 10

// stream carries octets in one direction.
type stream struct {
	mu      sync.Mutex
	changed sync.Cond
	octets  []byte
	ended   bool // nothing more will be written
	unread  bool // nobody reads any more
	reading deadline
	writing deadline
}

// deadline is a time at which who waits is woken.
type deadline struct {
	at    time.Time // zero for none
	timer *time.Timer
}

func (d *deadline) over() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func newStream() *stream {
	s := &stream{}
	s.changed.L = &s.mu
	return s
}

// until sets a deadline of the stream.
func (s *stream) until(d *deadline, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.at, d.timer = at, nil; !at.IsZero() {
		d.timer = time.AfterFunc(time.Until(at), s.wake)
	}
	s.changed.Broadcast()
}

func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.unread:
			return 0, net.ErrClosed
		case s.reading.over():
			return 0, os.ErrDeadlineExceeded
		case len(s.octets) > 0 || len(p) == 0:
			n := copy(p, s.octets)
			s.octets = s.octets[n:]
			s.changed.Broadcast()
			return n, nil
		case s.ended:
			return 0, io.EOF
		}
		s.changed.Wait()
	}
}

func (s *stream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.ended:
			return n, net.ErrClosed
		case s.unread:
			return n, io.ErrClosedPipe
		case s.writing.over():
			return n, os.ErrDeadlineExceeded
		case n == len(p):
			return n, nil
		}
		if take := min(len(p)-n, room-len(s.octets)); take > 0 {
			s.octets = append(s.octets, p[n:n+take]...)
			n += take
			s.changed.Broadcast()
			continue
		}
		s.changed.Wait()
	}
}

// end lets the reader come to the end of what was written.
func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.changed.Broadcast()
}

// leave is the reader's end.
func (s *stream) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread, s.octets = true, nil
	s.changed.Broadcast()
}
