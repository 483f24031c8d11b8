package wire

import "bytes"

// ResponseKind is the kind of a server's response.
type ResponseKind uint8

const (
	Untagged ResponseKind = iota
	Tagged
	Continuation // "+"
)

// Status is the outcome a status response tells.
type Status uint8

const (
	StatusNone Status = iota // not a status response
	StatusOK
	StatusNo
	StatusBad
	StatusBye
	StatusPreauth
)

func statusOf(word []byte) Status {
	switch string(word) {
	case "OK":
		return StatusOK
	case "NO":
		return StatusNo
	case "BAD":
		return StatusBad
	case "BYE":
		return StatusBye
	case "PREAUTH":
		return StatusPreauth
	}
	return StatusNone
}

type responseState uint8

const (
	respStart responseState = iota
	respTag
	respName // the word behind "* " or the tag
	respText // free text: braces at its end mean nothing
	respCodeStart
	respCodeName
	respCode
	respCodeQuoted
	respCodeEscape
	respData // anything but text: may end in a literal
	respLiteral
)

// ResponseScanner follows what a server sends, behind its greeting or with it.
// A response is a line with the literals in it. The zero value is ready.
//
// Text for people, in status responses and continuations, may end in what looks
// like a literal's announcement and is none; only inside the brackets of a
// response code it is one (RFC 9051 section 9, resp-text).
type ResponseScanner struct {
	state  responseState
	back   responseState // where to go on behind a literal
	kind   ResponseKind
	status Status
	left   int // octets of the literal still to come
	name   token
	code   token
	tail   tail
	tagLen int // MaxTag+1 if the tag is longer than we remember
	tag    [MaxTag]byte
}

// Kind returns the kind of the response under way or just ended.
func (s *ResponseScanner) Kind() ResponseKind { return s.kind }

// Status returns what a status response tells; StatusNone for others.
func (s *ResponseScanner) Status() Status { return s.status }

// Tag returns the tag of a tagged response, nil if it is longer than MaxTag.
// It is valid until the next call of Scan.
func (s *ResponseScanner) Tag() []byte {
	if s.kind != Tagged || s.tagLen > MaxTag {
		return nil
	}
	return s.tag[:s.tagLen]
}

// Name returns the first word of an untagged response in upper case
// ("CAPABILITY", "OK", "23"); nil if it is longer than 16 octets.
// It is valid until the next call of Scan.
func (s *ResponseScanner) Name() []byte { return s.name.bytes() }

// Code returns the name of a status response's code in upper case; empty
// without one, nil if it is longer than 16 octets. It is valid until the next
// call of Scan.
func (s *ResponseScanner) Code() []byte { return s.code.bytes() }

// Undecided reports whether a response has begun of which kind, tag, name or
// code are not known yet.
func (s *ResponseScanner) Undecided() bool {
	return s.state >= respTag && s.state <= respName || s.state == respCodeStart || s.state == respCodeName
}

// Between reports whether the bytes scanned end with a whole response.
func (s *ResponseScanner) Between() bool { return s.state == respStart }

// Scan scans the beginning of b and stops behind the first response that ends
// there. Without one it scans all of b and reports false.
func (s *ResponseScanner) Scan(b []byte) (n int, end bool) {
	for n < len(b) {
		used, end := s.step(b[n:])
		n += used
		if end {
			s.state = respStart
			return n, true
		}
	}
	return n, false
}

// step scans one byte or more of b, which is not empty.
func (s *ResponseScanner) step(b []byte) (n int, end bool) {
	switch s.state {
	case respData:
		return s.scanData(b)
	case respLiteral:
		return s.scanLiteral(b)
	case respText:
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			return i + 1, true
		}
		return len(b), false
	case respStart:
		s.begin()
		return s.scanTag(b)
	case respTag:
		return s.scanTag(b)
	case respName:
		return s.scanName(b)
	}
	return s.scanCode(b[0])
}

func (s *ResponseScanner) begin() {
	s.state, s.kind, s.status, s.tagLen = respTag, Untagged, StatusNone, 0
	s.name.reset()
	s.code.reset()
	s.tail.reset()
}

func (s *ResponseScanner) scanTag(b []byte) (int, bool) {
	for i, c := range b {
		if c == '\n' {
			s.decideKind()
			return i + 1, true
		}
		if c == ' ' {
			s.decideKind()
			return i + 1, false
		}
		if s.tagLen < MaxTag {
			s.tag[s.tagLen] = c
		}
		if s.tagLen <= MaxTag {
			s.tagLen++
		}
	}
	return len(b), false
}

// decideKind looks at the first word of a response.
func (s *ResponseScanner) decideKind() {
	s.state = respName
	if s.tagLen > 0 && s.tag[0] == '+' { // "+" alone is seen as well
		s.kind, s.state = Continuation, respText
		return
	}
	if s.tagLen == 1 && s.tag[0] == '*' {
		return
	}
	s.kind = Tagged
}

func (s *ResponseScanner) scanName(b []byte) (int, bool) {
	for i, c := range b {
		if c != ' ' && c != '\r' && c != '\n' && !s.name.long() {
			s.name.add(c)
			continue
		}
		s.status = statusOf(s.name.bytes())
		s.state = respData
		if s.status != StatusNone {
			s.state = respCodeStart
		} else if s.kind == Tagged {
			s.state = respText // no server's grammar; a line is what one can hope for
		}
		if c == ' ' && s.state != respData {
			i++
		}
		return i, false
	}
	return len(b), false
}

// scanData looks for the end of a line that may announce a literal.
func (s *ResponseScanner) scanData(b []byte) (int, bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		s.tail.add(b)
		return len(b), false
	}
	lit, ok := s.tail.end(b[:i])
	if !ok {
		return i + 1, true
	}
	s.literal(lit, respData)
	return i + 1, false
}

func (s *ResponseScanner) literal(lit Literal, back responseState) {
	s.back, s.left, s.state = back, lit.Size, respLiteral
	if s.left == 0 {
		s.state = back
	}
}

func (s *ResponseScanner) scanLiteral(b []byte) (int, bool) {
	n := min(len(b), s.left)
	if s.left -= n; s.left == 0 {
		s.state = s.back
	}
	return n, false
}

// scanCode scans one byte of a response code, up to its closing bracket.
func (s *ResponseScanner) scanCode(c byte) (int, bool) {
	if c == '\n' {
		return s.endCodeLine()
	}
	var one = [1]byte{c}
	s.tail.add(one[:])
	switch s.state {
	case respCodeStart:
		s.state = respText
		if c == '[' {
			s.state = respCodeName
		}
	case respCodeName, respCode:
		s.code1(c)
	case respCodeQuoted:
		if c == '"' {
			s.state = respCode
		} else if c == '\\' {
			s.state = respCodeEscape
		}
	case respCodeEscape:
		s.state = respCodeQuoted
	}
	return 1, false
}

func (s *ResponseScanner) code1(c byte) {
	switch {
	case c == ']':
		s.state = respText
	case c == '"':
		s.state = respCodeQuoted
	case s.state == respCode || c == '\r':
	case c == ' ' || s.code.long():
		s.state = respCode
	default:
		s.code.add(c)
	}
}

// endCodeLine deals with a line that ends before its response code does.
func (s *ResponseScanner) endCodeLine() (int, bool) {
	lit, ok := s.tail.end(nil)
	if !ok || s.state == respCodeStart {
		return 1, true
	}
	s.literal(lit, respCode)
	return 1, false
}
