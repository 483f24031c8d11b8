package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
)

// errFull: the buffer holds nothing but bytes that were to be kept together.
var errFull = errors.New("buffer full")

// window is what has been read of one direction and not been passed on. All
// positions count from the first byte not passed on.
type window struct {
	src    io.Reader // what r reads
	socket *socket   // below src; nil if there is none
	r      *bufio.Reader
	lent   *buffers
	last   int   // octets of the last read into an empty buffer
	failed error // what reading ahead has met

	b     []byte
	off   int  // scanned up to here
	begin int  // where the command or response under way begins
	cut   bool // the beginning of that one is passed on already; begin is 0 then
}

// newWindow makes the window of a direction. r, which may have read ahead, is its own from now on.
func newWindow(src io.Reader, r *bufio.Reader, lent *buffers) window {
	w := window{src: src, r: r, lent: lent}
	if s, ok := src.(*side); ok {
		w.socket = s.socket
	}
	w.sync()
	return w
}

// more reads at least one more byte; errFull if there is no room for it, errQuiet if nothing has come.
func (w *window) more() error {
	empty := len(w.b) == 0
	if empty {
		w.resize()
	}
	if len(w.b) == w.r.Size() {
		return errFull
	}
	if err := w.peek(); err != nil {
		return err
	}
	w.readOn()
	if empty {
		w.last = len(w.b)
	}
	return nil
}

// peek reads at least one more byte; errQuiet if there is none and a socket to wait for it at.
func (w *window) peek() error {
	if err := w.failed; err != nil {
		w.failed = nil
		return err
	}
	if w.socket != nil {
		w.socket.eager = true
		defer func() { w.socket.eager = false }()
	}
	_, err := w.r.Peek(w.r.Buffered() + 1)
	w.sync() // it may have moved what was there, also if it fails
	return err
}

// readOn fills a large buffer with what has come besides: TLS gives one record at a time.
func (w *window) readOn() {
	for w.socket != nil && w.r.Size() == largeReader && w.r.Buffered()+fullRecord <= largeReader {
		if err := w.peek(); err != nil {
			if err != errQuiet {
				w.failed = err
			}
			return
		}
	}
}

// idle waits for something to read, or an error that the next read then gives. It returns false if nothing
// has come for a while, unless it is to last: then it holds no buffer either, if nothing is in it.
func (w *window) idle(lasting bool) bool {
	empty := len(w.b) == 0
	if empty && lasting {
		w.giveBack()
	}
	err := w.socket.wait(lasting)
	if err == errLull {
		return false
	}
	w.failed = err
	switch large := len(w.socket.ahead) > smallReader; {
	case w.r == nil:
		w.r = w.lent.reader(w.src, large)
		w.sync()
	case empty && large && w.r.Size() == smallReader:
		w.exchange(true)
	}
	return true
}

// resize picks the buffer for the next read; nothing is buffered.
func (w *window) resize() {
	switch large := w.r.Size() == largeReader; {
	case !large && w.last == w.r.Size():
		w.exchange(true)
	case large && w.last < fullRecord:
		w.exchange(false)
	}
}

// exchange takes another reader in the place of one that has nothing buffered.
func (w *window) exchange(large bool) {
	w.giveBack()
	w.r = w.lent.reader(w.src, large)
	w.sync()
}

// giveBack gives the buffer back; b would keep it in memory.
func (w *window) giveBack() {
	w.lent.putReader(w.r)
	w.r, w.b = nil, nil
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
