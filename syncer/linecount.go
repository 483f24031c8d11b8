package syncer

import "bytes"

// lineCount counts line ends, as servers count and store those in several ways.
type lineCount struct {
	lf, cr, crlf int64
	last         byte
}

// count takes the next piece of a message.
func (l *lineCount) count(p []byte) {
	if len(p) == 0 {
		return
	}
	l.lf += int64(bytes.Count(p, []byte{'\n'}))
	l.cr += int64(bytes.Count(p, []byte{'\r'}))
	l.crlf += int64(bytes.Count(p, []byte("\r\n")))
	if l.last == '\r' && p[0] == '\n' {
		l.crlf++
	}
	l.last = p[len(p)-1]
}

// explain tells whether a copy may have its size because its server stores line ends in its own
// way: all as CRLF, or as LF; bare CRs as they are, or not at all; a line end at the end added.
func (l *lineCount) explain(sent, copied int64) bool {
	text := sent - l.cr - l.lf
	for _, lines := range []int64{l.lf, l.lf + 1} {
		if lines > l.lf && l.last == '\n' {
			break
		}
		for _, bare := range []int64{0, l.cr - l.crlf} {
			if copied == text+bare+lines || copied == text+bare+2*lines {
				return true
			}
		}
	}
	return copied == sent
}
