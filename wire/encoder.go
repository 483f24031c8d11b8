package wire

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// Encoder writes commands to a server. What can't be written safely, such as
// a line end within a name, is refused: the error is sticky, tells what it
// was, and nothing after it is written.
type Encoder struct {
	w   *bufio.Writer
	err error
	buf []byte
}

// NewEncoder returns an encoder that writes to w. Flushing is the caller's.
func NewEncoder(w *bufio.Writer) *Encoder { return &Encoder{w: w} }

// Err returns what was refused, or the writer's error.
func (e *Encoder) Err() error { return e.err }

func (e *Encoder) str(s string) *Encoder {
	if e.err == nil {
		_, e.err = e.w.WriteString(s)
	}
	return e
}

func (e *Encoder) bytes(b []byte) *Encoder {
	if e.err == nil {
		_, e.err = e.w.Write(b)
	}
	return e
}

func (e *Encoder) refuse(what, s string) *Encoder {
	if e.err == nil {
		e.err = fmt.Errorf("imap: %s can't be sent: %.80q", what, s)
	}
	return e
}

// Raw writes syntax as it is: printable octets, without a line end.
func (e *Encoder) Raw(s string) *Encoder {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == 0x7f {
			return e.refuse("a control character", s)
		}
	}
	return e.str(s)
}

// SP writes a space.
func (e *Encoder) SP() *Encoder { return e.str(" ") }

// Quoted writes a quoted string. Octets above 127 go as they are, which
// servers take that speak of such names themselves.
func (e *Encoder) Quoted(s string) *Encoder {
	if strings.ContainsAny(s, "\r\n\x00") {
		return e.refuse("a line end or NUL in a quoted string", s)
	}
	b := append(e.buf[:0], '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	e.buf = append(b, '"')
	return e.bytes(e.buf)
}

// Quotable reports whether s can be a quoted string for every server: 7-bit,
// without control characters.
func Quotable(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// Mailbox writes a raw mailbox name.
func (e *Encoder) Mailbox(raw string) *Encoder {
	if IsInbox(raw) {
		return e.str("INBOX")
	}
	return e.Quoted(raw)
}

// Number writes a number.
func (e *Encoder) Number(n uint64) *Encoder {
	e.buf = strconv.AppendUint(e.buf[:0], n, 10)
	return e.bytes(e.buf)
}

// Literal announces a literal of size octets, line end included. The octets
// follow from the caller, after the server's "+" unless nonSync.
func (e *Encoder) Literal(size int64, nonSync bool) *Encoder {
	b := append(e.buf[:0], '{')
	b = strconv.AppendInt(b, size, 10)
	if nonSync {
		b = append(b, '+')
	}
	e.buf = append(b, "}\r\n"...)
	return e.bytes(e.buf)
}

// ValidFlag reports whether a flag is one that can be sent in a command: an
// atom or a backslash with an atom, not \Recent and not \*.
func ValidFlag(f imap.Flag) bool {
	name := strings.TrimPrefix(string(f), `\`)
	if name == "" || strings.EqualFold(string(f), `\Recent`) {
		return false
	}
	for i := 0; i < len(name); i++ {
		if !IsAtomChar(name[i]) {
			return false
		}
	}
	return true
}

// Flags writes a list of flags, without those that can't be sent.
func (e *Encoder) Flags(flags []imap.Flag) *Encoder {
	b := append(e.buf[:0], '(')
	for _, f := range flags {
		if !ValidFlag(f) {
			continue
		}
		if len(b) > 1 {
			b = append(b, ' ')
		}
		b = append(b, f...)
	}
	e.buf = append(b, ')')
	return e.bytes(e.buf)
}

// dateTime is the layout of date-time (RFC 9051 section 9).
const dateTime = "_2-Jan-2006 15:04:05 -0700"

// Date writes a date-time.
func (e *Encoder) Date(t time.Time) *Encoder {
	if y := t.Year(); y < 0 || y > 9999 {
		return e.refuse("a date", t.String())
	}
	e.buf = append(e.buf[:0], '"')
	e.buf = t.AppendFormat(e.buf, dateTime)
	e.buf = append(e.buf, '"')
	return e.bytes(e.buf)
}

// dateLayouts are what servers make of date-time.
var dateLayouts = [...]string{
	"_2-Jan-2006 15:04:05 -0700", "_2-Jan-2006 15:04:05", "_2-Jan-2006 15:04:05 MST", "_2-Jan-06 15:04:05 -0700",
	"Mon, _2 Jan 2006 15:04:05 -0700", "_2 Jan 2006 15:04:05 -0700", time.RFC3339,
}

// ParseDate reads a date-time, with a blank, a zero or nothing before a
// single digit of the day, with or without the zone, and some that are none
// but leave no doubt what is meant. ok is false for all others and for years
// that can't be sent.
func ParseDate(s string) (t time.Time, ok bool) {
	s = strings.TrimSpace(s)
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 && t.Year() < 10000 {
			return t, true
		}
	}
	return time.Time{}, false
}

// UIDs writes a set of UIDs, which must not be empty.
func (e *Encoder) UIDs(set imap.UIDSet) *Encoder {
	if len(set) == 0 {
		return e.refuse("an empty set", "")
	}
	return e.str(set.String())
}

// CRLF ends the line.
func (e *Encoder) CRLF() *Encoder { return e.str("\r\n") }
