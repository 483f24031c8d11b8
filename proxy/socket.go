package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// errQuiet: nothing has come yet. TLS can go on behind it, as behind a deadline.
var errQuiet net.Error = nothingYet{}

type nothingYet struct{}

func (nothingYet) Error() string   { return "nothing has come yet" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }

// socket is a TCP connection, below TLS where there is TLS. Whoever waits for octets here holds no
// buffer, and not the stack that TLS takes. It reads much at once, and what is written can be
// gathered, so that several TLS records leave in one system call. One goroutine at a time may read.
type socket struct {
	net.Conn
	raw  syscall.RawConn
	lent *buffers

	deadline readDeadline

	drained bool                  // the last read has left nothing, as it was shorter than it could be
	eager   bool                  // reading gives errQuiet instead of waiting
	direct  []byte                // read into this instead of a buffer
	ahead   []byte                // has been read and not been taken
	buffer  *[]byte               // of ahead; nil for none
	got     int                   // octets read into direct
	err     error                 // of the last attempt to read
	try     func(fd uintptr) bool // attempts to read
	await   func(fd uintptr) bool // attempts to read until something has come

	mu       sync.Mutex
	gathers  *[]byte // what is written is gathered here; nil for not at all
	gathered int     // octets
}

// socket makes a socket of a connection; one that is none of the system's stays as it is.
func (b *buffers) socket(conn net.Conn) net.Conn {
	system, ok := conn.(syscall.Conn)
	if !ok {
		return conn
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return conn
	}
	l := &socket{Conn: conn, raw: raw, lent: b, deadline: readDeadline{conn: conn}}
	l.await = l.attempt
	l.try = func(fd uintptr) bool { l.attempt(fd); return true }
	return l
}

// socketOf finds the socket below a connection; nil if there is none.
func socketOf(conn net.Conn) *socket {
	for {
		switch c := conn.(type) {
		case *socket:
			return c
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		case interface{ Below() net.Conn }:
			conn = c.Below()
		default:
			return nil
		}
	}
}

// attempt reads what there is. It returns false if nothing is there.
func (l *socket) attempt(fd uintptr) (over bool) {
	into := l.direct
	var buffer *[]byte
	if into == nil {
		buffer = l.lent.piece()
		into = *buffer
	}
	n, err := syscall.Read(int(fd), into)
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), into)
	}
	l.got, l.err = max(n, 0), nil
	l.drained = n > 0 && n < len(into)
	switch {
	case err == syscall.EAGAIN:
		l.err = errQuiet
	case err != nil:
		l.err = &net.OpError{Op: "read", Net: "tcp", Source: l.LocalAddr(), Addr: l.RemoteAddr(), Err: os.NewSyscallError("read", err)}
	case n == 0:
		l.err = io.EOF
	case buffer != nil:
		l.ahead, l.buffer = into[:n], buffer
		return true
	}
	if buffer != nil {
		l.lent.putPiece(buffer)
	}
	return l.err != errQuiet
}

// Read implements net.Conn.
func (l *socket) Read(p []byte) (int, error) {
	switch {
	case len(l.ahead) > 0 || len(p) == 0:
	case !l.eager:
		if err := l.deadline.limit(true); err != nil {
			return 0, err
		}
		return l.Conn.Read(p)
	case l.drained: // what has come since is for wait to see
		l.drained = false
		return 0, errQuiet
	case len(p) >= directSize:
		l.direct, l.got = p, 0
		err := l.readNow()
		l.direct = nil
		return l.got, err
	default:
		if err := l.readNow(); err != nil {
			return 0, err
		}
	}
	return l.take(p), nil
}

// take takes what was read ahead.
func (l *socket) take(p []byte) int {
	n := copy(p, l.ahead)
	l.ahead = l.ahead[n:]
	if len(l.ahead) == 0 && l.buffer != nil {
		l.lent.putPiece(l.buffer)
		l.ahead, l.buffer = nil, nil
	}
	return n
}

// Write implements net.Conn. What is gathered counts as written.
func (l *socket) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gathers == nil {
		return l.Conn.Write(p)
	}
	if l.gathered+len(p) > len(*l.gathers) {
		if err := l.send(); err != nil {
			return 0, err
		}
	}
	if len(p) > len(*l.gathers) {
		return l.Conn.Write(p)
	}
	l.gathered += copy((*l.gathers)[l.gathered:], p)
	return len(p), nil
}

// gather begins to gather what is written.
func (l *socket) gather() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gathers = l.lent.piece()
}

// release writes what was gathered, and gathers no more.
func (l *socket) release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.send()
	l.lent.putPiece(l.gathers)
	l.gathers = nil
	return err
}

// send writes what was gathered.
func (l *socket) send() error {
	_, err := l.Conn.Write((*l.gathers)[:l.gathered])
	l.gathered = 0
	return err
}

// CloseWrite sends the end of the stream.
func (l *socket) CloseWrite() error { return closeWriteLayer(l.Conn) }

// side is what a relay has of one of its two peers: the connection, and the socket below it.
type side struct {
	net.Conn
	socket *socket // nil if there is none
}

func newSide(conn net.Conn) *side { return &side{Conn: conn, socket: socketOf(conn)} }

// Write implements net.Conn. TLS writes each of its records by itself: several go out together.
func (s *side) Write(p []byte) (n int, err error) {
	if s.socket == nil || s.socket == s.Conn || len(p) <= fullRecord {
		return s.Conn.Write(p)
	}
	s.socket.gather()
	n, err = s.Conn.Write(p)
	if failed := s.socket.release(); failed != nil {
		return 0, errors.Join(failed, err)
	}
	return n, err
}

// CloseWrite sends the end of the stream.
func (s *side) CloseWrite() error { return closeWrite(s.Conn) }
