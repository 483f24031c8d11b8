package syncer

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/store"
)

// Engine copies mail from old servers to new ones.
type Engine struct{}

// New makes an engine. Nothing happens before Run.
func New(cfg *config.Config, st store.Store, log zerolog.Logger) (*Engine, error) { panic("stub") }

// Run owns the engine until ctx ends: it answers the calls below and, with
// background, passes over all accounts again and again. It returns when
// everything it started has ended.
func (e *Engine) Run(ctx context.Context, background bool) error { panic("stub") }

// Connected tells that a client has logged in to the new server as this
// account. The first time, it returns when the folder tree and the
// subscriptions have been brought over, the bound is reached or the old
// server shows no life; later at once. Each call is paired with a Disconnected.
func (e *Engine) Connected(ctx context.Context, id store.AccountID) { panic("stub") }

// Disconnected tells that such a client has gone.
func (e *Engine) Disconnected(id store.AccountID) { panic("stub") }

// Visit tells that a client opens a folder, by its raw name on the new
// server, and returns when the folder is worth showing: at once if nothing
// is missing. The caller bounds it by ctx; Visit itself gives up when the old
// server shows no life for a few seconds. The pull goes on after it returned.
// progress (may be nil) is told how many messages of how many are there; it is called from
// another goroutine, never after Visit returned.
func (e *Engine) Visit(ctx context.Context, id store.AccountID, mailbox string, progress func(done, total int)) {
	panic("stub")
}

// Changed applies a folder command (CREATE, DELETE, RENAME) of a client, which
// the new server has completed, to what is known of the account. Names are raw
// names on the new server; newName is for RENAME only. It returns once that is
// durable.
func (e *Engine) Changed(ctx context.Context, id store.AccountID, verb, mailbox, newName string) error {
	panic("stub")
}

// Enrol makes an account known whose credentials the new server has just
// accepted, if the old server accepts them too. A nil error means it is stored.
func (e *Engine) Enrol(ctx context.Context, a store.Account) (store.Account, error) { panic("stub") }

// Updated tells that accounts were added or given other credentials: their
// problems are forgotten and they are tried again.
func (e *Engine) Updated(ctx context.Context, ids []store.AccountID) error { panic("stub") }

// Live is what is going on with an account right now.
type Live struct {
	Account store.AccountID
	Login   string
	Running bool
	Folder  string // title of the folder being pulled, if any
	Done    uint64 // messages of the account dealt with (ledger and quarantine)
	Total   uint64 // messages known on the old server so far
	Copied  uint64 // messages copied since this pass began
	Bytes   uint64 // octets copied since this pass began
	Started time.Time
}

// Live reports the accounts that are being worked on.
func (e *Engine) Live(ctx context.Context) ([]Live, error) { panic("stub") }

// Result is how one account's pass ended.
type Result struct {
	Account store.Account // without passwords
	Pass    store.Pass
	Problem *store.Problem // what kept it from being complete, nil if nothing did
}

// Sync makes one pass over the accounts given, or over all that are active if
// none are, and returns when all are through or ctx ends. progress (may be
// nil) is called a few times a second.
func (e *Engine) Sync(ctx context.Context, ids []store.AccountID, progress func([]Live)) ([]Result, error) {
	panic("stub")
}
