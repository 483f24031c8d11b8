package store

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"
)

var (
	// ErrNotFound means that no such account or folder is known.
	ErrNotFound = errors.New("store: not found")
	// ErrEnded means that something has come to its end before it was stored.
	ErrEnded = errors.New("store: ended meanwhile")
	// ErrInvalid means that what was to be stored is malformed. Nothing was changed.
	ErrInvalid = errors.New("store: invalid")
	// ErrClosed means that the store has been closed.
	ErrClosed = errors.New("store: closed")
)

// Ledger is all that is remembered of one folder's messages. Each slice is
// sorted by key. Entries with equal flags may share one slice: replace
// Entry.Flags, never change what it points to.
type Ledger struct {
	Entries    []Entry
	Intents    []Intent
	Quarantine []Quarantined
	// Repaired has a row for each entry or intent whose message was repaired.
	Repaired []Repaired
	// Lost are messages that were not on the new server when they were looked for, although
	// it had never said what it had made of them, and that were therefore given to it again. Written
	// is when that was. Should the first copy turn up after all, it is one too many.
	Lost []Intent
	// Away are copies in this folder of messages whose lines are in other folders', by folder and key of the line.
	Away []Away
}

// Away is a copy of a message that was moved at the old server since it was copied: its line, which has no UID, is in the
// ledger of the folder where the message is now, the copy is where it was made.
type Away struct {
	Line        Elsewhere
	UIDValidity uint32
	UID         imap.UID
	// Fingerprint and Size (octets) are the copy's.
	Fingerprint Fingerprint
	Size        uint32
}

// LedgerTail is a folder's ledger without the entries before a key.
type LedgerTail struct {
	Ledger
	First  Entry  // of all entries, by key; the zero value if there is none
	Before uint64 // how many entries are left out
}

// Batch is a change to one folder, applied as a whole or not at all. The
// order of application is: Moved, Away, Forget, Drop, Lost, Found, Release, Intents, Repaired, Proofs,
// Quarantine, Checkpoint, Order. Forget, Drop and Quarantine also remove what is
// noted of a repair of the same key; Forget, and a proof with a UID, what is known of a copy that is away.
type Batch struct {
	Account AccountID
	Folder  FolderID

	Intents    []Intent      // about to be appended
	Repaired   []Repaired    // messages repaired before they are appended, together with their intents; written or replaced
	Proofs     []Entry       // on the new server: written or replaced; removes the intent and quarantine entry of the same key
	Drop       []Key         // intents that are proved not to have reached the new server
	Quarantine []Quarantined // written or replaced; removes the intent of the same key, and what was repaired if there is no entry
	Release    []Key         // quarantine entries to remove
	Forget     []Key         // ledger entries to remove (their key is void after a UIDVALIDITY change)
	Moved      []Moved       // ledger entries to remove, mostly of the account's other folders: their messages were moved into this one
	Away       []Away        // copies in this folder whose places have changed, of those that are known; with UID 0 they are known no more
	Lost       []Intent      // written or replaced, with the intents of the same keys gone; see Ledger
	Found      []Key         // lines of Lost to remove
	Late       LateMail      // of Proofs and Intents, mail that is late; added to the account's
	Returns    []Return      // of the folder, on their way back; written or replaced
	Returned   []ReturnKey   // those to remove, before
	WayBack    *WayBack      // replaces the folder's, if given
	Checkpoint *Checkpoint   // replaces the folder's, if given
	Order      *Order        // likewise
}

// Elsewhere is a message of another folder.
type Elsewhere struct {
	Folder FolderID
	Key    Key
}

// Moved is a message that was moved at the old server: what its line in another folder knew of the place of its copy is kept for
// the line that it has in the batch's folder now.
type Moved struct {
	Elsewhere
	To Key
}

// Store keeps what must survive a crash. Every method is safe for concurrent
// use, is atomic, and has reached the disk when it returns nil. A call whose
// context has ended may return the context's error, and may have been applied
// all the same. Times keep their nanoseconds and are returned in UTC; an empty
// set of flags is returned as nil. The contract suite in storetest describes
// the behaviour of every implementation.
type Store interface {
	Accounts
	Ledgers
	History
	Domains
	Runs
	Access
	Moves
	Notices
	WaysBack
	SignIns

	// Close releases the state. Calls under way end first.
	Close() error
}

