package access

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"postferry/store"
)

// Store is what letting people in asks of the state.
type Store interface {
	Keeper
	Visitors
	auditStore
}

// Keeper knows who may come in.
type Keeper interface {
	Admin(ctx context.Context, name string) (store.Admin, error)
	Admins(ctx context.Context) ([]store.Admin, error)
	PutAdmin(ctx context.Context, a store.Admin, first bool) (added bool, err error)
	DeleteAdmin(ctx context.Context, name string) error
	AddToken(ctx context.Context, t store.Token) (store.Token, error)
	Tokens(ctx context.Context) ([]store.Token, error)
	DeleteToken(ctx context.Context, id uint64) (gone []store.Token, err error)
}

// Visitors knows who is in, and by what.
type Visitors interface {
	Admin(ctx context.Context, name string) (store.Admin, error)
	Admins(ctx context.Context) ([]store.Admin, error)
	PutAdmin(ctx context.Context, a store.Admin, first bool) (added bool, err error)
	AddSession(ctx context.Context, s store.Session, from string) error
	Session(ctx context.Context, id store.Digest) (store.Session, error)
	UseSession(ctx context.Context, id store.Digest, when time.Time) error
	EndSession(ctx context.Context, id store.Digest) error
	EndSessions(ctx context.Context, createdBefore, usedBefore time.Time) (ended int, err error)
	Token(ctx context.Context, d store.Digest) (store.Token, error)
	UseToken(ctx context.Context, d store.Digest, when time.Time) error
}

// auditStore keeps the audit log.
type auditStore interface {
	Domains(ctx context.Context) ([]store.Domain, error)
	AddAudit(ctx context.Context, e store.AuditEntry) error
	Audit(ctx context.Context, q store.AuditQuery) ([]store.AuditEntry, error)
}

// Uploads are what somebody has sent and not yet decided about. There are passwords in them: they go with
// whoever sent them, and after a while.
type Uploads interface {
	DropOwner(owner store.Digest)
	DropExpired(now time.Time)
}

// Options are what letting people in needs.
type Options struct {
	Store   Store
	Audit   *Audit
	Lists   Uploads
	Hashing Hashing
	Log     zerolog.Logger
}

// New makes what decides who may come in.
func New(opt Options) *Administrators {
	return &Administrators{opt.Store, newHasher(opt.Hashing), newLoginLimits(), opt.Lists, opt.Audit}
}

// NewSessions lets in whom a decides about.
func NewSessions(opt Options, a *Administrators) *Sessions {
	a.hasher.nobody() // the first who logs in waits no longer than others
	return &Sessions{store: opt.Store, hasher: a.hasher, limits: a.limits, lists: opt.Lists, audit: opt.Audit, log: opt.Log}
}
