package store

import (
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/secret"
	"postferry/report/reason"
)

// AccountID names an account for as long as the state lives; it is never
// given to another account.
type AccountID uint64

// FolderID names a folder of one account. It survives renames on either
// server and is never given to another folder of the same account.
type FolderID uint32

// Secret is a password or token, which no way of printing shows.
type Secret = secret.Text

// Credentials open one server for one account.
type Credentials struct {
	Login    string
	Password Secret
}

// Origin says how an account came to be known.
type Origin string

const (
	// Imported accounts come from an administrator's list.
	Imported Origin = "imported"
	// Enrolled accounts were learnt from a client that both servers accepted.
	Enrolled Origin = "enrolled"
)

// State is what the engine may do with an account.
type State string

const (
	// Waiting accounts are known and nothing more: the relay works, nothing of
	// the old server is copied, by passes or visits, until a person begins.
	Waiting State = "waiting"
	// Active accounts are copied and watched.
	Active State = "active"
	// Stopped accounts were stopped by a person; the relay goes on, nothing is copied.
	Stopped State = "stopped"
	// Finished accounts are done for good: the old server is never contacted again, and no
	// passwords are kept.
	Finished State = "finished"
)

// Account is one person: a login at the old server, a login at the new one.
type Account struct {
	ID     AccountID
	Domain string // name of a domain, of the configuration or the store
	// Login is what clients log in with and what lists and reports call the
	// account. It is unique in its domain; look-ups ignore the case of ASCII letters.
	Login string
	Old   Credentials
	New   Credentials
	// OldOpens says that the old password was given together with the new one in one
	// act, or that both servers accepted it from the person: clients may log in with it.
	OldOpens bool
	Origin   Origin
	State    State
	// Alias is the account whose mailbox this login leads to and whose ledger it
	// shares; 0 if the account stands for itself.
	Alias AccountID
	// AliasProved: the engine has found out itself that both logins lead to the same mailboxes, at both
	// servers; a person's word alone lets nobody log in in another's place.
	AliasProved bool
	// Apart: a person has said that the mailbox is no other account's, whatever it looks like.
	Apart bool
	// Probe is what has to be put right at the new server if a probe was interrupted.
	Probe Probe
	// Problem is what keeps the account from being copied now, nil if nothing does.
	Problem *Problem
	Created time.Time
}

// Probe is how the subscription of INBOX at the new server was before it was changed in order to find
// out whether another login leads to the same mailbox.
type Probe string

const (
	// NoProbe is under way.
	NoProbe Probe = ""
	// ProbeSubscribed: INBOX was subscribed, and has to be afterwards.
	ProbeSubscribed Probe = "subscribed"
	// ProbeUnsubscribed: it was not.
	ProbeUnsubscribed Probe = "unsubscribed"
)

// FolderState is what is known of a folder on the new server.
type FolderState string

const (
	// FolderPlanned folders are not on the new server yet.
	FolderPlanned FolderState = "planned"
	// FolderPresent folders exist on the new server.
	FolderPresent FolderState = "present"
	// FolderMissing folders are not known to the new server at the moment, without
	// our having seen them deleted.
	FolderMissing FolderState = "missing"
	// FolderDeleted folders were deleted on the new server after they had been
	// there; they are never created again.
	FolderDeleted FolderState = "deleted"
	// FolderSkipped folders are left alone by policy (views, shared namespaces,
	// the configuration). One that has a name in New was copied before.
	FolderSkipped FolderState = "skipped"
)

// Folder is a folder of an account and how far it has been copied.
type Folder struct {
	ID FolderID
	// Old and New are the raw names, exactly as the two servers spell them.
	Old string
	New string
	// Renaming are the raw names that clients were about to give the folder on the new
	// server, oldest first, until it is known what became of that. They are separated
	// by NUL, which no name contains (RFC 9051 section 9); "" for none.
	Renaming string
	// Title is the decoded old name with "/" between its parts, for people.
	Title      string
	State      FolderState
	Subscribed bool // subscribed on the old server when last looked at
	// AllMail folders show all mail of the account (RFC 6154 \All). Only what lies in no other
	// folder is copied, to an archive on the new server, whose name may be another row's as well.
	AllMail bool
	// Note says why the folder is skipped, or not called as people may expect; "" if there is
	// nothing to say.
	Note reason.Reason
	// NewUIDValidity is the new folder's UIDVALIDITY when it was made or last seen; 0
	// if it is not known.
	NewUIDValidity uint32
	// Missing says since when a FolderMissing folder is not found, or a FolderPlanned
	// one is not known that the new server said it had made; zero otherwise.
	Missing Missing
	// LeftOut counts the messages on the old server that are deliberately not
	// copied, when they were last counted.
	LeftOut    uint64
	Checkpoint Checkpoint
	// Order is changed by batches only, like Checkpoint.
	Order Order
	// Copied and Quarantined count the ledger's and the quarantine's entries.
	// The store keeps them; what PutFolders is given for them is ignored.
	Copied      uint64
	Quarantined uint64
	// Lost counts the messages of the ledger's Lost. It is kept like the other counts.
	Lost uint64
	// Again counts those of Quarantined that the engine tries again by itself.
	// It is kept like the other counts.
	Again uint64
}

