package wire

import "bytes"

// scanArg scans one byte of the arguments that are gathered. What is not
// understood is not gathered; the line then is only followed to its end.
func (s *CommandScanner) scanArg(b []byte) (int, CommandEvent) {
	c := b[0]
	if c == '\n' {
		return 1, s.endArgLine()
	}
	s.tail.add(b[:1])
	switch s.state {
	case beforeArg:
		s.beginArg(c)
	case inAtom:
		if c == ' ' {
			s.endArg(beforeArg)
		} else {
			s.keep(c)
		}
	case inQuoted:
		s.quoted(c)
	case inEscape:
		s.keep(c)
		s.state = inQuoted
	case afterArg:
		s.betweenArgs(c)
	}
	return 1, CommandMore
}

// beginArg looks at the first byte of an argument.
func (s *CommandScanner) beginArg(c byte) {
	if c == ' ' || c == '\r' {
		return
	}
	s.arg[s.nargs] = s.arg[s.nargs][:0]
	switch c {
	case '"':
		s.state = inQuoted
	default:
		s.state = inAtom
		s.keep(c)
	}
}

func (s *CommandScanner) quoted(c byte) {
	switch c {
	case '"':
		s.endArg(afterArg)
	case '\\':
		s.state = inEscape
	default:
		s.keep(c)
	}
}

// betweenArgs looks at what follows a quoted string or a literal.
func (s *CommandScanner) betweenArgs(c byte) {
	switch {
	case c == ' ' && s.nargs < s.verb.args():
		s.state = beforeArg
	case c == ' ':
		s.state = inRest
	case c != '\r':
		s.giveUp()
	}
}

// keep appends to the argument under way.
func (s *CommandScanner) keep(p ...byte) {
	a := &s.arg[s.nargs]
	if len(*a)+len(p) > maxArg {
		s.broken = true
		return
	}
	*a = append(*a, p...)
}

// endArg completes the argument under way; next is the state if more follow.
func (s *CommandScanner) endArg(next commandState) {
	s.gather = false
	s.nargs++
	if s.broken || next == beforeArg && s.nargs == s.verb.args() {
		next = inRest
	}
	s.state = next
}

// giveUp leaves the arguments alone.
func (s *CommandScanner) giveUp() {
	s.broken = true
	s.state = inRest
}

// endArgLine deals with the end of a line within the arguments.
func (s *CommandScanner) endArgLine() CommandEvent {
	state := s.state
	lit, ok := s.tail.end(nil)
	switch {
	case ok && state == inAtom && announces(s.arg[s.nargs]):
		s.arg[s.nargs] = s.arg[s.nargs][:0]
		s.gather = true
		return s.announce(lit)
	case ok:
		s.giveUp()
		s.gather = false
		return s.announce(lit)
	case state == inAtom:
		s.trimCR()
		s.nargs++
	case state == inQuoted, state == inEscape:
		s.broken = true
	}
	return s.endLine()
}

func (s *CommandScanner) trimCR() {
	a := &s.arg[s.nargs]
	if n := len(*a); n > 0 && (*a)[n-1] == '\r' {
		*a = (*a)[:n-1]
	}
}

// announces reports whether an argument is nothing but the announcement of a
// literal, given that the line it ends with is one.
func announces(arg []byte) bool {
	return bytes.HasPrefix(arg, []byte("{")) || bytes.HasPrefix(arg, []byte("~{"))
}
