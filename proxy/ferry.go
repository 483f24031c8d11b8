package proxy

import (
	"context"

	"postferry/store"
	"postferry/wire"
)

// Ferry is what the proxy needs of the engine that copies mail. Everything it
// is asked for is bounded by the context given.
type Ferry interface {
	// Connected tells that a client has logged in as this account. It returns
	// when the folder tree is worth showing, or soon if that can't be had.
	// Each call is paired with a Disconnected.
	Connected(ctx context.Context, id store.AccountID)
	Disconnected(id store.AccountID)
	// Visit tells that a client opens a folder, by its raw name on the new
	// server, and returns when the folder is worth showing. progress is called
	// from another goroutine, never after Visit returned.
	Visit(ctx context.Context, id store.AccountID, mailbox string, progress func(done, total int))
	// Asked tells that a client asks what folders have (STATUS), by raw names; none stand for
	// all (LIST-STATUS). It returns when those of which little is missing are filled, or ctx
	// ends; the others come next.
	Asked(ctx context.Context, id store.AccountID, mailboxes ...string)
	// Search copies first, of the messages of a folder that have not come yet, those that are
	// searched for: the newest of them, as many as fit in the time of ctx. It returns whether
	// it has looked, as the folder is not filled yet.
	Search(ctx context.Context, id store.AccountID, mailbox string, criteria wire.Criteria) (looked bool)
	// Renaming tells that a client is about to RENAME a folder, by raw names. It returns
	// once that is durable, so that a folder whose new name never gets known does not count as deleted.
	Renaming(ctx context.Context, id store.AccountID, mailbox, newName string) error
	// Hold makes the copying into folders rest that a client's command is about, by raw
	// names, with all that is below them. It returns when it rests, or ctx ends; no more is
	// copied there until release is called, which is safe to do more than once.
	Hold(ctx context.Context, id store.AccountID, mailboxes ...string) (release func())
	// Changed tells that the new server has completed a client's CREATE, DELETE
	// or RENAME (newName is for RENAME only), or that it refused a RENAME (newName
	// is mailbox then). Names are raw. It returns once that is durable.
	Changed(ctx context.Context, id store.AccountID, verb, mailbox, newName string) error
	// Enrol makes an account known whose credentials the new server has
	// accepted, if the old server accepts them too.
	Enrol(ctx context.Context, a store.Account) (store.Account, error)
	// Updated tells that accounts were given other credentials.
	Updated(ctx context.Context, ids []store.AccountID) error
}
