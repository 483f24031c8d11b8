package syncer

import (
	"context"
	"errors"
	"sync"
	"time"

	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/mailbox"
	"postferry/syncer/session"
	"postferry/syncer/treesync"
	"postferry/upstream"
)

// looks are the looks at an account's folder trees.
type looks struct {
	*person
	lead    func(of store.AccountID) // hears that this is an alias; nil in tests without one
	passing func() bool              // whether a pass is under way
	ended   func(treesync.Result)    // hears of the end of a look

	began    time.Time // of the last one
	running  bool
	waiting  []chan struct{}
	vain     bool        // somebody has waited for the first one as long as anybody should
	yield    func()      // makes the pass's look give up waiting for a place; nil if a client's runs
	slow     *time.Timer // runs while the first one does; nil for none
	foretold uint64      // how many messages there are at least, for as long as no look has ended
}

// becomeAlias lets the account lead to another one from now on: nothing was copied for it.
func (k *looks) becomeAlias(of store.AccountID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.jobs.Context), folders.StoreWait)
	defer cancel()
	if err := k.store.ProveAlias(ctx, k.id, of); err != nil {
		return err
	}
	k.claims.Lead(k.id, of)
	k.row.Alias, k.row.Problem = of, nil
	k.log.Info().Uint64("of", uint64(of)).Msg("the login leads to a mailbox that another account copies into: it is an alias from now on")
	if k.lead != nil {
		k.lead(of)
	}
	return errIdle
}

// slowTree is after what time a first look at the trees counts as slow: Dovecot reads
// through a maildir of half a million messages to answer it, but may tell sooner how
// many there are in one folder.
const slowTree = 200 * time.Millisecond

// expectSlow sees to it that something can be shown even if the account's first look at
// the trees takes long.
func (k *looks) expectSlow() {
	if len(k.mail.Folders) > 0 || !k.passing() || !k.jobs.Front.Traits().Folders {
		return
	}
	k.slow = k.jobs.After(slowTree, k.foretell)
}

// foretell asks how many messages INBOX has, on a session that has nothing else to do.
func (k *looks) foretell() {
	l := k.jobs.Backs[1]
	if !k.running || !k.passing() || k.jobs.Busy[l] || !l.Old.There {
		return
	}
	var inbox upstream.Status
	k.jobs.Start(l, nil, func(ctx context.Context) {
		var err error
		if inbox, err = l.Old.Session.Inbox(ctx); err != nil {
			l.Drop() // it shows again when the pair is needed
		}
	}, func() {
		k.foretold = uint64(inbox.Messages)
		if !k.passing() { // it ended meanwhile
			k.jobs.EndIdle([]*session.Pair{l})
		}
	})
}

// tell lets go of all who wait for the tree: only now they can open a folder.
func (k *looks) tell() {
	if len(k.waiting) > 0 {
		k.came = time.Now()
	}
	for _, c := range k.waiting {
		close(c)
	}
	k.waiting = nil
}

// start looks at both trees on a pair and brings the new one up to date; visit
// if a client waits for it.
func (k *looks) start(l *session.Pair, visit bool) {
	k.running, k.mail.Trees.Changes, k.began = true, nil, time.Now()
	l.Urgent = visit || l == k.jobs.Front
	rows := k.mail.Folders.Known()
	last := k.mail.Trees.Last
	last.Doubted = k.mail.Folders.Doubted()
	yield := make(chan struct{})
	if k.yield = nil; !visit {
		k.yield = sync.OnceFunc(func() { close(yield) })
	}
	k.expectSlow()
	of := treesync.Account{ID: k.id, Store: k.store, Domain: k.domain, MaxFolders: k.cfg.Sync.MaxFolders, Resets: &k.mail.Resets,
		Claims: &mailbox.ClaimRequest{Account: k.id, Mailboxes: k.claims, Store: k.store, Cfg: k.cfg, Dial: k.dial, Log: k.log}, Log: k.log}
	var result treesync.Result
	k.jobs.Start(l, yield, func(ctx context.Context) {
		result = treesync.Look(ctx, of, l, rows, last, true)
		if session.BreaksConnection(result.Err) && ctx.Err() == nil {
			// A kept session may have died; one more try with fresh ones, and with nothing
			// besides. If it breaks again at the same place, that is left out.
			l.Drop()
			broken := result
			result = treesync.Look(ctx, of, l, rows, last, false)
			result.Suspecting(broken)
		}
		if result.Err != nil {
			l.Drop()
		}
	}, func() {
		if result.Err == nil {
			k.mail.Folders.Settled(last.Doubted)
		}
		k.done(result)
	})
}

// done takes over what a look has found.
func (k *looks) done(r treesync.Result) {
	k.running = false
	if k.slow != nil {
		k.slow.Stop()
	}
	if errors.Is(r.Err, session.ErrYield) {
		return // a client's look follows, for the pass as well
	}
	if alias, ok := errors.AsType[*mailbox.AliasError](r.Err); ok {
		r.Err = k.becomeAlias(alias.Of)
	}
	k.mail.Looked(&r)
	k.labelled.Look(k.mail.Trees.Labels)
	k.tell()
	k.ended(r)
}
