package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"go.etcd.io/bbolt"
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

const (
	maxName         = 255 // octets of an administrator's or a token's name
	maxTokens       = 10_000
	maxTokensAll    = 1000 // good for all domains; they have places of their own within maxTokens
	maxTokensEach   = 50   // of one domain
	maxAdmins       = 10_000
	maxSessionsEach = 50 // of one administrator; the one used longest ago goes first
	maxFromEach     = 10 // networks of one administrator
)

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

func checkAdmin(a *Admin) error {
	switch {
	case a.Name == "" || len(a.Name) > maxName:
		return invalid("an administrator's name of %d octets: 1 to %d are allowed", len(a.Name), maxName)
	case a.Hash == "":
		return invalid("administrator %q has no password", a.Name)
	}
	return nil
}

// PutAdmin implements Access.
func (b *Bolt) PutAdmin(ctx context.Context, a Admin, first bool) (added bool, err error) {
	if err := checkAdmin(&a); err != nil {
		return false, err
	}
	key := foldLogin(a.Name)
	err = b.update(ctx, 2, func(tx *bbolt.Tx) error {
		admins := root(tx, bucketAdmins)
		known, err := getAdmin(tx, key)
		added = errors.Is(err, ErrNotFound)
		switch {
		case err != nil && !added:
			return err
		case first && countRows(admins) > 0:
			return ErrExists
		case added && countRows(admins) >= maxAdmins:
			return invalid("there are %d administrators already", maxAdmins)
		case !added:
			a.Created = known.Created
		}
		a.From = known.From
		if err := admins.Put(key, encodeAdmin(&a)); err != nil {
			return err
		}
		return endSessionsOf(tx, key)
	})
	return added && err == nil, err
}

func getAdmin(tx *bbolt.Tx, key []byte) (Admin, error) {
	row := root(tx, bucketAdmins).Get(key)
	if row == nil {
		return Admin{}, ErrNotFound
	}
	a, err := decodeAdmin(row)
	if err != nil {
		return Admin{}, damaged(bucketAdmins, key, err)
	}
	return a, nil
}

// countRows counts the rows of a small bucket.
func countRows(bucket *bbolt.Bucket) (n int) {
	_ = bucket.ForEach(func(_, _ []byte) error {
		n++
		return nil
	})
	return n
}

// Admin implements Access.
func (b *Bolt) Admin(ctx context.Context, name string) (a Admin, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		a, err = getAdmin(tx, foldLogin(name))
		return err
	})
	return a, err
}

// Admins implements Access.
func (b *Bolt) Admins(ctx context.Context) (admins []Admin, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		admins, err = allAdmins(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return admins, nil
}

// allAdmins are all administrators, without the hashes of their passwords.
func allAdmins(tx *bbolt.Tx) (admins []Admin, err error) {
	err = root(tx, bucketAdmins).ForEach(func(key, _ []byte) error {
		a, err := getAdmin(tx, key)
		a.Hash = ""
		admins = append(admins, a)
		return err
	})
	return admins, err
}

// DeleteAdmin implements Access.
func (b *Bolt) DeleteAdmin(ctx context.Context, name string) error {
	key := foldLogin(name)
	return b.update(ctx, 2, func(tx *bbolt.Tx) error {
		if _, err := getAdmin(tx, key); err != nil {
			return err
		}
		return deleteAdmin(tx, key)
	})
}

// deleteAdmin removes the administrator with a folded name, and the sessions.
func deleteAdmin(tx *bbolt.Tx, key []byte) error {
	if err := root(tx, bucketAdmins).Delete(key); err != nil {
		return err
	}
	return endSessionsOf(tx, key)
}

func encodeAdmin(a *Admin) []byte {
	var e encoder
	e.text(a.Name)
	e.text(a.Scope)
	e.text(a.Hash.Reveal())
	e.time(a.Created)
	e.time(a.Changed)
	e.uint(uint64(len(a.From)))
	for _, network := range a.From {
		e.text(network)
	}
	return e
}

func decodeAdmin(row []byte) (Admin, error) {
	d := decoder{rest: row}
	a := Admin{
		Name:    d.text(),
		Scope:   d.text(),
		Hash:    Secret(d.text()),
		Created: d.time(),
		Changed: d.time(),
	}
	if d.more() {
		for range d.uint(maxFromEach) {
			a.From = append(a.From, d.text())
		}
	}
	return a, d.done()
}
