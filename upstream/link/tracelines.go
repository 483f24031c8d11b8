package link

import (
	"bytes"
	"fmt"
	"strings"

	"postferry/wire"
)

const (
	// maxTraced is how much of a line a trace shows. Octets.
	maxTraced = 2000
	// tracedTail is the most of a line's end that can announce a literal.
	tracedTail = 32
)

// traceLines cuts one direction of a connection into lines and steps over the
// literals in between. It never holds more than a line's shown part.
type traceLines struct {
	kept      []byte
	tail      []byte
	length    int // of the line so far
	skip      int // octets of a literal still to pass
	continued bool
}

// traceLine is a line without its end.
type traceLine struct {
	text      string // without the literal it announces
	whole     string
	length    int  // as it was
	continued bool // follows a literal of the same command or response
	literal   bool
	size      int // of the literal
}

// end is what a line ends in.
func (l *traceLine) end() string {
	var b strings.Builder
	if l.length > maxTraced {
		fmt.Fprintf(&b, "... (%d octets)", l.length)
	}
	if l.literal {
		fmt.Fprintf(&b, "{%d octets}", l.size)
	}
	return b.String()
}

// feed takes octets and calls line for each line that ends in them. line may
// say that what looked like a literal is none.
func (t *traceLines) feed(p []byte, line func(*traceLine)) {
	for len(p) > 0 {
		if t.skip > 0 {
			n := min(t.skip, len(p))
			t.skip -= n
			p = p[n:]
			continue
		}
		n := len(p)
		end := bytes.IndexByte(p, '\n')
		if end >= 0 {
			n = end + 1
		}
		t.add(p[:n])
		p = p[n:]
		if end >= 0 {
			t.finish(line)
		}
	}
}

func (t *traceLines) add(p []byte) {
	t.length += len(p)
	t.kept = append(t.kept, p[:min(len(p), maxTraced-len(t.kept))]...)
	t.tail = append(t.tail, p[max(0, len(p)-tracedTail-2):]...)
	t.tail = t.tail[max(0, len(t.tail)-tracedTail-2):]
}

func (t *traceLines) finish(line func(*traceLine)) {
	tail := bytes.TrimRight(t.tail, "\r\n")
	lit, announced := wire.ParseLiteral(tail)
	text := string(bytes.TrimRight(t.kept, "\r\n"))
	l := traceLine{whole: text, text: text, length: t.length, continued: t.continued, literal: announced, size: lit.Size}
	if announced && t.length <= maxTraced {
		l.text = strings.TrimSuffix(text[:strings.LastIndexByte(text, '{')], "~")
	}
	line(&l)
	t.kept, t.tail, t.length = t.kept[:0], t.tail[:0], 0
	t.continued = l.literal
	if l.literal {
		t.skip = l.size
	}
}
