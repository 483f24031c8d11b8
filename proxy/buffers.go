package proxy

import (
	"bufio"
	"io"
	"sync"
)

// Sizes of what a relay reads and writes with, in octets. Most clients are idle most of the time,
// and those have none of it: it is lent to whoever has something to read.
const (
	smallReader = 4096
	largeReader = 64 << 10
	// fullRecord is what a full TLS record holds: who sends that at once has more to send.
	fullRecord = 16 << 10
	// pieceSize is what a socket reads or writes at once: four full TLS records with what protects
	// them.
	pieceSize = 66 << 10
	// directSize is that of a buffer that a socket reads into without one of its own.
	directSize = 32 << 10
)

// buffers are lent and given back.
type buffers struct{ small, large, pieces sync.Pool }

// reader is one that reads src, a large one if much is to be read.
func (b *buffers) reader(src io.Reader, large bool) *bufio.Reader {
	pool, size := &b.small, smallReader
	if large {
		pool, size = &b.large, largeReader
	}
	r, ok := pool.Get().(*bufio.Reader)
	if !ok {
		return bufio.NewReaderSize(src, size)
	}
	r.Reset(src)
	return r
}

// putReader takes a reader back that is not needed any more.
func (b *buffers) putReader(r *bufio.Reader) {
	size := r.Size()
	r.Reset(nil)
	switch size {
	case smallReader:
		b.small.Put(r)
	case largeReader:
		b.large.Put(r)
	}
}

func (b *buffers) piece() *[]byte {
	if p, ok := b.pieces.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, pieceSize)
	return &p
}

func (b *buffers) putPiece(p *[]byte) { b.pieces.Put(p) }
