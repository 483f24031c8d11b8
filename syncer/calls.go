package syncer

import (
	"context"
	"errors"

	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream/link"
	"postferry/wire"
)

// Connected tells that a client has logged in to the new server as this
// account. The first time, it returns when the folder tree and the
// subscriptions have been brought over, the bound is reached or the old
// server shows no life; later at once. Each call is paired with a Disconnected.
func (e *Engine) Connected(ctx context.Context, id store.AccountID) {
	a, leave, err := e.registry.acquire(ctx, id)
	if err != nil {
		return
	}
	defer leave()
	_ = e.loop.do(ctx, func() { e.registry.clientCame(id) })
	e.awaitTree(ctx, a)
	if of := e.leaders.leading(ctx, id); of != a.id { // as has just turned out
		first, leave, err := e.registry.acquire(ctx, of)
		if err != nil {
			return
		}
		defer leave()
		e.awaitTree(ctx, first)
	}
}

// awaitTree waits for the first look at an account's trees.
func (e *Engine) awaitTree(ctx context.Context, a *account) {
	var tree <-chan struct{}
	var old *session.Pool
	if err := a.jobs.Do(ctx, func() { tree, old = a.visits.connected() }); err != nil || tree == nil {
		return
	}
	a.visits.await(ctx, tree, old, func() {})
}

// Disconnected tells that such a client has gone.
func (e *Engine) Disconnected(id store.AccountID) {
	_ = e.loop.do(context.Background(), func() { e.registry.clientWent(id) })
}

// Visit tells that a client opens a folder, by its raw name on the new
// server, and returns when the folder is worth showing: at once if nothing
// is missing. The caller bounds it by ctx; Visit itself gives up when the old
// server shows no life for a few seconds. The pull goes on after it returned.
// progress (may be nil) is told about once a second how many messages of how many are there,
// on the caller's goroutine.
func (e *Engine) Visit(ctx context.Context, id store.AccountID, mailbox string, progress func(done, total int)) {
	a, leave, err := e.registry.acquire(ctx, id)
	if err != nil {
		return
	}
	defer leave()
	a.visits.visit(ctx, mailbox, progress)
}

// Renaming tells that a client is about to rename a folder of the new server, by
// raw names. It returns once that is durable: if the outcome is never told, as
// the client's connection or we end first, the next look at the folders finds out.
func (e *Engine) Renaming(ctx context.Context, id store.AccountID, mailbox, newName string) error {
	return e.registry.follow(ctx, id, func(a *account) error {
		return a.mail.Renaming(folders.Change{Verb: folders.VerbRename, Mailbox: mailbox, NewName: newName})
	})
}

// Changed applies a folder command (CREATE, DELETE, RENAME) of a client, which
// the new server has completed, to what is known of the account. Names are raw
// names on the new server; newName is for RENAME only, and mailbox again if the new
// server refused it. It returns once that is durable.
func (e *Engine) Changed(ctx context.Context, id store.AccountID, verb, mailbox, newName string) error {
	return e.registry.follow(ctx, id, func(a *account) error {
		return a.mail.Change(folders.Change{Verb: verb, Mailbox: mailbox, NewName: newName})
	})
}

// Enrol makes an account known whose credentials the new server has just
// accepted, if the old server accepts them too. A nil error means it is stored. One that
// was added meanwhile gets the credentials, and stays in the state it is in.
func (e *Engine) Enrol(ctx context.Context, a store.Account) (store.Account, error) {
	d, ok := e.shared.cfg.DomainNamed(a.Domain)
	switch {
	case !ok:
		return a, errNoDomain
	case !d.Enrol: // it did a moment ago
		return a, errNoEnrolment
	}
	_, leave, err := e.pools.dialOldOf(ctx, d, a.Old, e.shared.dial.Old)
	if known, ok := errors.AsType[*link.Error](err); ok && known.Code == link.CodeInUse {
		err, leave = nil, func() {} // a server says so after it has checked the password (RFC 2449 section 8.1.2)
	}
	if err != nil {
		return a, err
	}
	leave()
	// What one old server has accepted is not kept for another.
	var at *store.Domain
	if d.Stored {
		at = &store.Domain{Name: d.Name, Old: d.Old.String(), OldFingerprint: d.Old.Fingerprint}
	}
	if a, err = e.shared.store.PutEnrolled(ctx, a, at); err != nil {
		return a, err
	}
	return a, e.Updated(ctx, []store.AccountID{a.ID})
}

// Asked tells that a client asks what folders have (STATUS), by raw names on the new server;
// none stand for all. They come next, INBOX first and then the smallest. It returns when those
// that lack little are filled, or ctx ends.
func (e *Engine) Asked(ctx context.Context, id store.AccountID, mailboxes ...string) {
	a, leave, err := e.registry.acquire(ctx, id)
	if err != nil {
		return
	}
	defer leave()
	var filled []<-chan struct{}
	if a.jobs.Do(ctx, func() {
		if filled = a.visits.ask(mailboxes); a.passes.pass != nil {
			a.passes.pass.order()
		}
	}) != nil {
		return
	}
	for _, shown := range filled {
		select {
		case <-shown:
		case <-a.jobs.Gone:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Search copies first, of the messages of a folder that have not come yet, those that a client
// searches for. It returns when the newest of them are there, or ctx ends, and at once for
// a folder that is filled: then it has not looked.
func (e *Engine) Search(ctx context.Context, id store.AccountID, mailbox string, criteria wire.Criteria) (looked bool) {
	a, leave, err := e.registry.acquire(ctx, id)
	if err != nil {
		return false
	}
	defer leave()
	var w *job.ClientSearch
	if a.jobs.Do(ctx, func() { w = a.visits.beginSearch(mailbox, criteria) }) != nil || w == nil {
		return false
	}
	select {
	case <-w.Ended:
	case <-a.jobs.Gone:
	case <-ctx.Done():
	}
	return true
}
