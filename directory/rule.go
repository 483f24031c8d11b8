package directory

import "strings"

// Rule says which login a mailbox has at the new server.
type Rule struct {
	// Domain takes the place of the one behind the @; "" keeps it. With LocalPart there is none.
	Domain    string
	LocalPart bool
	// Exceptions are logins of single mailboxes, by address in lower case; "" leaves a mailbox out.
	Exceptions map[string]string
}

// Move is a mailbox with its login at the new server.
type Move struct {
	Mailbox
	New string `json:"new_login"`
}

// Clash is two mailboxes that would have one login, and so one mailbox, at the new server.
type Clash struct {
	New   string `json:"new_login"`
	First string `json:"first"`
	Other string `json:"other"`
}

// Map says what each mailbox's login is. Of those that clash the first is kept.
func (r Rule) Map(all []Mailbox) (moves []Move, clashes []Clash) {
	taken := map[string]string{}
	for _, m := range all {
		login := r.login(m.Address)
		key := strings.ToLower(login)
		switch first, twice := taken[key]; {
		case login == "":
		case twice:
			clashes = append(clashes, Clash{New: login, First: first, Other: m.Address})
		default:
			taken[key] = m.Address
			moves = append(moves, Move{Mailbox: m, New: login})
		}
	}
	return moves, clashes
}

func (r Rule) login(address string) string {
	if login, ok := r.Exceptions[strings.ToLower(address)]; ok {
		return login
	}
	at := strings.LastIndexByte(address, '@')
	switch {
	case r.LocalPart:
		return address[:max(at, 0)]
	case r.Domain != "":
		return address[:at+1] + r.Domain
	}
	return address
}
