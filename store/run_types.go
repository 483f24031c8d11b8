package store

import "time"

// RunID names a run for as long as the state lives.
type RunID uint64

// RunKind says why there is a run.
type RunKind string

const (
	// FirstRun runs begin the transfer of accounts.
	FirstRun RunKind = "first"
	// AgainRun runs were asked for after an earlier one.
	AgainRun RunKind = "again"
	// ScheduledRun runs were begun by the domain's schedule.
	ScheduledRun RunKind = "scheduled"
)

// RunState is how far a run is.
type RunState string

const (
	// RunOpen runs have accounts that are not through.
	RunOpen RunState = "running"
	// RunStopped runs were ended by a person.
	RunStopped RunState = "stopped"
	// RunDone runs are through with all their accounts.
	RunDone RunState = "done"
)

// Run is what a person or a schedule started for accounts of a domain.
type Run struct {
	ID      RunID
	Domain  string
	Kind    RunKind
	By      string // who started it; "" for a schedule
	Started time.Time
	Ended   time.Time // zero while it is running
	State   RunState

	Accounts uint64 // that belong to it
	Complete uint64 // of these, everything of them is on the new server
	Failed   uint64 // of these, a person has to do something
	Stopped  uint64 // of these, taken out by a person before they were through
	Figures
}

// Figures are sums of what passes did.
type Figures struct {
	Copied      uint64
	Adopted     uint64
	FlagChanges uint64
	Bytes       uint64
	Quarantined uint64
}

// Add adds a pass's figures.
func (f *Figures) Add(p Pass) {
	f.Copied += p.Copied
	f.Adopted += p.Adopted
	f.FlagChanges += p.FlagChanges
	f.Bytes += p.Bytes
	f.Quarantined += p.Quarantined
}

// Outcome is how far an account is within a run.
type Outcome string

const (
	// OutcomeOpen accounts wait for their pass, or are in it.
	OutcomeOpen Outcome = "open"
	// OutcomeComplete accounts had a pass that left nothing behind.
	OutcomeComplete Outcome = "complete"
	// OutcomeFailed accounts have a problem that a person has to mend.
	OutcomeFailed Outcome = "failed"
	// OutcomeStopped accounts were stopped before they were through.
	OutcomeStopped Outcome = "stopped"
)

// RunAccount is an account's part in a run.
type RunAccount struct {
	Account AccountID
	Outcome Outcome
	Ended   time.Time // of its part; zero while that is open
	Passes  uint64    // that ended within the run
	Figures
	// Problem is what kept the last of these passes from being complete; nil
	// if nothing did.
	Problem *Problem
}

// Summary is what lists show of an account. The store keeps it up to date with
// every change, so that no folder needs to be read for it.
type Summary struct {
	// Messages is how many the old server had when last looked at, as told by SetMessages.
	Messages    uint64
	Folders     uint64 // but those skipped
	Copied      uint64 // ledger entries
	Quarantined uint64
	Bytes       uint64    // octets of what is in the ledger
	Passes      uint64    // ended since the account is known
	LastPass    time.Time // when the newest ended; zero if there was none
	Complete    bool      // the newest left nothing behind
	Completed   time.Time // when one last did
	LeftOut     uint64    // messages on the old server that are deliberately not copied, of all folders
	Late        LateMail  // mail that reached the old server after the MX had moved
	Verified    Verified  // how the account was verified last
	Approved    Approval  // what a person has said about finishing it
	Inbox       bool      // all of INBOX was at the new server once
}

// InboxReady tells whether a person finds all of INBOX at the new server but for what has come since the
// last look.
func (s *Summary) InboxReady() bool { return s.Inbox || !s.Completed.IsZero() }

// Overview is an account with its summary.
type Overview struct {
	Account // without passwords
	Summary Summary
}

// Note counts a pass.
func (s *Summary) Note(p *Pass) {
	s.Passes++
	s.LastPass = p.Ended
	s.Complete = p.Complete
	if p.Complete {
		s.Completed = p.Ended
	}
}
