package message

import "bytes"

// LineEnds counts line ends, as servers count and store those in several ways.
type LineEnds struct {
	LF, CR, CRLF int64
	last         byte
}

// Count takes the next piece of a message.
func (l *LineEnds) Count(p []byte) {
	if len(p) == 0 {
		return
	}
	l.LF += int64(bytes.Count(p, []byte{'\n'}))
	l.CR += int64(bytes.Count(p, []byte{'\r'}))
	l.CRLF += int64(bytes.Count(p, []byte("\r\n")))
	if l.last == '\r' && p[0] == '\n' {
		l.CRLF++
	}
	l.last = p[len(p)-1]
}

// Explain tells whether a copy may have its size because its server stores line ends in its own
// way: all as CRLF, or as LF; bare CRs as they are, or not at all; a line end at the end added.
func (l *LineEnds) Explain(sent, copied int64) bool {
	text := sent - l.CR - l.LF
	for _, lines := range []int64{l.LF, l.LF + 1} {
		if lines > l.LF && l.last == '\n' {
			break
		}
		for _, bare := range []int64{0, l.CR - l.CRLF} {
			if copied == text+bare+lines || copied == text+bare+2*lines {
				return true
			}
		}
	}
	return copied == sent
}
