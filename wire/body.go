package wire

import "io"

// Literal takes the announcement of a literal with its line end, if there is
// one, and opens it: its size octets are to be read from Body, or else are
// dropped by whatever is taken next.
func (d *Decoder) Literal() (size int64, ok bool) {
	d.dropBody()
	switch d.Peek() {
	case '~': // literal8, RFC 3516
		d.Accept('~')
	case '{':
	default:
		return 0, false
	}
	if !d.Accept('{') {
		d.Fail("a literal")
		return 0, false
	}
	counted := isDigit(d.Peek())
	n := d.Number()
	if counted && (d.err != nil || n > MaxLiteral) { // beyond counting, see discardLine
		d.stop(ErrTooLong)
		return 0, false
	}
	d.Accept('+')
	if !d.Accept('}') {
		d.Fail("the end of a literal's size")
		return 0, false
	}
	line, lines := d.line, d.lines
	if !d.EndLine() {
		return 0, false
	}
	d.line, d.lines = line, lines // the response goes on behind the literal
	d.body = int64(n)
	return d.body, true
}

// Body reads the literal just opened. It ends with io.EOF after exactly the
// announced octets; a connection that ends before gives io.ErrUnexpectedEOF.
func (d *Decoder) Body() *LiteralReader { return &d.lit }

// LiteralReader reads the literal that its decoder has opened.
type LiteralReader struct{ d *Decoder }

// Read implements io.Reader.
func (l *LiteralReader) Read(p []byte) (int, error) {
	d := l.d
	if d.err != nil {
		return 0, d.err
	}
	if d.body == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > d.body {
		p = p[:d.body]
	}
	n, err := d.r.Read(p)
	d.body -= int64(n)
	if err != nil {
		d.stop(err)
		if n == 0 {
			return 0, d.err
		}
	}
	return n, nil
}

// Left is how many octets of the literal are still to be read.
func (l *LiteralReader) Left() int64 { return l.d.body }

// dropBody reads the open literal to its end.
func (d *Decoder) dropBody() {
	for d.body > 0 && !d.fatal {
		n, err := d.r.Discard(int(min(d.body, 1<<30)))
		d.body -= int64(n)
		if err != nil {
			d.stop(err)
		}
	}
}
