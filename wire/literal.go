package wire

import "math"

// Literal is the announcement of a literal at the end of a line (RFC 9051
// section 4.3, RFC 7888, RFC 3516).
type Literal struct {
	Size    int  // octets that follow the line's CRLF
	NonSync bool // {n+}: sent without waiting for the other side's "+"
	Binary  bool // ~{n}: a literal8, which may contain NUL
}

// ParseLiteral recognises the announcement of a literal at the end of a line
// whose line end is already cut off: {n}, {n+}, ~{n} and ~{n+}. A brace glued
// to an atom (x{5}) announces nothing, nor does a size beyond the range of an
// int. Whether the line is one that can end in a literal at all, which status
// text cannot, is for the caller to know.
func ParseLiteral(line []byte) (Literal, bool) {
	var lit Literal
	i := len(line) - 1
	if i < 2 || line[i] != '}' {
		return Literal{}, false
	}
	i--
	if line[i] == '+' {
		lit.NonSync = true
		i--
	}
	end := i
	for i >= 0 && isDigit(line[i]) {
		i--
	}
	if i < 0 || line[i] != '{' || i == end {
		return Literal{}, false
	}
	size, ok := parseSize(line[i+1 : end+1])
	if !ok {
		return Literal{}, false
	}
	lit.Size = size
	i--
	if i >= 0 && line[i] == '~' {
		lit.Binary = true
		i--
	}
	if i >= 0 && IsAtomChar(line[i]) {
		return Literal{}, false
	}
	return lit, true
}

// parseSize reads decimal digits into an int, reporting false on overflow.
func parseSize(digits []byte) (int, bool) {
	n := 0
	for _, c := range digits {
		d := int(c - '0')
		if n > (math.MaxInt-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// IsAtomChar reports whether c is an ATOM-CHAR (RFC 9051 section 9): any
// 7-bit printable except the atom-specials.
func IsAtomChar(c byte) bool {
	switch c {
	case '(', ')', '{', ' ', '%', '*', '"', '\\', ']':
		return false
	}
	return c > 0x1f && c < 0x7f
}
