package syncer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/session"
	"postferry/syncer/wayback"
	"postferry/upstream/link"
)

// wayBack copies an account's new mail back to the old server.
type wayBack struct{ *person }

// returns tells whether mail of the account is copied back, or may be later. Not every kind of server takes any.
func (b *wayBack) returns(p *passRun) bool {
	return b.domain.WayBack && b.domain.Old.Protocol.Writable() && !p.options.inboxOnly && !p.yielded && !p.stopped
}

// tellNoReturn notes that nothing is copied back for an account with a folder that shows all mail.
func (b *wayBack) tellNoReturn(f *folders.Folder) {
	why := store.WayBack{Folder: f.ID, Since: time.Now(), Trouble: reason.Of(reason.BackAllMail)}
	if err := b.store.Commit(b.jobs.Context, store.Batch{Account: b.id, Folder: f.ID, WayBack: &why}); err != nil && b.jobs.Context.Err() == nil {
		b.log.Error().Err(err).Msg("it could not be recorded that nothing is copied back for the account")
	}
}

// mayReturn tells whether the new mail of a folder is copied back: nobody but it has its name on the new
// server, and it has been pulled to its end.
func (b *wayBack) mayReturn(f *folders.Folder) bool {
	return f.State == store.FolderPresent && f.Complete() && !slices.ContainsFunc(b.mail.Folders, func(g *folders.Folder) bool { return g != f && g.New == f.New && g.State != store.FolderDeleted })
}

// next goes on with the way back; false if there is nothing to do for it.
func (b *wayBack) next(p *passRun, visits visitList) bool {
	switch {
	case p.pulling > 0 || p.returning.looking || !b.returns(p):
		return p.returning.looking
	case !p.returning.looked && b.mail.Folders.AllMail() != nil:
		p.returning.looked = true
		b.tellNoReturn(b.mail.Folders.AllMail())
		return false
	case !p.returning.looked:
		if b.jobs.MayUse(b.jobs.Backs[0]) {
			b.lookForReturns(p, b.jobs.Backs[0])
		}
		return true
	}
	for len(p.returning.queue) > 0 {
		f := p.returning.queue[0]
		if !b.mayReturn(f) || !f.MayPull() || visits.has(f) {
			p.returning.queue = p.returning.queue[1:] // the next pass comes to it
			continue
		}
		if b.jobs.MayUse(b.jobs.Backs[0]) {
			p.returning.queue = p.returning.queue[1:]
			b.sendBack(p, b.jobs.Backs[0], f)
		}
		return true
	}
	return false
}

// lookForReturns finds out which folders of the new server have something new.
func (b *wayBack) lookForReturns(p *passRun, l *session.Pair) {
	p.returning.looking = true
	names := map[string]*folders.Folder{}
	for _, f := range b.mail.Folders {
		if b.mayReturn(f) {
			names[f.New] = f
		}
	}
	var due []*folders.Folder
	var err error
	b.jobs.Start(l, nil, func(ctx context.Context) {
		if due, err = b.dueReturns(ctx, l, names); err != nil {
			l.Drop()
		}
	}, func() {
		p.returning.looking, p.returning.looked, p.returning.queue = false, true, due
		if err != nil && !session.Interrupted(b.jobs.Working, err) {
			b.log.Warn().Err(err).Msg("it could not be found out what is to be copied back to the old server")
		}
	})
}

// dueReturns are the folders with something new, or with messages of which it isn't known whether they are back.
func (b *wayBack) dueReturns(ctx context.Context, l *session.Pair, names map[string]*folders.Folder) (due []*folders.Folder, err error) {
	ways, returns, err := b.store.WaysBack(ctx, b.id)
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
func (b *wayBack) sendBack(p *passRun, l *session.Pair, f *folders.Folder) {
	p.pulling++
	yield := make(chan struct{})
	job := &wayback.Job{Account: b.id, Folder: f.Folder, Pair: l, Store: b.store, Open: !b.movedMX.IsZero(), Yield: yield,
		Log: b.log.With().Str("folder", f.Title).Logger()}
	f.Pulling = &folders.Pulling{Yield: sync.OnceFunc(func() { close(yield) })}
	var err error
	b.jobs.Start(l, yield, func(ctx context.Context) {
		if err = job.Run(ctx); err != nil {
			l.Drop()
		}
	}, func() {
		f.Pulling = nil
		f.RunSettled()
		p.pulling--
		b.returnEnded(f, job.Copied, err)
	})
}

// returnEnded hears how it went. What is left is tried again with the next pass.
func (b *wayBack) returnEnded(f *folders.Folder, copied uint64, err error) {
	event := b.log.Warn()
	switch {
	case err == nil && copied == 0:
		return
	case err == nil:
		event = b.log.Info()
	case errors.Is(err, session.ErrYield), errors.Is(err, wayback.ErrNotNow), session.Interrupted(b.jobs.Working, err):
		event = b.log.Debug()
	}
	event.Err(err).Str("folder", f.Title).Uint64("copied", copied).Str("class", link.ClassOf(err).String()).Msg("new mail was to be copied back to the old server")
}
