package report

import (
	"time"

	"postferry/store"
)

// Account is an account with what goes on with it. Page, API, commands and control socket all show
// it. The names in JSON are those of the API; what only others tell has none. Package control has the
// names that "status --json" and the socket use.
type Account struct {
	ID       store.AccountID `json:"id"`
	Login    string          `json:"login"`
	OldLogin string          `json:"old_login"`
	NewLogin string          `json:"new_login"`
	Domain   string          `json:"-"`
	// AliasOf is the login of the account whose mailbox this one leads to: nil if it stands for itself, ""
	// if that is none of the domain.
	AliasOf  *string      `json:"alias_of"`
	Origin   store.Origin `json:"origin"`
	Created  time.Time    `json:"created"`
	Stored   store.State  `json:"-"` // what the store keeps of State
	State    AccountState `json:"state"`
	Running  bool         `json:"-"`
	Complete bool         `json:"-"` // its last pass left nothing behind
	Progress
	LastPass *time.Time     `json:"last_pass"` // when the newest ended
	Pass     *Pass          `json:"-"`         // the newest
	Problem  *Problem       `json:"problem"`
	Folders  []FolderStatus `json:"-"`
}

// Progress is how far an account is.
type Progress struct {
	Folder            string  `json:"folder"`   // being copied right now
	Messages          uint64  `json:"messages"` // known on the old server
	Copied            uint64  `json:"copied"`
	Quarantined       uint64  `json:"quarantined"`
	LeftOut           uint64  `json:"left_out"` // messages that are deliberately not copied, or don't come because their folder is missing
	MessagesPerSecond float64 `json:"messages_per_second"`
	OctetsPerSecond   float64 `json:"octets_per_second"`
	Octets            uint64  `json:"octets"`       // of what was copied
	OctetsDone        uint64  `json:"-"`            // of the messages dealt with, while running
	OctetsTotal       uint64  `json:"octets_total"` // of what is on the old server; 0 if unknown
	OctetsAbout       bool    `json:"-"`            // OctetsTotal is reckoned, not counted
	// RemainingSeconds is nil while it can't be known, and Remaining the same more exactly.
	RemainingSeconds *int64         `json:"remaining_seconds"`
	Remaining        *time.Duration `json:"-"`
}

// AccountOf is an account as it stands; l is what goes on with it, nil if nothing does.
func AccountOf(o *store.Overview, l *Live) Account {
	a := Account{
		ID: o.ID, Login: o.Login, OldLogin: o.Old.Login, NewLogin: o.New.Login, Domain: o.Domain, Origin: o.Origin, Created: o.Created,
		Stored: o.State, State: StateOf(o, nil), Complete: o.Summary.Complete && o.Problem == nil,
		Progress: ProgressOf(o, nil), LastPass: TimeOrNil(o.Summary.LastPass), Problem: ProblemOf(o.Problem),
	}
	a.GoesOn(l)
	return a
}

// GoesOn lets what is going on right now take the place of what was.
func (a *Account) GoesOn(l *Live) {
	if l == nil || !l.Running {
		return
	}
	if a.Running = true; a.Stored == store.Active && !(a.Complete && l.OnlyLooks()) {
		a.State = StateRunning
	}
	a.Progress.goesOn(l)
}

// ProgressOf is how far an account is: what the store keeps summed up, and what goes on.
func ProgressOf(o *store.Overview, l *Live) Progress {
	s := &o.Summary
	p := Progress{Messages: s.Messages, Copied: s.Copied, Quarantined: s.Quarantined, LeftOut: s.LeftOut, Octets: s.Bytes}
	p.goesOn(l)
	return p
}

func (p *Progress) goesOn(l *Live) {
	if l == nil || !l.Running {
		return
	}
	p.Folder = l.Folder
	p.Messages = max(p.Messages, l.Total)
	p.OctetsDone, p.OctetsTotal, p.OctetsAbout = l.OctetsDone, l.OctetsTotal, !l.OctetsExact
	p.MessagesPerSecond, p.OctetsPerSecond = l.Rate.Messages, l.Rate.Octets
	if p.Remaining = l.Remaining; l.Remaining != nil {
		p.RemainingSeconds = new(int64(l.Remaining.Seconds()))
	}
}

// AccountState is an account's state as everybody is told it: what the store keeps, and what goes on.
type AccountState string

// The states.
const (
	StateWaiting  AccountState = "waiting"  // not begun
	StateQueued   AccountState = "queued"   // begun, its turn has not come
	StateRunning  AccountState = "running"  // being worked on right now, and not merely looked at again
	StateFailed   AccountState = "failed"   // a person has to do something
	StateRetrying AccountState = "retrying" // something is wrong that may pass by itself
	StateComplete AccountState = "complete" // the last pass left nothing behind, and no other has found anything since
	StateStopped  AccountState = "stopped"  // by a person
	StateFinished AccountState = "finished" // for good
)

// AccountStates are all there are, in the order of an account's life.
func AccountStates() []AccountState {
	return []AccountState{StateWaiting, StateQueued, StateRunning, StateFailed, StateRetrying, StateComplete, StateStopped, StateFinished}
}

// StateOf is an account's state; l is what goes on with it, nil if nothing does.
func StateOf(o *store.Overview, l *Live) AccountState {
	switch {
	case o.State == store.Waiting:
		return StateWaiting
	case o.State == store.Stopped:
		return StateStopped
	case o.State == store.Finished:
		return StateFinished
	case l != nil && l.Running && !(o.Summary.Complete && o.Problem == nil && l.OnlyLooks()):
		return StateRunning
	case o.Problem != nil && o.Problem.NeedsPerson():
		return StateFailed
	case o.Problem != nil && !(o.Problem.Kind == store.WrongDates && o.Summary.Complete): // that is a warning
		return StateRetrying
	case o.Summary.Complete:
		return StateComplete
	}
	return StateQueued
}

// TimeOrNil is an instant as JSON has it: null for none.
func TimeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