// Accounts keeps accounts, with their logins, passwords and summaries. What Store says of calls holds for it, and
// for the others, too.
type Accounts interface {
	// PutAccounts adds accounts; one whose Login is known in its Domain is given Old, New
	// and OldOpens, and nothing else of it changes. All or nothing. A new account without
	// Created gets the current time; of a login given twice the second updates the first.
	// A login that has led to an account of another domain leads to the one put here from
	// then on; the other is still there by its ID. The accounts are returned as they are
	// now, with what was done, in the order given.
	PutAccounts(ctx context.Context, accounts []Account) (stored []Account, put []AccountPut, err error)
	// PutEnrolled is PutAccounts for one account, whose password an old server has accepted.
	// With at, which the domain was by then, it is ErrInvalid if its row has another old
	// server or fingerprint now, lets nobody enrol, or is gone.
	PutEnrolled(ctx context.Context, a Account, at *Domain) (Account, error)
	// SetCredentials changes an account's credentials and says which are others now. The old
	// password opens the mailbox afterwards if it was given together with the new one.
	SetCredentials(ctx context.Context, id AccountID, c CredentialChange) (changed CredentialFields, err error)
	// LearnPassword records a password that the new server has accepted from the person,
	// if New is still what it was; known says whether it is New's password now. The old
	// password was not given together with this one, so it doesn't open the mailbox afterwards.
	LearnPassword(ctx context.Context, id AccountID, was Credentials, password Secret) (known bool, err error)
	// Account looks an account up by login; ErrNotFound if there is none. If accounts of several
	// domains have it, it is the one that was put last.
	Account(ctx context.Context, login string) (Account, error)
	// AccountByID is Account by ID.
	AccountByID(ctx context.Context, id AccountID) (Account, error)
	// Accounts returns all accounts in the order of their IDs, without their
	// passwords (empty secrets).
	Accounts(ctx context.Context) ([]Account, error)
	// SetProblem records or (nil) clears what keeps an account from being copied.
	SetProblem(ctx context.Context, id AccountID, p *Problem) error
	// ForgetProblems is SetProblem with nil for many accounts.
	ForgetProblems(ctx context.Context, ids []AccountID) error
	// SetAlias makes an account lead to another's mailbox and ledger, and those that led
	// to it as well; its problem is forgotten. If of is an alias itself, it leads to where that
	// one does. With 0 it stands for itself again.
	SetAlias(ctx context.Context, id, of AccountID) error
	// ProveAlias is SetAlias by the engine, which has proved that both logins lead to the same
	// mailboxes. Whichever login changes, the proof is void.
	ProveAlias(ctx context.Context, id, of AccountID) error
	// SetApart notes that an account's mailbox is no other account's, as long as its login at the
	// new server stays the same. An alias stands for itself again.
	SetApart(ctx context.Context, id AccountID) error
	// SetProbe notes that a probe at the account's new server begins, or (NoProbe) that everything
	// there is as it was. An account that becomes an alias hands it to the one that it leads to.
	SetProbe(ctx context.Context, id AccountID, p Probe) error
	// SetState changes what the engine may do with an account.
	SetState(ctx context.Context, id AccountID, s State) error
	// MoveStates gives the state to to those of the accounts whose state is one
	// of from, and returns them in the order given.
	MoveStates(ctx context.Context, ids []AccountID, from []State, to State) (moved []AccountID, err error)
	// RemoveAccounts removes accounts that are Waiting, and the consents of their mailboxes. Aliases of theirs stand for themselves again. With any other among
	// them it is ErrInvalid and nothing is removed.
	RemoveAccounts(ctx context.Context, ids []AccountID) error
	// Overview returns the accounts of a domain, or all if domain is "", in the
	// order of their IDs, each with its summary. An alias has state, problem and summary of
	// the account whose mailbox it leads to.
	Overview(ctx context.Context, domain string) ([]Overview, error)
	// Summary returns an account's summary.
	Summary(ctx context.Context, id AccountID) (Summary, error)
	// SetMessages notes how many messages the old server has for an account.
	SetMessages(ctx context.Context, id AccountID, messages uint64) error
}

