package config

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"postferry/internal/asciifold"
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

// New is what opens the new server.
func (a AccountLine) New() (login, password string) {
	login, password = a.NewLogin, a.NewPassword
	if login == "" {
		login = a.Login
	}
	if password == "" {
		password = a.Password
	}
	return login, password
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

// ListFormat is how a list of accounts is laid out.
type ListFormat string

const (
	// ListAuto is CSV if the first line names columns, else ListPlain.
	ListAuto ListFormat = ""
	// ListPlain has values between blanks, see ReadAccounts.
	ListPlain ListFormat = "list"
	// ListCSV has a first line that names columns, see ReadAccounts.
	ListCSV ListFormat = "csv"
)

// ListOptions say how a list is read.
type ListOptions struct {
	Format   ListFormat
	Encoding ListEncoding
	// Check is run on every account that reads well; what it returns counts as
	// a mistake of that line. nil for none.
	Check func(AccountLine) error
	// Passwordless tells whether an account needs no password, because Postferry signs in for it in
	// another way; nil if all do. Then a list may have logins alone.
	Passwordless func(AccountLine) bool
}

// needless tells whether a line may do without a password.
func (o *ListOptions) needless(a AccountLine) bool {
	return a.Login != "" && a.Password == "" && o.Passwordless != nil && o.Passwordless(a)
}

// AccountList is a list that was read to its end.
type AccountList struct {
	Format   ListFormat // ListPlain or ListCSV
	Accounts []AccountLine
	Ignored  []string  // names of columns (CSV) that mean nothing to us
	Mistakes []Finding // in the order of their lines; at most 1,000
	Omitted  int       // mistakes beyond those
}

// ReadAccounts reads a list of accounts in one of two forms. The first is the
// one that hosting providers use, one account a line:
//
//	login password
//	login password new_login new_password
//
// A login can stand alone where no password is needed.
//
// Values are separated by spaces or tabs. A value that begins with a double
// quote ends with one, may hold blanks, and holds a quote where two stand
// together; anywhere else a quote, like a backslash or a percent sign, means
// itself. A line whose first character after blanks is # is a comment; a # that
// comes later, even at the beginning of a password, means itself.
//
// The other is CSV (RFC 4180) with a first line that names the columns:
//
//	login;password;new login;new password
//
// The last two are optional, and so are their values. Columns are separated by
// commas, semicolons or tabs, whichever the first line has; their names are known in
// English, German and Russian, in any order and case. No value goes over
// several lines. Blanks belong to a password, not to a login.
//
// If the names have a blank behind each separator, so may the values, and it belongs to
// none of them. Where all passwords but not the names begin with a blank nobody can know
// whether it belongs to them: that is a mistake.
//
// In both, empty lines are skipped, lines end in LF, CRLF or, in a list without any LF,
// CR, and there may be a byte order mark. A login is taken once; a line that has it again
// is a mistake. So is a character that nobody can see in a login: it came along when the
// login was copied from somewhere.
//
// Mistakes name lines but never quote them, because any part of a line that is
// wrong may be a password. An error means that r could not be read.
func ReadAccounts(r io.Reader, opt ListOptions) (*AccountList, error) {
	raw := bufio.NewReader(r)
	if notText(raw) {
		return &AccountList{Format: cmp.Or(opt.Format, ListPlain), Mistakes: []Finding{{Code: "not_text",
			Text: "this is no text, but the file of a spreadsheet program or the like; expected it to be saved as CSV, in UTF-8"}}}, nil
	}
	text, decoded := decodeList(raw, opt.Encoding)
	p := accountParser{
		r: bufio.NewReaderSize(lineEnds(text), maxAccountLine+2), opt: opt, decoded: decoded, seen: map[string]int{}, newLogins: NewLogins{},
		list: AccountList{Format: opt.Format},
	}
	for {
		more, err := p.next()
		if err != nil {
			return nil, fmt.Errorf("reading the list of accounts: %w", err)
		}
		if !more {
			break
		}
	}
	return p.end(), nil
}

// Err is an *Error with all mistakes of a list that is taken whole or not at all; nil if it has none.
func (l *AccountList) Err() error {
	if len(l.Mistakes) == 0 {
		return nil
	}
	return &Error{Mistakes: l.Mistakes, Omitted: l.Omitted}
}

// ParseAccounts is ReadAccounts for lists that are taken whole or not at all:
// mistakes come together in an *Error, and no account then. Any other error
// means that r could not be read.
func ParseAccounts(r io.Reader, opt ListOptions) ([]AccountLine, error) {
	list, err := ReadAccounts(r, opt)
	if err == nil {
		err = list.Err()
	}
	if err != nil {
		return nil, err
	}
	return list.Accounts, nil
}

type accountParser struct {
	r         *bufio.Reader
	opt       ListOptions
	decoded   bool // the text was in another encoding than UTF-8
	columns   *columns
	line      int
	used      int            // lines that are neither empty nor comments
	seen      map[string]int // login in lower case -> line
	newLogins NewLogins
	list      AccountList
}

// mistake notes what is wrong with the line.
func (p *accountParser) mistake(err error) {
	if len(p.list.Mistakes) == maxFindings {
		p.list.Omitted++
		return
	}
	f := Finding{Line: p.line, Text: err.Error(), Code: "line_wrong"}
	var m *Mistake
	if errors.As(err, &m) {
		f.Code, f.Args = m.Code, m.Args
	}
	p.list.Mistakes = append(p.list.Mistakes, f)
}

// NewLogins has the lines that named a login at the new server first.
type NewLogins map[string]int

// Check wants a line's login at the new server not to be that of an earlier one in other
// case: the mail of both would go into one mailbox.
func (n NewLogins) Check(a AccountLine) error {
	login, _ := a.New()
	key := asciifold.Lower(login)
	if first, ok := n[key]; ok {
		return wrong("new_login_twice", "has the new login of line %d again: the mail of both would be copied into one mailbox", first)
	}
	n[key] = a.Line
	return nil
}

// wrong is a Mistake whose sentence has the figures or names of args in turn.
func wrong(code, format string, args ...any) error {
	m := &Mistake{Code: code, Text: fmt.Sprintf(format, args...)}
	if len(args) > 0 {
		m.Args = map[string]any{"value": args[0]}
	}
	return m
}

var errLineLong = wrong("line_long", "is too long; expected at most %d octets", maxAccountLine)

// end completes the list.
func (p *accountParser) end() *AccountList {
	if p.columns != nil {
		p.columns.checkBlanks(p)
	}
	if p.list.Format == ListAuto {
		p.list.Format = ListPlain
	}
	if len(p.list.Mistakes) == 0 && len(p.list.Accounts) == 0 {
		p.list.Mistakes = []Finding{{Code: "list_empty", Text: "no accounts; expected lines with a login and a password"}}
	}
	return &p.list
}

// next reads a line; more is false after the last one.
func (p *accountParser) next() (more bool, err error) {
	raw, err := p.r.ReadSlice('\n')
	p.line++
	switch {
	case err == bufio.ErrBufferFull:
		p.count()
		p.mistake(errLineLong)
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
		raw = bytes.TrimPrefix(raw, []byte(byteOrderMark))
	}
	raw = bytes.TrimSuffix(raw, []byte("\n"))
	return bytes.TrimSuffix(raw, []byte("\r"))
}

// count counts a line with an account, right or wrong.
func (p *accountParser) count() bool {
	if p.used++; p.used == MaxAccounts+1 {
		p.mistake(wrong("list_long", "begins account 100,001; expected at most 100,000 in one list"))
	}
	return p.used <= MaxAccounts
}

// parse takes a line in.
func (p *accountParser) parse(raw []byte) {
	if len(raw) > maxAccountLine {
		p.count()
		p.mistake(errLineLong)
		return
	}
	line := string(raw)
	if p.list.Format != ListPlain && p.columns == nil && strings.Trim(line, " \t\"") != "" && p.header(line) {
		return
	}
	if p.columns == nil {
		line = strings.Trim(line, " \t")
		if strings.HasPrefix(line, "#") {
			return
		}
	}
	if p.empty(line) || !p.count() {
		return
	}
	err := p.checkText(line)
	if err == nil {
		err = p.take(line)
	}
	if err != nil {
		p.mistake(err)
	}
}

// empty reports a line without any value.
func (p *accountParser) empty(line string) bool {
	if p.columns == nil {
		return line == ""
	}
	return strings.Trim(line, " \t"+string(p.columns.comma)) == ""
}

// checkText reports what no line can hold.
func (p *accountParser) checkText(line string) error {
	switch {
	case p.opt.Encoding != ListBytes && !utf8.ValidString(line):
		return wrong("not_utf8", "has bytes that are not UTF-8; expected the list to be saved as UTF-8, or to be told its encoding")
	case p.decoded && strings.ContainsRune(line, utf8.RuneError):
		return wrong("wrong_encoding", "has bytes that mean nothing in the encoding of the list; expected it to be saved as UTF-8")
	case strings.ContainsRune(line, 0):
		return wrong("control_character", "has a NUL character")
	}
	return nil
}

// take makes an account of a line.
func (p *accountParser) take(line string) error {
	split := p.splitPlain
	if p.columns != nil {
		split = p.columns.split
	}
	a, err := split(line)
	if err != nil {
		return err
	}
	a.Line = p.line
	checked := a
	if p.opt.needless(a) {
		checked.Password = "-"
	}
	if err := checked.Check(); err != nil {
		return err
	}
	if p.columns != nil {
		p.columns.noteBlanks(a, line)
	}
	if err := checkVisible(a); err != nil {
		return err
	}
	key := asciifold.Lower(a.Login)
	if first, ok := p.seen[key]; ok {
		return wrong("login_twice", "has the login of line %d again", first)
	}
	p.seen[key] = p.line
	if p.opt.Check != nil {
		if err := p.opt.Check(a); err != nil {
			return err
		}
	}
	if err := p.newLogins.Check(a); err != nil {
		return err
	}
	p.list.Accounts = append(p.list.Accounts, a)
	return nil
}

// splitPlain takes a line apart whose values stand between blanks.
func (p *accountParser) splitPlain(line string) (a AccountLine, err error) {
	values, err := splitValues(line)
	if err != nil {
		return a, err
	}
	if len(values) == 1 && p.opt.needless(AccountLine{Login: values[0]}) {
		return AccountLine{Login: values[0]}, nil
	}
	if len(values) != 2 && len(values) != 4 {
		code, hint := "values", "a value with spaces needs double quotes"
		if len(values) == 1 && strings.ContainsAny(line, ";,") {
			code, hint = "values_csv", "a CSV file needs a first line that names the columns (login, password)"
		}
		return a, &Mistake{Code: code, Args: map[string]any{"value": len(values)},
			Text: fmt.Sprintf("has %s; expected two (login password) or four (login password new_login new_password); %s",
				plural(len(values), "value"), hint)}
	}
	for i, name := range []string{"login", "password", "new login", "new password"}[:len(values)] {
		if values[i] == "" {
			return a, wrong("empty_"+codeOf(name), "has an empty %s", name)
		}
	}
	a.Login, a.Password = values[0], values[1]
	if len(values) == 4 {
		a.NewLogin, a.NewPassword = values[2], values[3]
	}
	return a, nil
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
			return "", "", wrong("quote_open", `has an opening " without a closing one; a " at the beginning of a value opens it, a "" inside stands for one`)
		}
		if !strings.HasPrefix(after, `"`) {
			if after != "" && after[0] != ' ' && after[0] != '\t' {
				return "", "", wrong("quote_after", `has something right after a closing "; expected a space, a tab or the end of the line; a "" inside stands for one "`)
			}
			return b.String(), after, nil
		}
		b.WriteByte('"')
		s = after[1:]
	}
}

// codeOf is a value's name within a code.
func codeOf(name string) string { return strings.ReplaceAll(name, " ", "_") }

// plural counts things: "1 value", "3 values".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
