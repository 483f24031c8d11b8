package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Bounds on what a server may make us hold or do.
const (
	// MaxToken is the longest atom, quoted string or text that is held, in octets.
	MaxToken = 1 << 20
	// MaxLine is the longest response outside of its literals, in octets. A
	// SEARCH of a million messages still fits.
	MaxLine = 16 << 20
	// MaxLiteral is the longest literal: no message is as long. Octets.
	MaxLiteral = 4 << 30
	// MaxDepth is how deep lists may be nested.
	MaxDepth = 100
)

// ErrTooLong means that a token or a response exceeds its bound. There is no
// telling where the next response begins.
var ErrTooLong = errors.New("imap: response too long")

// SyntaxError is a response that can't be understood. The decoder stands in
// its middle; Discard leads to the next one.
type SyntaxError struct {
	Want string // what the grammar wants there
	Got  string // what is there
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("imap: expected %s, got %s", e.Want, e.Got)
}

// Decoder reads responses from a server, one token after the other. Slices
// it returns are valid until its next method is called.
//
// Its error is sticky: after the first one all methods return zero values
// until Discard, so a grammar can be written down without a check after each
// token. An error of the connection, and ErrTooLong, stay for good.
type Decoder struct {
	r     *bufio.Reader
	buf   []byte
	err   error
	fatal bool
	line  int   // octets of this response outside its literals
	lines int64 // of those before
	body  int64 // octets of the open literal that were not read yet
	lit   LiteralReader
}

// NewDecoder returns a decoder that reads r and nothing ahead of what r itself buffers.
func NewDecoder(r *bufio.Reader) *Decoder {
	d := &Decoder{r: r, buf: make([]byte, 0, 256)}
	d.lit.d = d
	return d
}

// Err returns the first error since the last Discard.
func (d *Decoder) Err() error { return d.err }

// Fail makes err the decoder's error unless it has one.
func (d *Decoder) Fail(want string) {
	if d.err == nil {
		d.err = &SyntaxError{Want: want, Got: d.ahead()}
	}
}

// ahead describes the next octets for an error message.
func (d *Decoder) ahead() string {
	p, _ := d.r.Peek(min(d.r.Buffered(), 24))
	for i, c := range p {
		if c == '\r' || c == '\n' {
			if i == 0 {
				return "the end of the line"
			}
			p = p[:i]
			break
		}
	}
	return fmt.Sprintf("%q", p)
}

// stop records an error after which the connection can't be used.
func (d *Decoder) stop(err error) {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if !d.fatal {
		d.err, d.fatal = err, true
	}
}

// next reads an octet.
func (d *Decoder) next() (byte, bool) {
	if d.body > 0 {
		d.dropBody()
	}
	if d.err != nil {
		return 0, false
	}
	c, err := d.r.ReadByte()
	if err != nil {
		d.stop(err)
		return 0, false
	}
	if d.line++; d.line > MaxLine {
		d.stop(ErrTooLong)
		return 0, false
	}
	return c, true
}

// back puts the octet just read back.
func (d *Decoder) back() {
	// It can't fail: nothing else was read since.
	_ = d.r.UnreadByte()
	d.line--
}

// Peek returns the next octet without taking it; 0 after an error.
func (d *Decoder) Peek() byte {
	c, ok := d.next()
	if !ok {
		return 0
	}
	d.back()
	return c
}

// Accept takes the next octet if it is c.
func (d *Decoder) Accept(c byte) bool {
	got, ok := d.next()
	if !ok {
		return false
	}
	if got != c {
		d.back()
		return false
	}
	return true
}

// Space takes any number of spaces.
func (d *Decoder) Space() {
	for d.Accept(' ') {
	}
}

// More takes spaces and reports whether the line goes on behind them.
func (d *Decoder) More() bool {
	d.Space()
	c := d.Peek()
	return d.err == nil && c != '\r' && c != '\n'
}

// AtStart reports whether the response was read to its end, so that the next
// one begins here.
func (d *Decoder) AtStart() bool { return d.line == 0 && d.body == 0 }

// Octets is how many octets of responses have been read so far, without the literals.
func (d *Decoder) Octets() int64 { return d.lines + int64(d.line) }

// ended notes that the response has been read.
func (d *Decoder) ended() { d.lines, d.line = d.lines+int64(d.line), 0 }

// EndLine takes the line end: CRLF, or what servers make of it (LF, CR CR LF).
func (d *Decoder) EndLine() bool {
	for d.Accept('\r') {
	}
	if !d.Accept('\n') {
		d.Fail("the end of the line")
		return false
	}
	d.ended()
	return true
}

// Discard takes what is left of the response, with the literals in it, and
// forgets a syntax error.
func (d *Decoder) Discard() error {
	if d.fatal {
		return d.err
	}
	d.err = nil
	for {
		d.dropBody()
		lit, more := d.discardLine()
		if d.err != nil || !more {
			return d.err
		}
		d.body = int64(lit.Size)
	}
}

// literalTail is the most of a line's end that can announce a literal.
const literalTail = 32

// discardLine takes the rest of a line and says whether a literal follows.
func (d *Decoder) discardLine() (Literal, bool) {
	d.buf = d.buf[:0]
	for {
		p, err := d.r.ReadSlice('\n')
		d.line += len(p)
		d.buf = append(d.buf, p[max(0, len(p)-literalTail):]...)
		if err == nil {
			break
		}
		if err != bufio.ErrBufferFull {
			d.stop(err)
			return Literal{}, false
		}
		if d.line > MaxLine {
			d.stop(ErrTooLong)
			return Literal{}, false
		}
	}
	lit, more := ParseLiteral(trimEOL(d.buf))
	switch {
	case more && int64(lit.Size) <= MaxLiteral:
	case more, beyondCounting(trimEOL(d.buf)):
		d.stop(ErrTooLong) // otherwise what follows, a message perhaps, would be read as responses
	default:
		d.ended()
	}
	return lit, more
}

// beyondCounting tells whether a line ends in the announcement of a literal larger than
// can be counted. Its beginning may be cut off.
func beyondCounting(line []byte) bool {
	line, ok := bytes.CutSuffix(line, []byte("}"))
	line = bytes.TrimSuffix(line, []byte("+"))
	digits := len(line) - len(bytes.TrimRight(line, "0123456789"))
	if !ok || digits == 0 {
		return false
	}
	_, fits := parseSize(line[len(line)-digits:])
	return !fits
}

// Text takes the rest of the line, line end included, and returns it without
// the line end. Of a line longer than MaxToken the rest is lost.
func (d *Decoder) Text() []byte {
	d.dropBody()
	d.buf = d.buf[:0]
	if d.err != nil {
		return nil
	}
	for {
		p, err := d.r.ReadSlice('\n')
		d.line += len(p)
		d.buf = append(d.buf, p[:min(len(p), MaxToken-len(d.buf))]...)
		if err == nil {
			d.ended()
			return trimEOL(d.buf)
		}
		if err != bufio.ErrBufferFull {
			d.stop(err)
			return nil
		}
		if d.line > MaxLine {
			d.stop(ErrTooLong)
			return nil
		}
	}
}

// trimEOL cuts the line end off.
func trimEOL(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	for n := len(line); n > 0 && line[n-1] == '\r'; n-- {
		line = line[:n-1]
	}
	return line
}
