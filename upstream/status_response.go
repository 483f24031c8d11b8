package upstream

import "strings"

const (
	// maxStatus is the longest status response that is kept, maxCode the longest name of
	// its code. Octets.
	maxStatus = 64 << 10
	maxCode   = 64
)

// status is an OK, NO, BAD, BYE or PREAUTH.
type status struct {
	kind string // upper case
	code string // response code, upper case, "" for none
	args string // what follows the code within its brackets
	text string // for people
}

// parseStatus takes the text behind OK, NO, ... apart.
func parseStatus(kind string, line []byte) status {
	st := status{kind: kind, text: strings.TrimSpace(string(line[:min(len(line), maxStatus)]))}
	if !strings.HasPrefix(st.text, "[") {
		return st
	}
	end := codeEnd(st.text)
	if end < 0 {
		return st
	}
	code, args, _ := strings.Cut(st.text[1:end], " ")
	if len(code) > maxCode {
		return st
	}
	st.code, st.args = strings.ToUpper(code), strings.TrimSpace(args)
	st.text = strings.TrimSpace(st.text[end+1:])
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
