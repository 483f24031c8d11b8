package wire

import "bytes"

// The scanners follow a stream that is being relayed. They are fed pieces of
// any size, report where commands and responses end and what little the relay
// must know of them, and never copy, change or hold back a byte: what they
// report depends on the bytes alone and not on how the pieces are cut. They do
// not allocate once warm.

// MaxTag is the longest tag, in octets, that the scanners remember.
const MaxTag = 256

// tailSize is how much of the end of a line decides whether it announces a
// literal: 19 digits, the signs around them and the byte before.
const tailSize = 32

// tail keeps the last bytes of a line that arrives in pieces.
type tail struct {
	n   int
	buf [tailSize]byte
}

func (t *tail) reset() { t.n = 0 }

// add appends a piece of a line.
func (t *tail) add(p []byte) {
	if len(p) >= tailSize {
		t.n = copy(t.buf[:], p[len(p)-tailSize:])
		return
	}
	if drop := t.n + len(p) - tailSize; drop > 0 {
		t.n = copy(t.buf[:], t.buf[drop:t.n])
	}
	t.n += copy(t.buf[t.n:], p)
}

// end tells whether the line whose last piece is p (without the LF) announces
// a literal, and forgets the line.
func (t *tail) end(p []byte) (Literal, bool) {
	if t.n > 0 || len(p) < tailSize {
		t.add(p)
		p = t.buf[:t.n]
	} else {
		p = p[len(p)-tailSize:]
	}
	t.n = 0
	return ParseLiteral(bytes.TrimSuffix(p, crByte))
}

var crByte = []byte{'\r'}

// token is a short word at the head of a line, gathered byte by byte.
type token struct {
	n   int
	buf [16]byte
}

// add appends c in upper case. A word longer than the buffer is no word we
// know: its length then exceeds the buffer and it compares equal to nothing.
func (t *token) add(c byte) {
	if c >= 'a' && c <= 'z' {
		c -= 'a' - 'A'
	}
	if t.n < len(t.buf) {
		t.buf[t.n] = c
	}
	if t.n <= len(t.buf) {
		t.n++
	}
}

func (t *token) reset() { t.n = 0 }

// long reports whether the word is longer than any we know.
func (t *token) long() bool { return t.n > len(t.buf) }

// bytes returns the word in upper case, nil if it is too long.
func (t *token) bytes() []byte {
	if t.long() {
		return nil
	}
	return t.buf[:t.n]
}
