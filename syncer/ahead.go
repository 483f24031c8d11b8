package syncer

import (
	"context"
	"time"

	"postferry/store"
	"postferry/syncer/session"
)

// The sessions of an account's other pairs for passes are opened while the first
// one still logs in and looks at the folder trees: far away that takes as long as
// copying a small folder does. They connect after the first and log in after it,
// so that a server that refuses the password hears it once, and one that has room
// for a single connection gives it to the first.
//
// Nearby one pair is faster for a small mailbox: each login has the servers start a process. So
// the others come only where the look takes a while, or the pass.
const (
	// aheadAfter is after how long a look at the trees the other sessions are opened.
	aheadAfter = 40 * time.Millisecond
	// widenAfter is after how long a pass pulls on more than one pair.
	widenAfter = 200 * time.Millisecond
)

// openAhead opens the sessions of the pass's other pairs behind those of the first,
// on which the look at the trees is about to be started, unless that ends soon.
func (a *account) openAhead() {
	if a.pass.endAhead != nil || !a.severalFolders() {
		return
	}
	ctx, cancel := context.WithCancel(a.work)
	old, new := session.NewLeader(cancel), session.NewLeader(cancel)
	a.backs[0].Old.Lead, a.backs[0].New.Lead = old, new
	a.pass.endAhead = cancel
	p := a.pass
	p.ahead = a.after(aheadAfter, func() {
		for i, l := range a.backs {
			if i > 0 && a.pass == p && a.tree.running && a.mayPull(i) {
				a.start(l, nil, func(context.Context) { l.Follow(ctx, old, new) }, func() { a.followed(l) })
			}
		}
	})
}

// widenLater has the pass looked at again when it may use more pairs than the first.
func (a *account) widenLater(p *passRun) {
	if wait := widenAfter - time.Since(p.started); len(p.queue) > 1 && wait > 0 {
		p.wider = a.after(wait, func() {}) // what there is to be done then shows by itself
	}
}

// widened tells whether a pass may pull on one of the pairs behind the first.
func (p *passRun) widened(i int, l *session.Pair) bool {
	return i == 0 || !l.Empty() || time.Since(p.started) >= widenAfter
}

// severalFolders tells whether a pass is likely to pull more than one folder.
func (a *account) severalFolders() bool {
	if a.pass.options.inboxOnly || !a.front.Traits().Folders {
		return false
	}
	missing := 0
	for _, f := range a.folders {
		if !f.complete() && (f.State == store.FolderPresent || f.State == store.FolderPlanned) {
			missing++
		}
	}
	return missing > 1 || len(a.folders) == 0
}

// followed goes on with a pair whose sessions have been opened ahead.
func (a *account) followed(l *session.Pair) {
	if a.pass == nil { // it ended meanwhile
		a.endIdle([]*session.Pair{l})
	}
}

// askEarly is how many of a folder's messages are asked for without a listing, which saves
// a round trip and work: all, of a folder that is not large and is missing on the new
// server. Where limits are to be kept their sizes must be known first.
// limited says that the new server has a limit for messages.
func (a *account) askEarly(f *tracked, limited bool) int {
	st, empty := a.tree.status[f.Old], a.tree.empty[f.New]
	delete(a.tree.empty, f.New) // that holds once
	cp := f.Checkpoint
	switch {
	case f.AllMail:
	case !empty || st.UIDNext > session.ListWindow+1:
	case len(a.thinned(f)) > 0: // its messages may be known under other keys
	case cp.UIDValidity != 0 || !cp.Checked.IsZero() || f.Again > 0:
	case a.traffic.Old.Budget.Limit > 0 || a.traffic.New.Budget.Limit > 0 || limited:
	default:
		return min(int(st.Messages), session.ListWindow)
	}
	return 0
}
