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
			"source sourceuser sourceusername sourcelogin sourceemail sourceemailaddress sourcemailbox sourceaccount imapuser imapusername imaplogin userid upn userprincipalname " +
			"benutzer benutzername nutzer konto postfach adresse emailadresse mailadresse alterlogin alterbenutzer " +
			"логин пользователь имяпользователя почта электроннаяпочта почтовыйящик ящик адрес учетнаязапись старыйлогин",
		columnPassword: "password pass passwd pw password1 oldpassword sourcepassword sourcepass imappassword passwort kennwort altespasswort alteskennwort пароль старыйпароль",
		columnNewLogin: "newlogin newuser newusername newemail newemailaddress newmailbox newaddress newaccount user2 login2 " +
			"target targetuser targetusername targetlogin targetemail targetemailaddress targetmailbox targetaccount destination destinationuser " +
			"destinationusername destinationlogin destinationemail destinationemailaddress destinationmailbox destinationaccount destuser destemail googleemail gmail " +
			"neuerlogin neueslogin neuerbenutzer neuerbenutzername neueskonto neuespostfach neueadresse neueemail neueemailadresse " +
			"новыйлогин новыйпользователь новаяпочта новыйящик новыйадрес новаяучетнаязапись",
		columnNewPassword: "newpassword newpass password2 targetpassword destinationpassword destpassword neuespasswort neueskennwort новыйпароль",
	}
}

// Lists for moving to Exchange are EmailAddress,UserName,Password: the first is the mailbox
// there, the second the login at the old server.
const (
	addressWords  = "email emailaddress primarysmtpaddress"
	userNameWords = "username user userprincipalname"
)

// columnKey is a column's name without what people write differently.
func columnKey(name string) string {
	name, _ = strings.CutSuffix(strings.TrimSpace(name), "[Required]") // as Google's lists mark them
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
	// blanks: the names have a blank behind each separator.
	blanks bool
	// rows and blankRows count the lines that were read and, of those, the ones whose passwords
	// all begin with a blank; first is the first of them.
	rows, blankRows, first int
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
		c, ignored := nameColumns(names, comma)
		if !slices.Contains(c.at, columnLogin) || !slices.Contains(c.at, columnPassword) && p.opt.Passwordless == nil {
			continue
		}
		p.columns, p.list.Format, p.list.Ignored = c, ListCSV, ignored
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

// nameColumns says what the columns hold, and which names mean nothing to us.
func nameColumns(names []string, comma rune) (c *columns, ignored []string) {
	c = &columns{comma: comma, at: make([]column, len(names)), blanks: comma != '\t' && len(names) > 1}
	var addresses, logins []int
	for i, name := range names {
		c.blanks = c.blanks && (i == 0 || strings.HasPrefix(name, " "))
		switch c.at[i] = columnNamed(name); {
		case c.at[i] == columnLogin && slices.Contains(strings.Fields(addressWords), columnKey(name)):
			addresses = append(addresses, i)
		case c.at[i] == columnLogin && slices.Contains(strings.Fields(userNameWords), columnKey(name)):
			logins = append(logins, i)
		case c.at[i] == columnIgnored && strings.TrimSpace(name) != "":
			ignored = append(ignored, strings.TrimSpace(name))
		}
	}
	if len(addresses) == 1 && len(logins) == 1 && !slices.Contains(c.at, columnNewLogin) {
		c.at[addresses[0]] = columnNewLogin
	}
	return c, ignored
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
	if c.blanks {
		line = withoutBlanks(line, c.comma)
	}
	values, err := splitRecord(line, c.comma)
	if err != nil {
		return a, err
	}
	for len(values) > len(c.at) && strings.TrimSpace(values[len(values)-1]) == "" {
		values = values[:len(values)-1] // a separator behind the last value
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

// withoutBlanks is a line without the one blank behind each separator that stands outside of quotes.
func withoutBlanks(line string, comma rune) string {
	var b strings.Builder
	inside, begins, blank := false, true, false // inside of quotes; a value begins here; a blank here belongs to none
	for _, r := range line {
		if blank && r == ' ' {
			blank = false
			continue
		}
		if r == '"' && (inside || begins) {
			inside = !inside
		}
		blank = r == comma && !inside
		begins = blank
		b.WriteRune(r)
	}
	return b.String()
}

// noteBlanks counts the line if its password begins with a blank that isn't in quotes.
func (c *columns) noteBlanks(a AccountLine, line string) {
	if c.rows++; !strings.HasPrefix(a.Password, " ") || !strings.Contains(line, string(c.comma)+a.Password) && !strings.HasPrefix(line, a.Password) {
		return
	}
	if c.blankRows++; c.first == 0 {
		c.first = a.Line
	}
}

// checkBlanks reports a list in which each password begins with a blank: it is more likely
// to be the way the list was written than part of every password.
func (c *columns) checkBlanks(p *accountParser) {
	if c.rows < 2 || c.blankRows < c.rows {
		return
	}
	p.line = c.first
	p.mistake(wrong("blanks", "and each line after it has a password that begins with a blank; expected none behind the separators, or passwords in double quotes if the blanks belong to them"))
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
