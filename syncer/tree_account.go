package syncer

import (
	"context"
	"errors"
	"sync"
	"time"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/mailbox"
	"postferry/syncer/problem"
	"postferry/syncer/session"
	"postferry/syncer/treesync"
	"postferry/upstream"
)

// treeFresh is how long a look at the folder trees is good enough for another
// client that logs in.
const treeFresh = time.Minute

// storeWait bounds a write to the store that must not be lost when the engine stops.
const storeWait = 5 * time.Second

// treeState is what an account knows of its folder trees.
type treeState struct {
	room    *store.Problem // the account's mail can't fit on the new server; nil if it can
	at      time.Time      // of the last successful look
	began   time.Time      // of the last look
	running bool
	err     error // of the last look
	waiting []chan struct{}
	vain    bool                       // somebody has waited for the first look as long as anybody should
	yield   func()                     // makes the pass's look give up waiting for a place; nil if a client's runs
	changes []folderChange             // of clients, while the present look runs
	delim   byte                       // of the new server; 0 until known
	status  map[string]upstream.Status // of the old folders, as of the last look
	newer   map[string]upstream.Status // of the new folders, as far as the look brought it along
	suspect map[store.FolderID]bool    // folders of which the look has found messages to be others than they were
	empty   map[string]bool            // new folders that were seen empty then
	views   map[string]bool            // folders left alone that show mail of others, by raw old name
	slow    *time.Timer                // runs while the first look does; nil for none
	left    map[string]error           // raw names on the new server of folders that could not be made for now, and why
	listed  foldertree.ListingTrouble  // what is wrong with how the old server lists its folders
	omitted int                        // folders of the old server that are more than are made
	// foretold is how many messages there are at least, for as long as no look has ended.
	foretold uint64
	last     treesync.LastLook
}

// tell lets go of all who wait for the tree.
func (t *treeState) tell() {
	for _, c := range t.waiting {
		close(c)
	}
	t.waiting = nil
}

// startTree looks at both trees on a pair and brings the new one up to date; visit
// if a client waits for it.
func (a *account) startTree(l *session.Pair, visit bool) {
	a.tree.running, a.tree.changes, a.tree.began = true, nil, time.Now()
	l.Urgent = visit || l == a.front
	rows := a.folders.known()
	last := a.tree.last
	last.Doubted = a.folders.doubted()
	yield := make(chan struct{})
	if a.tree.yield = nil; !visit {
		a.tree.yield = sync.OnceFunc(func() { close(yield) })
	}
	a.expectSlow()
	of := treesync.Account{ID: a.id, Store: a.store, Domain: a.domain, MaxFolders: a.cfg.Sync.MaxFolders, Quiet: a.quiet, Now: a.clock,
		Claims: &mailbox.ClaimRequest{Account: a.id, Mailboxes: a.claims, Store: a.store, Cfg: a.cfg, Dial: a.dial, Log: a.log}, Log: a.log}
	var result treesync.Result
	a.start(l, yield, func(ctx context.Context) {
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
			a.folders.settled(last.Doubted)
		}
		a.treeDone(result)
	})
}

// doubted are the folders that seem to be others on the new server than they were.
func (all folderList) doubted() map[store.FolderID]bool {
	ids := map[store.FolderID]bool{}
	for _, f := range all {
		if f.doubted {
			ids[f.ID] = true
		}
	}
	return ids
}

// settled ends doubts that a look has settled.
func (all folderList) settled(ids map[store.FolderID]bool) {
	for _, f := range all {
		f.doubted = f.doubted && !ids[f.ID]
	}
}

func (a *account) treeDone(r treesync.Result) {
	a.tree.running = false
	if a.tree.slow != nil {
		a.tree.slow.Stop()
	}
	if errors.Is(r.Err, session.ErrYield) {
		return // a client's look follows, for the pass as well
	}
	if alias, ok := errors.AsType[*mailbox.AliasError](r.Err); ok {
		r.Err = a.becomeAlias(alias.Of)
	}
	a.mendRows(r.Rows)
	rows, err := a.rows.put(r.Rows)
	if r.Err == nil {
		r.Err = err
	}
	a.tree.err = r.Err
	a.folders.take(rows)
	if r.Delim != 0 {
		a.tree.delim = r.Delim
	}
	if r.Err == nil {
		a.tree.at, a.tree.status, a.tree.newer, a.tree.empty, a.tree.room, a.tree.last = time.Now(), r.Status, r.Newer, r.Empty, r.Room, r.Seen
		a.tree.left, a.tree.listed = r.Left, r.Listed
		a.tree.omitted, a.tree.views, a.tree.suspect = r.Omitted, r.Views, r.Suspect
	}
	a.tree.tell()
	if a.pass != nil && !a.pass.tree {
		if a.tree.began.Before(a.pass.started) {
			return // what came between the two is not in it: the pass looks again
		}
		a.passTree(r.Err)
	} else if r.Err != nil && a.work.Err() == nil {
		a.problem(problem.Of(r.Err, "", 1))
	} else if r.Room != nil {
		a.problem(r.Room)
	}
}

// mendRows puts right the rows of a look that was overtaken by clients: what
// they did is newer than what the look saw.
func (m *mailboxState) mendRows(rows []store.Folder) {
	for i := range rows {
		for _, c := range m.tree.changes {
			if f := m.folders.byID(rows[i].ID); f != nil {
				rows[i].New, rows[i].State, rows[i].Renaming = f.New, f.State, f.Renaming
				rows[i].NewUIDValidity, rows[i].Missing, rows[i].LeftOut = f.NewUIDValidity, f.Missing, f.LeftOut
			} else {
				m.follow(&rows[i], c)
			}
		}
	}
}

// putFolders stores rows. Only the account's goroutine does, so that a look at the
// trees never undoes what a client did meanwhile.
func (k *records) put(rows []store.Folder) ([]store.Folder, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), storeWait)
	defer cancel()
	return k.store.PutFolders(ctx, k.id, rows)
}
