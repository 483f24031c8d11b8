package syncer

import (
	"context"
	"errors"
	"slices"
	"sync"

	"postferry/store"
	"postferry/syncer/session"
	"postferry/syncer/transfer"
	"postferry/syncer/wayback"
	"postferry/upstream/link"
)

// returning is the end of a pass over an account whose new mail is copied back to the old server.
type returning struct {
	looked  bool // it has been found out which folders there is something new in
	looking bool
	queue   []*tracked
}

// returns tells whether mail of the account is copied back, or may be later. Not every kind of server takes any.
func (a *account) returns(p *passRun) bool {
	return a.domain.WayBack && a.domain.Old.Protocol.Writable() && !p.options.inboxOnly && !p.yielded && !p.stopped
}

// allMail is a folder with all mail, which would show what was copied back as well; nil if there is none.
func (all folderList) allMail() *tracked {
	if at := slices.IndexFunc(all, func(f *tracked) bool { return f.AllMail }); at >= 0 {
		return all[at]
	}
	return nil
}

// tellNoReturn notes that nothing is copied back for an account with a folder that shows all mail.
func (a *account) tellNoReturn(f *tracked) {
	why := store.WayBack{Folder: f.ID, Since: a.clock(), Trouble: "the old mailbox has a folder that shows all mail, with which nothing can be copied back to it"}
	if err := a.store.Commit(a.ctx, store.Batch{Account: a.id, Folder: f.ID, WayBack: &why}); err != nil && a.ctx.Err() == nil {
		a.log.Error().Err(err).Msg("it could not be recorded that nothing is copied back for the account")
	}
}

// mayReturn tells whether the new mail of a folder is copied back: nobody but it has its name on the new
// server, and it has been pulled to its end.
func (a *account) mayReturn(f *tracked) bool {
	return f.State == store.FolderPresent && f.complete() && !slices.ContainsFunc(a.folders, func(g *tracked) bool { return g != f && g.New == f.New && g.State != store.FolderDeleted })
}

// nextReturn goes on with the way back; false if there is nothing to do for it.
func (a *account) nextReturn(p *passRun) bool {
	switch {
	case p.pulling > 0 || p.returning.looking || !a.returns(p):
		return p.returning.looking
	case !p.returning.looked && a.folders.allMail() != nil:
		p.returning.looked = true
		a.tellNoReturn(a.folders.allMail())
		return false
	case !p.returning.looked:
		if a.mayUse(a.backs[0]) {
			a.lookForReturns(p, a.backs[0])
		}
		return true
	}
	for len(p.returning.queue) > 0 {
		f := p.returning.queue[0]
		if !a.mayReturn(f) || !f.mayPull() || a.visits.has(f) {
			p.returning.queue = p.returning.queue[1:] // the next pass comes to it
			continue
		}
		if a.mayUse(a.backs[0]) {
			p.returning.queue = p.returning.queue[1:]
			a.sendBack(p, a.backs[0], f)
		}
		return true
	}
	return false
}

// lookForReturns finds out which folders of the new server have something new.
func (a *account) lookForReturns(p *passRun, l *session.Pair) {
	p.returning.looking = true
	names := map[string]*tracked{}
	for _, f := range a.folders {
		if a.mayReturn(f) {
			names[f.New] = f
		}
	}
	var due []*tracked
	var err error
	a.start(l, nil, func(ctx context.Context) {
		if due, err = a.dueReturns(ctx, l, names); err != nil {
			l.Drop()
		}
	}, func() {
		p.returning.looking, p.returning.looked, p.returning.queue = false, true, due
		if err != nil && !session.Interrupted(a.work, err) {
			a.log.Warn().Err(err).Msg("it could not be found out what is to be copied back to the old server")
		}
	})
}

// dueReturns are the folders with something new, or with messages of which it isn't known whether they are back.
func (a *account) dueReturns(ctx context.Context, l *session.Pair, names map[string]*tracked) (due []*tracked, err error) {
	ways, returns, err := a.store.WaysBack(ctx, a.id)
	if err != nil {
		return nil, err
	}
	target, err := l.Target(ctx)
	if err != nil {
		return nil, err
	}
	asked := make([]string, 0, len(names))
	for name := range names {
		asked = append(asked, name)
	}
	slices.Sort(asked)
	told, err := target.Status(ctx, asked)
	if err != nil {
		return nil, err
	}
	for _, name := range asked {
		f := names[name]
		st, ok := told[name]
		at := slices.IndexFunc(ways, func(w store.WayBack) bool { return w.Folder == f.ID })
		open := slices.ContainsFunc(returns, func(r store.Return) bool { return r.Folder == f.ID })
		if ok && (at < 0 || open || st.UIDValidity != ways[at].UIDValidity || st.UIDNext != ways[at].Next) {
			due = append(due, f)
		}
	}
	return due, nil
}

// sendBack copies the new mail of a folder back. It counts as one that is pulled meanwhile.
func (a *account) sendBack(p *passRun, l *session.Pair, f *tracked) {
	p.pulling++
	yield := make(chan struct{})
	job := &wayback.Job{Account: a.id, Folder: f.Folder, Pair: l, Store: a.store, Open: !a.movedMX.IsZero(), Quiet: a.quiet, Yield: yield,
		Clock: a.clock, Log: a.log.With().Str("folder", f.Title).Logger()}
	f.pulling = &pulling{yield: sync.OnceFunc(func() { close(yield) })}
	var err error
	a.start(l, yield, func(ctx context.Context) {
		if err = job.Run(ctx); err != nil {
			l.Drop()
		}
	}, func() {
		f.pulling = nil
		f.runSettled()
		p.pulling--
		a.returnEnded(f, job.Copied, err)
	})
}

// returnEnded hears how it went. What is left is tried again with the next pass.
func (a *account) returnEnded(f *tracked, copied uint64, err error) {
	event := a.log.Warn()
	switch {
	case err == nil && copied == 0:
		return
	case err == nil:
		event = a.log.Info()
	case errors.Is(err, session.ErrYield), errors.Is(err, wayback.ErrNotNow), session.Interrupted(a.work, err):
		event = a.log.Debug()
	}
	event.Err(err).Str("folder", f.Title).Uint64("copied", copied).Str("class", link.ClassOf(err).String()).Msg("new mail was to be copied back to the old server")
}

// expectReturns lets a pull know what has been copied back and may appear in its folder.
func (a *account) expectReturns(ctx context.Context, p *transfer.Pull) error {
	_, returns, err := a.store.WaysBack(ctx, a.id)
	if err != nil {
		return err
	}
	if p.Returned = wayback.NewIncoming(a.store, a.id, p.Row.ID, returns); p.Returned != nil {
		p.Early = 0
	}
	return nil
}
