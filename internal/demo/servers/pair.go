package servers

import (
	"errors"
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// The person of the demo. Her password is no secret.
const (
	Login    = "anna@example.org"
	Password = "über 7 Brücken"
)

// Pair is the demo's two servers.
type Pair struct{ Old, New *Server }

// Start fills the old server and leaves the new one as a new mailbox is:
// with the folders that servers make for everyone, but no mail. The old one takes pause
// for each message.
func Start(pause time.Duration) (*Pair, error) {
	p := &Pair{}
	if err := p.start(pause); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// start begins what close ends, as far as it gets.
func (p *Pair) start(pause time.Duration) (err error) {
	var names []string
	for _, f := range Folders() {
		names = append(names, f.Name)
	}
	if p.Old, err = startServer(Login, Password, names, pause); err != nil {
		return err
	}
	for part, f := range Folders() {
		for _, m := range messages(f, part) {
			if err := p.Old.Put(f.Name, m); err != nil {
				return err
			}
		}
	}
	p.New, err = startServer(Login, Password, []string{"INBOX", "Sent", "Drafts", "Trash"}, 0)
	return err
}

func (p *Pair) Close() {
	for _, server := range []*Server{p.Old, p.New} {
		if server != nil {
			server.close()
		}
	}
}

// colleagueMail is how many messages each of them has: enough to watch for a while.
const colleagueMail = 500

// AddColleague makes a person known to both servers, and gives the old one mail.
func (p *Pair) AddColleague(login string, part int) error {
	var users [2]*imapmemserver.User
	for i, server := range []*Server{p.Old, p.New} {
		var err error
		if users[i], err = newUser(server.memory, login, Password, []string{"INBOX", "Sent"}); err != nil {
			return err
		}
	}
	start := time.Date(2025, time.June, 1, 8, 0, 0, 0, time.UTC)
	var errs []error
	for n := range colleagueMail {
		m := NewMessage(fmt.Sprintf("Wochenbericht %d", n+1), fmt.Sprintf("%s.%d.%d", login, part, n), start.Add(time.Duration(n)*time.Hour))
		m.flags = flags(n)
		errs = append(errs, putMessage(users[0], []string{"INBOX", "Sent"}[n%3/2], m))
	}
	return errors.Join(errs...)
}
