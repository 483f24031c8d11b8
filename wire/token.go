package wire

import (
	"bytes"
	"io"
)

// stops are octets at which a token ends.
type stops [256]bool

func stopAt(octets string) *stops {
	var s stops
	for i := range len(octets) {
		s[octets[i]] = true
	}
	return &s
}

// Where tokens end.
var (
	wordEnd    = stopAt(" ()\"\r\n")
	itemEnd    = stopAt(" ()\"\r\n[")
	sectionEnd = stopAt("]\r\n")
	bareEnd    = stopAt(" ()\r\n")
	quotedEnd  = stopAt("\"\\\r\n")
)

// span adds octets to the token up to one of end, which stays.
func (d *Decoder) span(end *stops) bool {
	d.dropBody()
	for d.err == nil {
		p, err := d.r.Peek(max(1, d.r.Buffered()))
		if len(p) == 0 {
			d.stop(err)
			return false
		}
		n := 0
		for n < len(p) && !end[p[n]] {
			n++
		}
		if d.line += n; len(d.buf)+n > MaxToken || d.line > MaxLine {
			d.stop(ErrTooLong)
			return false
		}
		more := n == len(p)
		d.buf = append(d.buf, p[:n]...)
		_, _ = d.r.Discard(n) // it is there
		if !more {
			return true
		}
	}
	return false
}

// token returns what span took, which must be something.
func (d *Decoder) token(want string) []byte {
	if d.err == nil && len(d.buf) == 0 {
		d.Fail(want)
	}
	if d.err != nil {
		return nil
	}
	return d.buf
}

// Word takes octets up to a space, a parenthesis, a double quote or the line
// end: an atom, a flag, a number, NIL, a tag. It fails if there are none.
func (d *Decoder) Word() []byte {
	d.buf = d.buf[:0]
	d.span(wordEnd)
	return d.token("an atom")
}

// Item takes the name of a FETCH data item with its section and origin, such
// as BODY[HEADER.FIELDS (DATE)]<0>.
func (d *Decoder) Item() []byte {
	const want = "a FETCH item"
	d.buf = d.buf[:0]
	for d.span(itemEnd) && d.Peek() == '[' {
		if !d.span(sectionEnd) || !d.Accept(']') {
			d.Fail(want)
			return nil
		}
		d.hold(']')
	}
	return d.token(want)
}

// hold appends to the token, within the bound.
func (d *Decoder) hold(c byte) bool {
	if len(d.buf) >= MaxToken {
		d.stop(ErrTooLong)
		return false
	}
	d.buf = append(d.buf, c)
	return true
}

// Number takes a decimal number up to 2^63-1.
func (d *Decoder) Number() uint64 {
	n, digits := uint64(0), 0
	for {
		c, ok := d.next()
		if !ok {
			return 0
		}
		if !isDigit(c) {
			d.back()
			break
		}
		if digits++; digits > 19 || n > (1<<63-1-uint64(c-'0'))/10 {
			d.Fail("a number below 2^63")
			return 0
		}
		n = n*10 + uint64(c-'0')
	}
	if digits == 0 {
		d.Fail("a number")
	}
	return n
}

// String takes a quoted string, a literal, or anything else up to a space, a
// parenthesis or the line end. isNil reports an unquoted NIL. A string of more
// than limit octets is cut; the rest of it is lost.
func (d *Decoder) String(limit int) (s []byte, isNil bool) {
	d.buf = d.buf[:0]
	switch d.Peek() {
	case '"':
		s = d.quoted()
	case '{':
		size, _ := d.Literal()
		return d.held(size, limit), false
	case '~': // a literal8 or a name such as ~peter
		d.Accept('~')
		if d.Peek() == '{' {
			size, _ := d.Literal()
			return d.held(size, limit), false
		}
		d.hold('~')
		s = d.bare()
	default:
		s = d.bare()
		isNil = len(s) == 3 && bytes.EqualFold(s, []byte("NIL"))
	}
	return s[:min(len(s), limit)], isNil
}

// bare takes an unquoted string behind what the token holds already.
func (d *Decoder) bare() []byte {
	d.span(bareEnd)
	return d.token("a string")
}

// quoted takes a quoted string. A backslash makes any octet but a line end
// stand for itself.
func (d *Decoder) quoted() []byte {
	d.Accept('"')
	for d.span(quotedEnd) {
		if d.Accept('"') {
			return d.buf
		}
		d.Accept('\\')
		c, ok := d.next()
		if !ok {
			return nil
		}
		if c == '\r' || c == '\n' {
			d.back()
			d.Fail("a closing quote")
			return nil
		}
		d.hold(c)
	}
	return nil
}

// held reads an open literal of size octets into the token, up to limit.
func (d *Decoder) held(size int64, limit int) []byte {
	if d.err != nil {
		return nil
	}
	n := int(min(size, int64(limit), MaxToken))
	for len(d.buf) < n { // grow with what arrives, not with what is announced
		start := len(d.buf)
		step := min(n-start, 16<<10)
		d.buf = append(d.buf, make([]byte, step)...)
		if _, err := io.ReadFull(&d.lit, d.buf[start:]); err != nil {
			return nil
		}
	}
	d.dropBody()
	return d.buf
}

// Skip takes one value of any kind: a string, a literal, a list with all in it.
func (d *Decoder) Skip() {
	for depth := 0; d.err == nil; {
		d.Space()
		switch c := d.Peek(); {
		case c == '(':
			if depth++; depth > MaxDepth {
				d.Fail("fewer nested lists")
				return
			}
			d.Accept('(')
		case c == ')':
			if depth == 0 {
				d.Fail("a value")
				return
			}
			depth--
			d.Accept(')')
		default:
			d.String(0)
		}
		if depth == 0 {
			return
		}
	}
}

// List takes a list and calls item at the start of each of its elements.
// Without a list there, it fails.
func (d *Decoder) List(item func()) {
	if !d.Accept('(') {
		d.Fail("a list")
		return
	}
	for d.err == nil {
		d.Space()
		if d.Accept(')') {
			return
		}
		item()
	}
}
