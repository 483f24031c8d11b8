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

// aheadAfter is after how long a look at the trees the other sessions are opened.
const aheadAfter = 40 * time.Millisecond

// openAhead opens the sessions of the pass's other pairs behind those of the first,
// on which the look at the trees is about to be started, unless that ends soon.
func (ps *passes) openAhead() {
	if ps.pass.endAhead != nil || !ps.severalFolders() {
		return
	}
	ctx, cancel := context.WithCancel(ps.jobs.Working)
	old, new := session.NewLeader(cancel), session.NewLeader(cancel)
	ps.jobs.Backs[0].Old.Lead, ps.jobs.Backs[0].New.Lead = old, new
	ps.pass.endAhead = cancel
	p := ps.pass
	p.ahead = ps.jobs.After(aheadAfter, func() {
		for i, l := range ps.jobs.Backs {
			if i > 0 && ps.pass == p && ps.looks.running && ps.jobs.MayPull(i) {
				ps.jobs.Start(l, nil, func(context.Context) { l.Follow(ctx, old, new) }, func() { ps.followed(l) })
			}
		}
	})
}

// widenLater has the pass looked at again when it may use more pairs than the first.
func (ps *passes) widenLater(p *passRun) {
	if wait := widenAfter - time.Since(p.started); len(p.queue) > 1 && wait > 0 {
		p.wider = ps.jobs.After(wait, func() {}) // what there is to be done then shows by itself
	}
}

// severalFolders tells whether a pass is likely to pull more than one folder.
func (ps *passes) severalFolders() bool {
	if ps.pass.options.inboxOnly || !ps.jobs.Front.Traits().Folders {
		return false
	}
	missing := 0
	for _, f := range ps.mail.Folders {
		if !f.Complete() && (f.State == store.FolderPresent || f.State == store.FolderPlanned) {
			missing++
		}
	}
	return missing > 1 || len(ps.mail.Folders) == 0
}
