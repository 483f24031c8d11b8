package control

import (
	"postferry/cause"
	"postferry/stage"
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

// StatusTotals sums up the accounts asked about, with the names of status --json.
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
