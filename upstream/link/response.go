package link

import "strings"

const (
	// maxStatus is the longest status response that is kept, maxCode the longest name of
	// its code. Octets.
	maxStatus = 64 << 10
	maxCode   = 64
)

// Response is an OK, NO, BAD, BYE or PREAUTH.
type Response struct {
	Kind string // upper case
	Code string // response code, upper case, "" for none
	Args string // what follows the code within its brackets
	Text string // for people
}

// ParseResponse takes the text behind OK, NO, ... apart.
func ParseResponse(kind string, line []byte) Response {
	st := Response{Kind: kind, Text: strings.TrimSpace(string(line[:min(len(line), maxStatus)]))}
	if !strings.HasPrefix(st.Text, "[") {
		return st
	}
	end := codeEnd(st.Text)
	if end < 0 {
		return st
	}
	code, args, _ := strings.Cut(st.Text[1:end], " ")
	if len(code) > maxCode {
		return st
	}
	st.Code, st.Args = strings.ToUpper(code), strings.TrimSpace(args)
	st.Text = strings.TrimSpace(st.Text[end+1:])
	return st
}

// codeEnd finds the bracket that closes a response code, past quoted strings
// and brackets within flags and words.
func codeEnd(s string) int {
	quoted, depth := false, 0
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ']' && depth <= 0:
			return i
		}
	}
	return strings.IndexByte(s, ']') // unbalanced: the first will do
}
