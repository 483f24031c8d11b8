package syncer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/foldertree"
	"postferry/syncer/reorder"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// orderQuiet is how long clients that have a folder open must have said nothing before its
// order is restored under them.
const orderQuiet = time.Minute

// ordering sees to it that folders of which the newest messages came first get into the order of arrival.
type ordering struct{ *person }

// noteNewest makes durable that the newest messages of a folder come first, before they do.
// It is called by the folder's pull.
func (o *ordering) noteNewest(f *folders.Folder, id store.FolderID) error {
	order := store.Order{State: store.OrderNewest}
	if err := o.store.Commit(o.jobs.Context, store.Batch{Account: o.id, Folder: id, Order: &order}); err != nil {
		return err
	}
	o.jobs.Events <- func() { f.Order = order } // the account hears its jobs to the last
	return nil
}

// restore restores the order of a folder, once in a pass; ended is told on the account's goroutine.
func (o *ordering) restore(l *session.Pair, f *folders.Folder, ended func()) {
	yield := make(chan struct{})
	job := o.job(l, f, yield)
	f.Pulling = &folders.Pulling{Yield: sync.OnceFunc(func() { close(yield) })}
	var err error
	o.jobs.Start(l, yield, func(ctx context.Context) {
		if o.inUse(ctx, f.New) {
			err = errInUse
			return
		}
		if err = job.Run(ctx); err != nil {
			l.Drop()
		}
	}, func() {
		f.Pulling = nil
		if f.Order = job.Folder.Order; err == nil && f.Order.State == store.OrderArrival {
			o.metrics.ordered.WithLabelValues(o.row.Domain).Inc()
		}
		f.RunSettled()
		o.logEnd(f, err)
		ended()
	})
}

// errInUse: clients are at work in a folder.
var errInUse = errors.New("clients are at work in the folder")

// logEnd logs how it went. What is left is tried again with the next pass.
func (o *ordering) logEnd(f *folders.Folder, err error) {
	event := o.log.Warn()
	if err == nil || errors.Is(err, errInUse) || errors.Is(err, session.ErrYield) || errors.Is(err, reorder.ErrNotNow) || session.Interrupted(o.jobs.Working, err) {
		event = o.log.Debug()
	}
	event.Err(err).Str("folder", f.Title).Msg("the order of a folder was to be restored")
}

// inUse tells whether a client has a folder open and is at work in it.
func (o *ordering) inUse(ctx context.Context, mailbox string) bool {
	if o.opened == nil {
		return false
	}
	return slices.ContainsFunc(o.opened(), func(by Opened) bool {
		return foldertree.CanonicalInbox(by.Mailbox) == foldertree.CanonicalInbox(mailbox) && by.Quiet < orderQuiet && (by.Account == o.id || o.mail.Rows.LeadsHere(ctx, by.Account))
	})
}

func (o *ordering) job(l *session.Pair, f *folders.Folder, yield <-chan struct{}) *reorder.Job {
	return &reorder.Job{
		Account: o.id, Folder: f.Folder, Pair: l, Store: o.store, Taking: &o.taking, Hung: &o.hung, Yield: yield,
		Log: o.log.With().Str("folder", f.Title).Logger(),
	}
}

// unsettledMove is a MOVE within a folder of which it is not known what became of it.
type unsettledMove struct{ job *reorder.Job }

// unsettled is that of a folder about to be pulled.
func (o *ordering) unsettled(l *session.Pair, f *folders.Folder, yield <-chan struct{}) unsettledMove {
	if f.Order.Moving == "" {
		return unsettledMove{}
	}
	return unsettledMove{o.job(l, f, yield)}
}

// run finds out. A folder that the server does not open is the pull's to deal with.
func (u unsettledMove) run(ctx context.Context) error {
	if u.job == nil {
		return nil
	}
	err := u.job.Settle(ctx)
	if link.ClassOf(err) == link.Refused {
		return nil
	}
	return err
}

// note takes over what was found out.
func (u unsettledMove) note(f *folders.Folder) {
	if u.job != nil {
		f.Order = u.job.Folder.Order
	}
}
