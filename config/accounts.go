package config

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	// MaxAccounts bounds the lines with accounts in one list.
	MaxAccounts = 100_000
	// maxAccountLine bounds a line of a list, without its end. Octets.
	maxAccountLine = 4096
)

// AccountLine is one account of a list. However it is printed, the passwords
// are left out.
type AccountLine struct {
	Line        int    // where it stands, starting at 1
	Login       string // what clients log in with, and the old server knows
	Password    string // at the old server
	NewLogin    string // at the new server; "" if the same
	NewPassword string // "" if the same
}

// Format implements fmt.Formatter for every verb, without the passwords.
func (a AccountLine) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "line %d: %q", a.Line, a.Login)
	if a.NewLogin != "" {
		fmt.Fprintf(s, " -> %q", a.NewLogin)
	}
}

// MarshalJSON leaves the passwords out, rather than masking them: a mask that
// is read back would pass for a password.
func (a AccountLine) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"line": a.Line, "login": a.Login, "new_login": a.NewLogin})
}

// ParseAccounts reads a list of accounts in the form that hosting providers
// use, one account a line:
//
//	login password
//	login password new_login new_password
//
// Values are separated by spaces or tabs. A value that begins with a double
// quote ends with one, may hold blanks, and holds a quote where two stand
// together; anywhere else a quote, like a backslash or a percent sign, means
// itself. A line whose first character after blanks is # is a comment; a # that
// comes later, even at the beginning of a password, means itself. Empty lines
// are skipped. The text is UTF-8, with or without byte order mark, with LF or CRLF.
//
// checks are run on every account that reads well, and what they return counts as
// a mistake of that line.
//
// All mistakes come together in an *Error, and no account then. They name lines
// but never quote them, because any part of a line that is wrong may be a
// password. Any other error means that r could not be read.
func ParseAccounts(r io.Reader, checks ...func(AccountLine) error) ([]AccountLine, error) {
	p := accountParser{r: bufio.NewReaderSize(r, maxAccountLine+2), checks: checks, seen: map[string]int{}}
	for {
		more, err := p.next()
		if err != nil {
			return nil, fmt.Errorf("reading the list of accounts: %w", err)
		}
		if !more {
			break
		}
	}
	if len(p.mistakes) == 0 && len(p.accounts) == 0 {
		p.mistakes = append(p.mistakes, Finding{Text: "no accounts; expected lines with a login and a password"})
	}
	if err := newError(p.mistakes); err != nil {
		return nil, err
	}
	return p.accounts, nil
}

type accountParser struct {
	r        *bufio.Reader
	checks   []func(AccountLine) error
	line     int
	used     int            // lines that are neither empty nor comments
	seen     map[string]int // login in lower case -> line
	accounts []AccountLine
	mistakes []Finding
}

func (p *accountParser) mistake(text string) {
	p.mistakes = append(p.mistakes, Finding{Line: p.line, Text: text})
}

// next reads a line; more is false after the last one.
func (p *accountParser) next() (more bool, err error) {
	raw, err := p.r.ReadSlice('\n')
	p.line++
	switch {
	case err == bufio.ErrBufferFull:
		p.count()
		p.mistake("is too long; expected at most 4096 octets")
		err = p.skipLine()
	case err == nil || err == io.EOF:
		p.parse(trimLine(raw, p.line == 1))
	}
	if err == io.EOF {
		return false, nil
	}
	return err == nil && p.used <= MaxAccounts, err
}

// skipLine discards the rest of a line.
func (p *accountParser) skipLine() error {
	for {
		_, err := p.r.ReadSlice('\n')
		if err != bufio.ErrBufferFull {
			return err
		}
	}
}

// trimLine removes the line's end, and the byte order mark of the first line.
func trimLine(raw []byte, first bool) []byte {
	if first {
		raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	}
	raw = bytes.TrimSuffix(raw, []byte("\n"))
	return bytes.TrimSuffix(raw, []byte("\r"))
}

