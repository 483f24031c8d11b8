package tenant

import (
	"fmt"
	"io"
	"strings"

	"postferry/config"
	"postferry/directory"
)

// Exceptions are mailboxes whose login at the new server is another one than the rule says, or that
// have a password of their own there.
type Exceptions struct {
	Logins    map[string]string // by address in lower case; "" leaves the mailbox out
	Passwords map[string]string // at the new server, likewise
}

// leftOut stands for no login in a list of exceptions.
const leftOut = "-"

// ReadExceptions reads a CSV list as config.ReadAccounts does, of which only the first column has to be
// there: login, new login ("-" leaves the mailbox out), new password. Its mistakes come in an *config.Error.
func ReadExceptions(r io.Reader, encoding config.ListEncoding) (Exceptions, error) {
	lines, err := config.ParseAccounts(r, config.ListOptions{Encoding: encoding, Passwordless: func(config.AccountLine) bool { return true }})
	if err != nil {
		return Exceptions{}, err
	}
	e := Exceptions{Logins: map[string]string{}, Passwords: map[string]string{}}
	for _, l := range lines {
		key := strings.ToLower(l.Login)
		switch {
		case l.NewLogin == leftOut:
			e.Logins[key] = ""
		case l.NewLogin != "":
			e.Logins[key] = l.NewLogin
		}
		if l.NewPassword != "" {
			e.Passwords[key] = l.NewPassword
		}
	}
	return e, nil
}

// Lines are the accounts of mailboxes, as a list would have them.
func (e Exceptions) Lines(moves []directory.Move) []config.AccountLine {
	lines := make([]config.AccountLine, len(moves))
	for i, m := range moves {
		lines[i] = config.AccountLine{Line: i + 1, Login: m.Address, NewLogin: m.New, NewPassword: e.Passwords[strings.ToLower(m.Address)]}
	}
	return lines
}

// ClashError says that two mailboxes would become one.
type ClashError struct{ Clashes []directory.Clash }

func (e *ClashError) Error() string {
	c := e.Clashes[0]
	text := fmt.Sprintf("%s and %s would both have the login %s at the new server, and so one mailbox", c.First, c.Other, c.New)
	if more := len(e.Clashes) - 1; more > 0 {
		text += fmt.Sprintf("; so would %d others", more)
	}
	return text + ". Name exceptions for them"
}
