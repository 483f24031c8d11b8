package store

import (
	"context"
	"time"
)

// Move is what is known of a domain's move as a whole, whichever place the domain was set up in.
// The zero value is a domain of which nothing is known.
type Move struct {
	Domain  string // in lower case
	Checked Checked
	Names   NamesSeen
}

// Checked is how the last check of a domain's accounts went.
type Checked struct {
	When     time.Time // zero if there was none
	Accounts uint64
	Trouble  uint64 // of these, those that would not come over as they are
}

// NamesSeen is what DNS told of a domain's names.
type NamesSeen struct {
	When time.Time // when it was last asked; zero for never
	// MX says since when all servers that answer tell the new MX, Clients since when no name of
	// mail clients leads to the old server any more; zero as long as it isn't so.
	MX, Clients time.Time
	// Until is when the last server that tells the old MX forgets it, as far as is known.
	Until time.Time
}

// LateMail is mail that reached the old server after the MX had moved.
type LateMail struct {
	Messages uint64
	Last     time.Time // when the newest of it arrived there
	// From are the servers that brought it there, as the topmost Received fields tell, the
	// last one first; "" for none.
	From [3]LateServer
}

// LateServer is one that has brought late mail.
type LateServer struct {
	Name     string
	Messages uint64
}

// Add adds late mail that came later.
func (l *LateMail) Add(m LateMail) {
	l.Messages += m.Messages
	if m.Last.After(l.Last) {
		l.Last = m.Last
	}
	for i := len(m.From) - 1; i >= 0; i-- {
		l.addServer(m.From[i])
	}
}

// addServer counts a server, and puts it in front.
func (l *LateMail) addServer(s LateServer) {
	if s.Name == "" {
		return
	}
	at := len(l.From) - 1
	for i, known := range l.From {
		if known.Name == s.Name {
			s.Messages += known.Messages
			at = i
			break
		}
	}
	copy(l.From[1:at+1], l.From[:at])
	l.From[0] = s
}

// Verified is how the last verification of an account went.
type Verified struct {
	When     time.Time // zero if there was none
	Bodies   bool      // messages were compared whole
	Damage   uint64    // findings that are damage
	Doubtful uint64
	Unread   bool // the account could not be verified
}

// Approval is a person's word that an account may be finished as it is.
type Approval struct {
	When time.Time // zero for none
	By   string
	What string // what keeps it from being perfect: codes of package stage; rows of earlier versions have English sentences
}

// Report is what a move came to, as it was told when accounts were finished. It stays when
// everything else of its domain is forgotten.
type Report struct {
	Number uint64 // given by the store
	Domain string
	Made   time.Time
	By     string
	Text   []byte // JSON; the store does not look into it
}

// Moves keeps what is known of moves as a whole, and ends them. It is part of every Store, and
// what Store says of calls holds for it too.
type Moves interface {
	// Move returns what is known of a domain's move; what has never been noted is zero.
	Move(ctx context.Context, domain string) (Move, error)
	// Moves returns those of which something is known, by domain.
	Moves(ctx context.Context) ([]Move, error)
	// NoteChecked notes how a check of a domain's accounts went.
	NoteChecked(ctx context.Context, domain string, c Checked) error
	// NoteNames notes what DNS told of a domain's names.
	NoteNames(ctx context.Context, domain string, n NamesSeen) error
	// NoteVerified notes how a verification of an account went.
	NoteVerified(ctx context.Context, id AccountID, v Verified) error
	// Approve notes that a person wants accounts to be finished as they are; with the zero
	// value nobody does any more.
	Approve(ctx context.Context, ids []AccountID, a Approval) error

	// Finish makes accounts finished and forgets their passwords and what their owners have agreed to,
	// with those of the logins that lead to them, keeps the report and notes in the audit log who has made
	// it, all or nothing. With the last
	// account of a domain goes how Postferry signs in for it. Those that are finished stay as they
	// are; if all are, there is no report. The passwords are nowhere in the state afterwards. It
	// returns the report with its number, and the accounts that it has finished.
	Finish(ctx context.Context, ids []AccountID, r Report) (Report, []AccountID, error)
	// Reports returns the reports of a domain, or all if domain is "", newest first. The newest
	// 50 of a domain are kept.
	Reports(ctx context.Context, domain string) ([]Report, error)
	// Forget removes a domain with its accounts and all that is kept of them, but for its
	// reports and the audit log. It is ErrInvalid while any of its accounts is Active. What
	// was stored is nowhere in the state afterwards. It goes on where it was interrupted when it is
	// called again; that nothing is known of the domain is no error.
	Forget(ctx context.Context, domain string) error
}
