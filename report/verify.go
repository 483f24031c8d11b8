package report

import (
	"maps"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
)

// FindingKind is what a verification found. The names are part of what is exported.
type FindingKind string

const (
	// Missing messages are on the old server only.
	Missing FindingKind = "missing"
	// Removed messages were copied, as the ledger knows, and are gone from their folder on the
	// new server: deleted or moved by their user, or lost.
	Removed FindingKind = "removed"
	// Quarantined messages are missing because a server refuses them.
	Quarantined FindingKind = "quarantined"
	// Altered messages have another body or header on the new server.
	Altered FindingKind = "altered"
	// Doubled messages are on the new server more often than on the old one.
	Doubled FindingKind = "doubled"
	// Dated messages have another INTERNALDATE on the new server.
	Dated FindingKind = "date"
	// Unreadable messages could not be compared: a server doesn't hand out their body.
	Unreadable FindingKind = "unreadable"
	// Flagged messages have other flags on the new server.
	Flagged FindingKind = "flags"
	// Mended messages differ because the new server refused them as they are,
	// and a repair is on record.
	Mended FindingKind = "repaired"
	// Extra messages are on the new server only: delivered there, or removed from the old one.
	Extra FindingKind = "extra"

	// FolderMissing folders are not on the new server.
	FolderMissing FindingKind = "folder-missing"
	// FolderUnread folders could not be compared.
	FolderUnread FindingKind = "folder-unread"
	// FolderAbsent folders are not on the new server any more, after all of their mail had been
	// copied there: deleted by their user, renamed beyond recognition, or lost.
	FolderAbsent FindingKind = "folder-absent"
	// FolderRemoved folders were deleted on the new server by their user, as the store knows.
	FolderRemoved FindingKind = "folder-removed"
	// FolderSkipped folders are left alone by policy.
	FolderSkipped FindingKind = "folder-skipped"
	// LeftOut messages lie only in a view that is left alone: in no folder that is copied.
	LeftOut FindingKind = "left-out"
	// FolderExtra folders are on the new server only.
	FolderExtra FindingKind = "folder-extra"
	// Unsubscribed folders are subscribed on the old server only.
	Unsubscribed FindingKind = "subscription"
)

// Severity says what a finding means for the move.
type Severity string

const (
	// Damage: something of the old server is not on the new one as it should be.
	Damage Severity = "damage"
	// Doubtful: damage, or what a person did on the new server; it can't be told from outside.
	Doubtful Severity = "doubtful"
	// Harmless: as it should be.
	Harmless Severity = "harmless"
)

// severities of the kinds that are not Harmless.
var severities = map[FindingKind]Severity{
	Missing: Damage, Quarantined: Damage, Altered: Damage, Doubled: Damage, Dated: Damage, Unreadable: Damage,
	FolderMissing: Damage, FolderUnread: Damage,
	Removed: Doubtful, Flagged: Doubtful, Unsubscribed: Doubtful, FolderAbsent: Doubtful, LeftOut: Doubtful,
}

// Severity of a kind of finding.
func (k FindingKind) Severity() Severity {
	if s, ok := severities[k]; ok {
		return s
	}
	return Harmless
}

// Finding is one difference between the old and the new server.
type Finding struct {
	Login     string        `json:"login"`
	Folder    string        `json:"folder"`               // title on the old server; on the new one if it is only there
	NewFolder string        `json:"new_folder,omitempty"` // decoded name on the new server
	Kind      FindingKind   `json:"kind"`
	Severity  Severity      `json:"severity"`
	OldUID    imap.UID      `json:"old_uid,omitempty"` // by POP3 the message's number as long as none before it is deleted
	NewUID    imap.UID      `json:"new_uid,omitempty"`
	Date      *time.Time    `json:"date,omitempty"` // INTERNALDATE, of the old server if the message is there
	Size      int64         `json:"size,omitempty"` // octets, likewise
	Old       reason.Reason `json:"old,omitempty"`  // what differs, as the old server has it
	New       reason.Reason `json:"new,omitempty"`  // and as the new one has it
	Reason    reason.Reason `json:"reason,omitempty"`
	// Trouble is why a folder could not be compared, if a server is the reason.
	Trouble *store.Problem `json:"-"`
}

// FindingCounts are how often each kind was found.
type FindingCounts map[FindingKind]uint64

// Kinds returns the kinds there are, in a stable order.
func (c FindingCounts) Kinds() []FindingKind { return slices.Sorted(maps.Keys(c)) }

// Has tells whether there is anything of a severity.
func (c FindingCounts) Has(s Severity) bool {
	return c.Of(s) > 0
}

// Of is how many findings of a severity there are.
func (c FindingCounts) Of(s Severity) (n uint64) {
	for kind, found := range c {
		if kind.Severity() == s {
			n += found
		}
	}
	return n
}

// Worst is the worst severity there is.
func (c FindingCounts) Worst() Severity {
	for _, s := range []Severity{Damage, Doubtful} {
		if c.Has(s) {
			return s
		}
	}
	return Harmless
}

// VerifiedFolder is how a folder that is on both servers compares.
type VerifiedFolder struct {
	Login       string        `json:"login"`
	Folder      string        `json:"folder"`
	NewFolder   string        `json:"new_folder"`
	OldMessages uint64        `json:"old_messages"`
	NewMessages uint64        `json:"new_messages"`
	Same        uint64        `json:"same"` // messages of which nothing differs
	Found       FindingCounts `json:"found"`
}

// VerifiedAccount is how an account compares: the sums over its folders.
type VerifiedAccount struct {
	Login       string        `json:"login"`
	Folders     uint64        `json:"folders"` // compared
	OldMessages uint64        `json:"old_messages"`
	NewMessages uint64        `json:"new_messages"`
	Same        uint64        `json:"same"`
	Found       FindingCounts `json:"found"`
	Worst       Severity      `json:"-"` // of what was found; Harmless if there was nothing
	// Problem is why the account could not be verified, "" if it could, and
	// Cause what the server said.
	Problem reason.Reason `json:"problem,omitempty"`
	Cause   string        `json:"cause,omitempty"`
	// Trouble is the same with its kind, if a server is the reason.
	Trouble *store.Problem `json:"-"`
}

// VerifyProgress says how far a verification is.
type VerifyProgress struct {
	Accounts int    `json:"accounts"` // done
	Of       int    `json:"of"`
	Messages uint64 `json:"messages"` // read so far, on both servers
	Login    string `json:"login"`    // one that is being read
	Folder   string `json:"folder"`
}

// VerifyEvent is one of its fields. A folder comes after the findings in it,
// an account after all that is said about it.
type VerifyEvent struct {
	Finding  *Finding         `json:"finding,omitempty"`
	Folder   *VerifiedFolder  `json:"folder,omitempty"`
	Account  *VerifiedAccount `json:"account,omitempty"`
	Progress *VerifyProgress  `json:"progress,omitempty"`
}
