package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
)

// errFull: the buffer holds nothing but bytes that were to be kept together.
var errFull = errors.New("buffer full")

// window is what has been read of one direction and not been passed on. All
// positions count from the first byte not passed on.
type window struct {
	r     *bufio.Reader
	b     []byte
	off   int  // scanned up to here
	begin int  // where the command or response under way begins
	cut   bool // the beginning of that one is passed on already; begin is 0 then
}

// more waits for at least one more byte; errFull if there is no room for it.
func (w *window) more() error {
	if len(w.b) == w.r.Size() {
		return errFull
	}
	_, err := w.r.Peek(len(w.b) + 1)
	if err == nil {
		w.sync()
	}
	return err
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

// serverBuffer is what is read ahead of the new server for one client. Octets.
// Most clients are idle most of the time; this is what an idle one costs.
const serverBuffer = 8192

// smaller returns a reader that goes on where r, which reads conn, stands.
func smaller(conn net.Conn, r *bufio.Reader) *bufio.Reader {
	ahead, _ := r.Peek(r.Buffered()) // can't fail: it is buffered
	if len(ahead) == 0 {
		return bufio.NewReaderSize(conn, serverBuffer)
	}
	return bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(ahead)), conn), serverBuffer)
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