// Missing is how long a folder has been looked for in vain on the new server.
type Missing struct {
	Since time.Time
	Looks uint32 // how often it was looked for and not found
	Last  time.Time
	// PutBack: the new server had been put back to an earlier state when it went, so that it is lost rather
	// than deleted by its user.
	PutBack bool
}

// Checkpoint is how far a folder's old side has been proved to be dealt with.
// The zero value means nothing is proved.
type Checkpoint struct {
	UIDValidity   uint32
	UIDNext       imap.UID // every message below it is in the ledger, in quarantine or gone
	HighestModSeq uint64   // flag changes up to it have been carried over; 0 if unknown
	Messages      uint32   // the folder's message count on the old server when last looked at
	Checked       time.Time
	// NewUIDValidity, NewUIDNext and NewHighestModSeq are the new folder's when the
	// checkpoint was taken; 0 if they are not known.
	NewUIDValidity   uint32
	NewUIDNext       imap.UID
	NewHighestModSeq uint64
}

// Key identifies a message in a folder of the old server. IMAP: UIDVALIDITY
// and UID, four bytes each, big-endian; POP3: text of more or fewer than eight
// bytes, made of the UIDL or, where there is none, of the header. A line whose key the old
// server has given to another message is kept under a longer one that begins with four zero
// bytes. 1 to 255 bytes.
type Key string

// Fingerprint recognises a message whose key was lost. It is no identity:
// different messages may share one, so matches are counted.
type Fingerprint [8]byte

// Entry is one line of the ledger: a message that is on the new server.
type Entry struct {
	Key Key
	// UIDValidity and UID are the new server's. UID is 0 if it is not known where
	// the copy is; both are if it has to be looked for whenever it is needed,
	// because the server's UIDs don't last.
	UIDValidity uint32
	UID         imap.UID
	// Flags are those last seen on the old server, sorted, without \Recent.
	Flags []imap.Flag
	// Fingerprint and Size (octets) are those of the message that was appended or
	// found. Of a repaired one they are the copy's, and Repaired has the original's.
	Fingerprint Fingerprint
	Size        uint32
}

// Intent is a message about to be appended, or, if its key is in the ledger
// already, one whose flags are about to be changed on the new server.
type Intent struct {
	Key         Key
	Fingerprint Fingerprint
	Size        uint32
	Flags       []imap.Flag
	// UIDValidity and UIDNext are the new folder's when the intent was
	// written: a copy that made it lies at or above UIDNext.
	UIDValidity uint32
	UIDNext     imap.UID
	Written     time.Time
	// Taken: the new server has said that it has the message, but not where.
	Taken bool
	// Batch numbers the messages that were sent one after the other, and Place says which of
	// them this is; 0 for none. Together says that they were one command, of which a server
	// stores all or nothing (RFC 3502).
	Batch    uint64
	Place    uint32
	Together bool
}

// Quarantined is a message one of the servers refuses.
type Quarantined struct {
	Key      Key
	Reason   reason.Reason
	Cause    string // the server's words
	Attempts uint32
	Since    time.Time
	Last     time.Time
	// Again: the engine tries the message again by itself, once with each pass.
	Again bool
}

// Repaired says of a message that its copy on the new server is not the octets
// the old server sent: the new server had refused those.
type Repaired struct {
	Key  Key
	What reason.Reason // what was done
	// Fingerprint and Size are the original's. The intent and the entry of a
	// repaired message have the repaired copy's.
	Fingerprint Fingerprint
	Size        uint32
	When        time.Time
}

// Pass is one run over an account, for the history.
type Pass struct {
	Started     time.Time
	Ended       time.Time
	Copied      uint64
	Adopted     uint64
	FlagChanges uint64
	Bytes       uint64
	Quarantined uint64
	Complete    bool          // everything that was on the old server is dealt with
	Error       reason.Reason // the problem's summary if it ended early
	// Kind, Server, Host and Folder are that problem's; "" where it was not recorded.
	Kind   ProblemKind
	Server Side
	Host   string
	Folder string
}

// Usage is how many octets moved for an account within one hour.
type Usage struct {
	Hour time.Time // its beginning
	Old  uint64    // read from the old server
	New  uint64    // written to the new one
}

// BackedUp says what is in a backup.
type BackedUp struct {
	Octets int64 // of the database
	Key    bool  // the key is in it
	// KeyFrom says where the key comes from if that is not the state directory.
	KeyFrom string
}