// count counts a line with an account, right or wrong.
func (p *accountParser) count() bool {
	if p.used++; p.used == MaxAccounts+1 {
		p.mistake("begins account 100,001; expected at most 100,000 in one list")
	}
	return p.used <= MaxAccounts
}

// parse takes a line in.
func (p *accountParser) parse(raw []byte) {
	line := strings.Trim(string(raw), " \t")
	if line == "" || line[0] == '#' || !p.count() {
		return
	}
	switch {
	case len(raw) > maxAccountLine:
		p.mistake("is too long; expected at most 4096 octets")
		return
	case p.line == 1 && (strings.HasPrefix(line, "\xff\xfe") || strings.HasPrefix(line, "\xfe\xff")):
		p.mistake("begins like UTF-16; expected the list to be saved as UTF-8")
		return
	case !utf8.ValidString(line):
		p.mistake("has bytes that are not UTF-8; expected the list to be saved as UTF-8")
		return
	case strings.ContainsRune(line, 0):
		p.mistake("has a NUL character")
		return
	}
	values, err := splitValues(line)
	if err == nil {
		err = p.take(values)
	}
	if err != nil {
		p.mistake(err.Error())
	}
}

// take makes an account of a line's values.
func (p *accountParser) take(values []string) error {
	if len(values) != 2 && len(values) != 4 {
		return fmt.Errorf("has %s; expected two (login password) or four (login password new_login new_password); "+
			"a value with spaces needs double quotes", plural(len(values), "value"))
	}
	a := AccountLine{Line: p.line, Login: values[0], Password: values[1]}
	if len(values) == 4 {
		a.NewLogin, a.NewPassword = values[2], values[3]
	}
	names := []string{"login", "password", "new login", "new password"}
	for i, v := range values {
		if err := checkValue(names[i], v, i%2 == 1); err != nil {
			return err
		}
	}
	key := lowerASCII(a.Login)
	if first, ok := p.seen[key]; ok {
		return fmt.Errorf("has the login of line %d again", first)
	}
	p.seen[key] = p.line
	for _, check := range p.checks {
		if err := check(a); err != nil {
			return err
		}
	}
	p.accounts = append(p.accounts, a)
	return nil
}

// checkValue reports a value that no server can be given.
func checkValue(name, v string, secret bool) error {
	switch {
	case v == "":
		return fmt.Errorf("has an empty %s", name)
	case strings.ContainsRune(v, '\r'):
		return fmt.Errorf("has a carriage return in the %s; expected lines that end in LF or CRLF", name)
	case !secret && strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("has a control character in the %s", name)
	}
	return nil
}

// splitValues splits a line without blanks around it.
func splitValues(line string) ([]string, error) {
	var values []string
	for line != "" {
		var v string
		if line[0] == '"' {
			var err error
			if v, line, err = quoted(line[1:]); err != nil {
				return nil, err
			}
		} else {
			end := strings.IndexAny(line, " \t")
			if end < 0 {
				end = len(line)
			}
			v, line = line[:end], line[end:]
		}
		values = append(values, v)
		line = strings.TrimLeft(line, " \t")
	}
	return values, nil
}

// quoted reads a value up to its closing quote, and what follows it.
func quoted(s string) (v, rest string, err error) {
	var b strings.Builder
	for {
		part, after, closed := strings.Cut(s, `"`)
		b.WriteString(part)
		if !closed {
			return "", "", errors.New(`has an opening " without a closing one; a " at the beginning of a value opens it, a "" inside stands for one`)
		}
		if !strings.HasPrefix(after, `"`) {
			if after != "" && after[0] != ' ' && after[0] != '\t' {
				return "", "", errors.New(`has something right after a closing "; expected a space, a tab or the end of the line; a "" inside stands for one "`)
			}
			return b.String(), after, nil
		}
		b.WriteByte('"')
		s = after[1:]
	}
}

// plural counts things: "1 value", "3 values".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
