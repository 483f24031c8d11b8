package config

import (
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// column is what a column of a CSV list holds.
type column int

const (
	columnIgnored column = iota
	columnLogin
	columnPassword
	columnNewLogin
	columnNewPassword
)

// columnWords are the words that name columns, as columnKey writes them.
func columnWords() map[column]string {
	return map[column]string{
		columnLogin: "login user username email emailaddress mail mailbox address account user1 login1 oldlogin olduser oldemail " +
			"benutzer benutzername nutzer konto postfach adresse emailadresse mailadresse alterlogin alterbenutzer " +
			"логин пользователь имяпользователя почта электроннаяпочта почтовыйящик ящик адрес учетнаязапись старыйлогин",
		columnPassword: "password pass passwd pw password1 oldpassword passwort kennwort altespasswort alteskennwort пароль старыйпароль",
		columnNewLogin: "newlogin newuser newusername newemail newemailaddress newmailbox newaddress newaccount user2 login2 " +
			"neuerlogin neueslogin neuerbenutzer neuerbenutzername neueskonto neuespostfach neueadresse neueemail neueemailadresse " +
			"новыйлогин новыйпользователь новаяпочта новыйящик новыйадрес новаяучетнаязапись",
		columnNewPassword: "newpassword newpass password2 neuespasswort neueskennwort новыйпароль",
	}
}

// columnKey is a column's name without what people write differently.
func columnKey(name string) string {
	name = strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(name, "ё", "е"), "Ё", "е"))
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t_-.:\u00a0", r) {
			return -1
		}
		return r
	}, name)
}

// columns is the layout of a CSV list.
type columns struct {
	comma rune
	at    []column
}

// header reads the first line that is not empty. It returns false if the line
// is to be read as an account, in a list of the other form.
func (p *accountParser) header(line string) bool {
	if rest, ok := strings.CutPrefix(line, "sep="); ok && len(rest) == 1 { // what Excel writes for itself
		return true
	}
	for _, comma := range ";,\t" {
		names, err := splitRecord(line, comma)
		if err != nil {
			continue
		}
		c := columns{comma: comma, at: make([]column, len(names))}
		var ignored []string
		for i, name := range names {
			if c.at[i] = columnNamed(name); c.at[i] == columnIgnored {
				ignored = append(ignored, name)
			}
		}
		if !slices.Contains(c.at, columnLogin) || !slices.Contains(c.at, columnPassword) {
			continue
		}
		p.columns, p.list.Format, p.list.Ignored = &c, ListCSV, ignored
		if twice := c.twice(); twice != "" {
			p.mistake(wrong("columns_twice", "names two columns that hold the %s; expected one", twice))
		}
		return true
	}
	if p.list.Format == ListAuto {
		p.list.Format = ListPlain
		return false
	}
	// The line is not repeated: without column names it is an account already.
	p.mistake(wrong("columns_missing", `names no columns; expected a first line such as "login;password" or "login,password,new login,new password"`))
	p.columns = &columns{comma: ';'}
	p.used = MaxAccounts + 1 // the rest can't be understood
	return true
}

func columnNamed(name string) column {
	key := columnKey(name)
	for c, words := range columnWords() {
		if slices.Contains(strings.Fields(words), key) {
			return c
		}
	}
	return columnIgnored
}

// twice says what two columns hold; "" if nothing.
func (c *columns) twice() string {
	for kind, what := range map[column]string{columnLogin: "login", columnPassword: "password",
		columnNewLogin: "new login", columnNewPassword: "new password"} {
		first := slices.Index(c.at, kind)
		if first >= 0 && slices.Contains(c.at[first+1:], kind) {
			return what
		}
	}
	return ""
}

// split takes a line apart.
func (c *columns) split(line string) (a AccountLine, err error) {
	if strings.ContainsRune(line, '\r') { // which the reader would drop at the end
		return a, wrong("carriage_return", "has a carriage return; expected lines that end in LF or CRLF")
	}
	values, err := splitRecord(line, c.comma)
	if err != nil {
		return a, err
	}
	if len(values) > len(c.at) {
		return a, &Mistake{Code: "values_many", Args: map[string]any{"value": len(values), "columns": len(c.at)},
			Text: fmt.Sprintf("has %s, the first line names %d; a value with the separator in it needs double quotes",
				plural(len(values), "value"), len(c.at))}
	}
	for i, v := range values {
		switch c.at[i] {
		case columnLogin:
			a.Login = strings.Trim(v, " \t")
		case columnPassword:
			a.Password = v
		case columnNewLogin:
			a.NewLogin = strings.Trim(v, " \t")
		case columnNewPassword:
			a.NewPassword = v
		}
	}
	return a, nil
}

// splitRecord reads one line of CSV (RFC 4180 section 2).
func splitRecord(line string, comma rune) ([]string, error) {
	r := csv.NewReader(strings.NewReader(line))
	r.Comma = comma
	values, err := r.Read()
	switch {
	case errors.Is(err, csv.ErrBareQuote):
		return nil, wrong("quote_inside", `has a " in a value that does not begin with one; expected the value in double quotes, and "" for each " in it`)
	case err != nil:
		return nil, wrong("quote_open", `has an opening " without a closing one before the separator or the end of the line; expected "" for each " in a value`)
	}
	return values, nil
}
