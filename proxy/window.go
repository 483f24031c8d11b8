package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
)

// errFull: the buffer holds nothing but bytes that were to be kept together.
var errFull = errors.New("buffer full")

// Sizes of the buffers a relay reads with, in octets. Most clients are idle most
// of the time, and the small ones are what an idle client costs. Large ones are
// borrowed while much is coming in.
const (
	serverBuffer = 4096
	largeBuffer  = 64 << 10
	// much is a full TLS record: who sends that at once has more to send.
	much = 16 << 10
)

// largeReaders are lent to whoever has much to read.
type largeReaders struct{ pool sync.Pool }

func (l *largeReaders) get(src io.Reader) *bufio.Reader {
	r, ok := l.pool.Get().(*bufio.Reader)
	if !ok {
		return bufio.NewReaderSize(src, largeBuffer)
	}
	r.Reset(src)
	return r
}

func (l *largeReaders) put(r *bufio.Reader) {
	r.Reset(nil)
	l.pool.Put(r)
}

// window is what has been read of one direction and not been passed on. All
// positions count from the first byte not passed on.
type window struct {
	src   io.Reader     // what r reads
	r     *bufio.Reader // small, or borrowed
	small *bufio.Reader
	lent  *largeReaders
	last  int // octets of the last read into an empty buffer

	b     []byte
	off   int  // scanned up to here
	begin int  // where the command or response under way begins
	cut   bool // the beginning of that one is passed on already; begin is 0 then
}

func newWindow(src io.Reader, small *bufio.Reader, lent *largeReaders) window {
	w := window{src: src, r: small, small: small, lent: lent}
	w.sync()
	return w
}

// more waits for at least one more byte; errFull if there is no room for it.
func (w *window) more() error {
	empty := len(w.b) == 0
	if empty {
		w.resize()
	}
	if len(w.b) == w.r.Size() {
		return errFull
	}
	_, err := w.r.Peek(len(w.b) + 1)
	if err != nil {
		return err
	}
	w.sync()
	if empty {
		w.last = len(w.b)
	}
	return nil
}

// resize picks the buffer for the next read; nothing is buffered.
func (w *window) resize() {
	switch {
	case w.r == w.small && w.last == w.small.Size():
		w.r = w.lent.get(w.src)
	case w.r != w.small && w.last < much:
		w.shrink()
	}
}

// shrink gives a borrowed buffer back.
func (w *window) shrink() {
	if w.r != w.small {
		w.lent.put(w.r)
		w.r = w.small
	}
}

// sync takes in what has been read into the buffer. What it has may have moved.
func (w *window) sync() {
	w.b, _ = w.r.Peek(w.r.Buffered()) // can't fail: it is buffered
}

// next marks the end of a command or response.
func (w *window) next() { w.begin, w.cut = w.off, false }

// drop removes n scanned bytes from the front.
func (w *window) drop(n int) {
	if n > w.begin {
		w.cut = true
	}
	w.r.Discard(n) //nolint:errcheck // they are buffered
	w.b = w.b[n:]
	w.off -= n
	w.begin = max(w.begin-n, 0)
}

// smaller returns a small reader in the place of r, which reads conn, unless
// that has read ahead.
func smaller(conn net.Conn, r *bufio.Reader) *bufio.Reader {
	if r.Buffered() > 0 {
		return r
	}
	return bufio.NewReaderSize(conn, serverBuffer)
}

// discard reads to the end of the stream or the read deadline.
func discard(r *bufio.Reader) { io.Copy(io.Discard, r) } //nolint:errcheck // nobody is left to tell

// closeWrite sends the end of the stream.
func closeWrite(conn net.Conn) error {
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS says goodbye first
		if err := closeWriteLayer(conn); err != nil {
			return err
		}
		conn = c.NetConn()
	}
	return closeWriteLayer(conn)
}

func closeWriteLayer(conn net.Conn) error {
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}
