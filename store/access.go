package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

// ErrExists means that what should have been the first of its kind is not.
var ErrExists = errors.New("store: exists already")

// ScopeAll is the scope of those who may do everything. Any other scope is the
// name of a domain, in lower case.
const ScopeAll = ""

// Admin is a person who may use the import page.
type Admin struct {
	// Name is unique; look-ups ignore the case of ASCII letters.
	Name  string
	Scope string // ScopeAll, or the one domain the person looks after
	// Hash is the password's, in PHC's notation ("$argon2id$..."). It opens
	// nothing by itself, but must not be shown either.
	Hash    Secret
	Created time.Time
	Changed time.Time // when the password or the scope was set last
	// From are the networks that sessions were begun from, the newest first. The
	// store keeps it: it counts only what AddSession is told.
	From []string
}

// Digest is the SHA-256 of a session's or a token's secret: what is random
// and long needs no slower hash, and the secret itself is nowhere.
type Digest [sha256.Size]byte

// DigestOf returns a secret's digest.
func DigestOf(s Secret) Digest { return sha256.Sum256([]byte(s)) }

// Session is an administrator who has logged in with a browser.
type Session struct {
	ID      Digest
	Admin   string // Admin.Name
	Created time.Time
	Used    time.Time // about when it was last used
}

// Token lets a program use the API.
type Token struct {
	ID      uint64 // for lists and for revoking; given by the store
	Digest  Digest
	Name    string // what it is for, for people
	Scope   string // as an Admin's
	By      string // who made it
	Created time.Time
	Used    time.Time // about when it was last used; zero for never
	Parent  uint64    // ID of the token that made it, and with which it goes; 0 if a person made it
}

// Access keeps who may use the import page, and who did what there. It is part
// of every Store, and what Store says of calls holds for it too.
type Access interface {
	// PutAdmin adds an administrator, or replaces the one of that name whose
	// Created and From stay; it ends that one's sessions, because password or scope have
	// changed. With first it fails with ErrExists if there is any administrator.
	PutAdmin(ctx context.Context, a Admin, first bool) (added bool, err error)
	// Admin looks an administrator up by name; ErrNotFound if there is none.
	Admin(ctx context.Context, name string) (Admin, error)
	// Admins returns all administrators in the order of their names in lower
	// case, without the hashes of their passwords.
	Admins(ctx context.Context) ([]Admin, error)
	// DeleteAdmin removes an administrator and ends the sessions.
	DeleteAdmin(ctx context.Context, name string) error

	// AddSession begins a session of a known administrator, whose oldest goes
	// if there are too many. from is the network it is begun from.
	AddSession(ctx context.Context, s Session, from string) error
	// Session looks a session up; ErrNotFound if there is none.
	Session(ctx context.Context, id Digest) (Session, error)
	// UseSession notes when a session was used; ErrNotFound if it has ended.
	UseSession(ctx context.Context, id Digest, when time.Time) error
	// EndSession ends a session; that it is unknown is no error.
	EndSession(ctx context.Context, id Digest) error
	// EndSessions ends those begun or last used before the given times, and
	// says how many they were.
	EndSessions(ctx context.Context, createdBefore, usedBefore time.Time) (ended int, err error)

	// AddToken adds a token and returns it with its ID. It fails with ErrNotFound if
	// the token that makes it is gone, and with ErrInvalid if there are too many of
	// that scope.
	AddToken(ctx context.Context, t Token) (Token, error)
	// Token looks a token up by its digest; ErrNotFound if there is none.
	Token(ctx context.Context, d Digest) (Token, error)
	// UseToken notes when a token was used; ErrNotFound if it was deleted.
	UseToken(ctx context.Context, d Digest, when time.Time) error
	// Tokens returns all tokens in the order of their IDs.
	Tokens(ctx context.Context) ([]Token, error)
	// DeleteToken removes a token, and the tokens that it made, those these made, and
	// so on; ErrNotFound if there is none. It returns all of them, the one asked for first.
	DeleteToken(ctx context.Context, id uint64) (gone []Token, err error)

	// AddAudit appends to the audit log, which keeps the newest 5,000 entries of each
	// domain, and the newest 20,000 that are about none.
	AddAudit(ctx context.Context, e AuditEntry) error
	// Audit reads the audit log, newest first.
	Audit(ctx context.Context, q AuditQuery) ([]AuditEntry, error)
}

// AuditEntry says that somebody did something with the import page. It never
// holds a secret.
type AuditEntry struct {
	ID      uint64 // given by the store; later entries have larger ones
	When    time.Time
	Who     string // an administrator's name, "token NAME", or "command line"
	From    string // address the request came from; "" on the command line
	Action  string // what was done: a stable snake_case word
	Domain  string // which domain it concerns; "" for none
	Account string // login of the account it concerns, if it is one
	Detail  string // figures and names, e.g. "added 12, updated 3"
}

// FinishAccounts is the action of the entry that Finish writes.
const FinishAccounts = "finish_accounts"

// AuditQuery says which entries are wanted.
type AuditQuery struct {
	Domain string    // only those of this domain; "" for all
	Before uint64    // only entries with smaller IDs; 0 for the newest
	Since  time.Time // no entries before this; zero for all
	Limit  int       // at most so many; at least 1
}