// Ledgers keeps accounts' folders, and what has been copied of each.
type Ledgers interface {
	// Folders returns an account's folders in the order of their IDs.
	Folders(ctx context.Context, id AccountID) ([]Folder, error)
	// PutFolders adds folders (ID 0: one is given) and replaces names, state
	// and subscription of known ones; checkpoints, orders and counts are not touched.
	// It returns them with their IDs, in the order given.
	PutFolders(ctx context.Context, id AccountID, folders []Folder) ([]Folder, error)

	// Ledger reads all of a folder's ledger.
	Ledger(ctx context.Context, id AccountID, folder FolderID) (Ledger, error)
	// LedgerFrom reads a folder's ledger without the entries before a key, at a cost that
	// does not depend on how many those are.
	LedgerFrom(ctx context.Context, id AccountID, folder FolderID, from Key) (LedgerTail, error)
	// Entries looks keys up in a folder's ledger. Those without an entry are left
	// out; the others come in the order given.
	Entries(ctx context.Context, id AccountID, folder FolderID, keys []Key) ([]Entry, error)
	// Commit applies a batch.
	Commit(ctx context.Context, b Batch) error
	// CommitAll applies batches, of different folders or in their order, in one transaction: all or none.
	CommitAll(ctx context.Context, batches []Batch) error
}

// History keeps what passes came to.
type History interface {
	// AddPass appends to an account's history, which keeps the newest 50.
	AddPass(ctx context.Context, id AccountID, p Pass) error
	// Passes returns an account's history, oldest first.
	Passes(ctx context.Context, id AccountID) ([]Pass, error)
	// LastPasses returns the newest pass of each of those accounts that have one.
	LastPasses(ctx context.Context, ids []AccountID) (map[AccountID]Pass, error)

	// PutUsage replaces what is known of an account's usage: at most 25 hours.
	PutUsage(ctx context.Context, id AccountID, hours []Usage) error
	// Usage returns what PutUsage was given last.
	Usage(ctx context.Context, id AccountID) ([]Usage, error)
}

// Domains keeps domains, and when their passes are made.
type Domains interface {
	// Domains returns the stored domains, by name.
	Domains(ctx context.Context) ([]Domain, error)
	// PutDomain adds a domain, or replaces the one of that name, but for Created.
	PutDomain(ctx context.Context, d Domain) error
	// PutVacantDomain is PutDomain for a domain that has no accounts. It is ErrInvalid
	// if it has, at that very moment.
	PutVacantDomain(ctx context.Context, d Domain) error
	// DeleteDomain removes a stored domain, its schedule, its ways to sign in, its tokens, and the
	// administrators who look after it alone, with their sessions. It is
	// ErrInvalid while there are accounts of the domain.
	DeleteDomain(ctx context.Context, name string) error
	// Schedules returns the schedules there are, by domain.
	Schedules(ctx context.Context) ([]Schedule, error)
	// PutSchedule adds or replaces a domain's schedule; with Every 0 it removes it.
	PutSchedule(ctx context.Context, s Schedule) error
}

// Runs keeps runs and what came of their accounts.
type Runs interface {
	// AddRun begins a run for accounts: it gets an ID, and each account a part
	// that is open. Of a domain's runs the newest 50 are kept, fewer if they have
	// more than a million accounts together; open ones always are.
	AddRun(ctx context.Context, r Run, accounts []AccountID) (Run, error)
	// PutRun replaces a run's row and the parts of the accounts given.
	PutRun(ctx context.Context, r Run, changed []RunAccount) error
	// Run returns a run; ErrNotFound if there is none.
	Run(ctx context.Context, id RunID) (Run, error)
	// Runs returns the runs of a domain, or all if domain is "", newest first.
	Runs(ctx context.Context, domain string) ([]Run, error)
	// RunAccounts returns the parts of a run's accounts, in the order of their IDs.
	RunAccounts(ctx context.Context, id RunID) ([]RunAccount, error)
}
