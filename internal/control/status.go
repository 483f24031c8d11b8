package control

import (
	"cmp"
	"time"

	"postferry/cause"
	"postferry/report/reason"
	"postferry/stage"
	"postferry/store"
)

// StatusQuery is what a status is asked about.
type StatusQuery struct {
	Logins  []string `json:"logins,omitempty"` // all accounts if empty
	Folders bool     `json:"folders"`          // with each account's folders
	// Problems asks for accounts that have one, States for those in one of these states.
	Problems bool     `json:"problems,omitempty"`
	States   []string `json:"states,omitempty"`
}

// StatusRecord is one line of a status on its way: exactly one field is set.
type StatusRecord struct {
	Totals  *StatusTotals  `json:"totals,omitempty"`
	Account *AccountStatus `json:"account,omitempty"`
}

// The types below are what status --json prints. Its help describes them;
// fields may join, those there keep their names and meaning.

// StatusTotals sums up the accounts asked about.
type StatusTotals struct {
	Accounts    int    `json:"accounts"`
	Complete    int    `json:"complete"` // whose last pass left nothing behind
	Running     int    `json:"running"`  // being worked on right now
	Problems    int    `json:"problems"` // that something keeps from being copied
	Messages    uint64 `json:"messages"`
	Copied      uint64 `json:"copied"`
	Quarantined uint64 `json:"quarantined"`
	// MessagesPerSecond and BytesPerSecond are those of the accounts that are
	// being worked on right now.
	MessagesPerSecond float64 `json:"messages_per_second"`
	BytesPerSecond    float64 `json:"bytes_per_second"`
	// Causes say what keeps accounts from being copied, each once.
	Causes []cause.Cause `json:"causes,omitempty"`
	// Next says for each domain how far its move is and what to do next.
	Next []DomainNext `json:"next,omitempty"`
}

// DomainNext is how far a domain's move is. What DNS told last counts, if the daemon has asked it;
// "postferry advise" asks it now.
type DomainNext struct {
	Domain string        `json:"domain"`
	Stage  stage.Stage   `json:"stage"`
	Safe   bool          `json:"safe"` // the old server may be switched off
	Next   stage.Message `json:"next"`
	// WayBack says what has been copied back to the old server; nil where nothing is.
	WayBack *stage.Message `json:"way_back,omitempty"`
}

// AccountStatus is one account.
type AccountStatus struct {
	Login             string         `json:"login"`
	Domain            string         `json:"domain"`
	AliasOf           string         `json:"alias_of,omitempty"` // login of the account whose mailbox it leads to
	Origin            store.Origin   `json:"origin"`
	State             store.State    `json:"state"`
	Running           bool           `json:"running"`
	Complete          bool           `json:"complete"`
	Current           string         `json:"current_folder,omitempty"`
	Messages          uint64         `json:"messages"`
	Copied            uint64         `json:"copied"`
	Quarantined       uint64         `json:"quarantined"`
	LeftOut           uint64         `json:"left_out,omitempty"` // messages that are deliberately not copied
	MessagesPerSecond float64        `json:"messages_per_second"`
	BytesPerSecond    float64        `json:"bytes_per_second"`
	Bytes             uint64         `json:"bytes,omitempty"`        // of the messages dealt with, while running
	BytesTotal        uint64         `json:"bytes_total,omitempty"`  // on the old server
	BytesAbout        bool           `json:"bytes_about,omitempty"`  // BytesTotal is reckoned, not counted
	SecondsLeft       *float64       `json:"seconds_left,omitempty"` // while running and known
	LastPass          *PassStatus    `json:"last_pass"`
	LastError         *ProblemStatus `json:"last_error"`
	Folders           []FolderStatus `json:"folders,omitempty"`
}

// FolderStatus is one folder of an account.
type FolderStatus struct {
	Title       string            `json:"folder"`
	New         string            `json:"new_name"`
	State       store.FolderState `json:"state"`
	Note        reason.Reason     `json:"note,omitempty"`
	Messages    uint64            `json:"messages"`
	Copied      uint64            `json:"copied"`
	Quarantined uint64            `json:"quarantined"`
	LeftOut     uint64            `json:"left_out,omitempty"`      // messages that are deliberately not copied, or don't come because the folder is missing
	Missing     *time.Time        `json:"missing_since,omitempty"` // since when it is missing
	Looks       uint32            `json:"looks,omitempty"`         // for it, hours apart
	Checked     *time.Time        `json:"last_checked"`
	LastError   *ProblemStatus    `json:"last_error"`
}

// PassStatus is an account's newest pass.
type PassStatus struct {
	Started     time.Time `json:"started"`
	Ended       time.Time `json:"ended"`
	Complete    bool      `json:"complete"`
	Copied      uint64    `json:"copied"`
	Adopted     uint64    `json:"adopted"`
	FlagChanges uint64    `json:"flag_changes"`
	Bytes       uint64    `json:"bytes"`
	Quarantined uint64    `json:"quarantined"`
	Error       string    `json:"error,omitempty"`
}

// ProblemStatus is an error with both its voices.
type ProblemStatus struct {
	Kind        store.ProblemKind `json:"kind"`
	NeedsPerson bool              `json:"needs_person"` // it does not pass by itself
	Summary     string            `json:"summary"`
	Cause       string            `json:"cause"`
	Advice      store.Advice      `json:"advice"`
	Folder      string            `json:"folder,omitempty"`
	Since       time.Time         `json:"since"`
	Retry       *time.Time        `json:"retry_at"`
}

// ProblemOf is a problem as commands are told it; nil for none.
func ProblemOf(p *store.Problem) *ProblemStatus {
	if p == nil {
		return nil
	}
	return &ProblemStatus{
		Kind: cmp.Or(p.Kind, store.Unexpected), NeedsPerson: p.NeedsPerson(), Summary: p.Summary, Cause: p.Cause, Advice: p.Advice, Folder: p.Folder,
		Since: p.Since, Retry: TimeOrNil(p.Retry),
	}
}

// TimeOrNil is an instant as JSON has it: null for none.
func TimeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
