package config

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Check reports what no server can be given. The error is a *Mistake.
func (a AccountLine) Check() error {
	switch {
	case a.Login == "":
		return wrong("empty_login", "has an empty %s", "login")
	case a.Password == "":
		return wrong("empty_password", "has an empty %s", "password")
	}
	for _, v := range a.values() {
		if err := checkValue(v.name, v.value, v.secret); err != nil {
			return err
		}
	}
	return nil
}

// accountValue is one value of a line.
type accountValue struct {
	name, value string
	secret      bool
}

func (a AccountLine) values() []accountValue {
	return []accountValue{{"login", a.Login, false}, {"password", a.Password, true}, {"new login", a.NewLogin, false}, {"new password", a.NewPassword, true}}
}

// checkValue reports a value that no server can be given.
func checkValue(name, v string, secret bool) error {
	switch {
	case len(v) > maxAccountLine:
		return errLineLong
	case strings.ContainsRune(v, 0):
		return wrong("control_character", "has a NUL character in the %s", name)
	case strings.ContainsAny(v, "\r\n"):
		return wrong("carriage_return", "has a carriage return in the %s; expected lines that end in LF or CRLF", name)
	case !secret && strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return wrong("control_character", "has a control character in the %s", name)
	case !secret && !utf8.ValidString(v):
		return wrong("not_utf8", "has bytes that are not UTF-8 in the %s", name)
	}
	return nil
}

// checkVisible reports characters that nobody sees in a login that a person has copied
// from somewhere: zero-width ones, marks of the writing direction, blanks that are none
// of ASCII's (NO-BREAK SPACE above all). The server would refuse it, and whoever reads the
// list would search for the reason for ever. Passwords mean themselves.
func checkVisible(a AccountLine) error {
	for _, v := range a.values() {
		i := strings.IndexFunc(v.value, invisible)
		if v.secret || i < 0 {
			continue
		}
		r, _ := utf8.DecodeRuneInString(v.value[i:])
		name := fmt.Sprintf("U+%04X", r)
		return &Mistake{Code: "invisible_" + codeOf(v.name), Args: map[string]any{"value": name},
			Text: fmt.Sprintf("has a character that can't be seen (%s) in the %s; expected it to be typed anew", name, v.name)}
	}
	return nil
}

func invisible(r rune) bool {
	return r >= utf8.RuneSelf && (unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Cc, r) ||
		unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r))
}

// lineEnds makes LF of the line ends of a list that has CR alone, as old Macs wrote it.
// It is one if its beginning, as long as a line may be, has CR and no LF.
func lineEnds(r io.Reader) io.Reader {
	b := bufio.NewReaderSize(r, maxAccountLine+2)
	begin, _ := b.Peek(maxAccountLine + 2) // what can't be read is found when it is read
	text := string(begin)
	if strings.Contains(text, "\n") || !strings.Contains(strings.TrimRight(text, "\r"), "\r") {
		return b
	}
	return crLines{b}
}

// crLines reads CR as LF. LF becomes CR, so that a line with one is a mistake as any with CR is.
type crLines struct{ r io.Reader }

func (c crLines) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for i, b := range p[:n] {
		switch b {
		case '\r':
			p[i] = '\n'
		case '\n':
			p[i] = '\r'
		}
	}
	return n, err
}
