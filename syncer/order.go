package syncer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/reorder"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// orderQuiet is how long clients that have a folder open must have said nothing before its
// order is restored under them.
const orderQuiet = time.Minute

// Opened is a folder that a client has open.
type Opened struct {
	Account store.AccountID
	Mailbox string        // its raw name on the new server
	Quiet   time.Duration // how long the client has said nothing
}

// TellOpened lets the engine know what clients have open. It has to be called before Run.
func (e *Engine) TellOpened(opened func() []Opened) { e.shared.opened = opened }

// noteNewest makes durable that the newest messages of a folder come first, before they do.
// It is called by the folder's pull.
func (a *account) noteNewest(f *tracked, id store.FolderID) error {
	order := store.Order{State: store.OrderNewest}
	if err := a.store.Commit(a.ctx, store.Batch{Account: a.id, Folder: id, Order: &order}); err != nil {
		return err
	}
	a.events <- func() { f.Order = order } // the account hears its jobs to the last
	return nil
}

// nextUnordered is a folder whose order is to be restored; nil for none.
func (a *account) nextUnordered() *tracked {
	if a.cfg.Proxy.VisitOrder != config.OrderRestored || a.pass.yielded || a.pass.stopped {
		return nil
	}
	at := slices.IndexFunc(a.folders, func(f *tracked) bool {
		return f.Order.State == store.OrderNewest && f.State == store.FolderPresent && f.complete() && !f.AllMail &&
			f.mayPull() && !a.visits.has(f) && !a.pass.ordered[f]
	})
	if at < 0 {
		return nil
	}
	return a.folders[at]
}

// restoreOrder restores the order of a folder, once in a pass. It counts as one that is pulled.
func (a *account) restoreOrder(l *session.Pair, f *tracked) {
	a.pass.ordered[f] = true
	a.pass.pulling++
	yield := make(chan struct{})
	job := a.reorderJob(l, f, yield)
	f.pulling = &pulling{yield: sync.OnceFunc(func() { close(yield) })}
	var err error
	a.start(l, yield, func(ctx context.Context) {
		if a.inUse(ctx, f.New) {
			err = errInUse
			return
		}
		if err = job.Run(ctx); err != nil {
			l.Drop()
		}
	}, func() {
		f.pulling = nil
		if f.Order = job.Folder.Order; err == nil && f.Order.State == store.OrderArrival {
			a.metrics.ordered.WithLabelValues(a.row.Domain).Inc()
		}
		f.runSettled()
		a.orderEnded(f, err)
	})
}

// errInUse: clients are at work in a folder.
var errInUse = errors.New("clients are at work in the folder")

// orderEnded hears how it went. What is left is tried again with the next pass.
func (a *account) orderEnded(f *tracked, err error) {
	event := a.log.Warn()
	if err == nil || errors.Is(err, errInUse) || errors.Is(err, session.ErrYield) || errors.Is(err, reorder.ErrNotNow) || session.Interrupted(a.work, err) {
		event = a.log.Debug()
	}
	event.Err(err).Str("folder", f.Title).Msg("the order of a folder was to be restored")
	if a.pass != nil {
		a.pass.pulling--
	}
}

// inUse tells whether a client has a folder open and is at work in it.
func (a *account) inUse(ctx context.Context, mailbox string) bool {
	if a.opened == nil {
		return false
	}
	return slices.ContainsFunc(a.opened(), func(o Opened) bool {
		return o.Mailbox == mailbox && o.Quiet < orderQuiet && (o.Account == a.id || a.rows.leadsHere(ctx, o.Account))
	})
}

// leadsHere tells whether another account leads to this one's mailbox.
func (k *records) leadsHere(ctx context.Context, id store.AccountID) bool {
	row, err := k.store.AccountByID(ctx, id)
	return err == nil && row.Alias == k.id
}

func (a *account) reorderJob(l *session.Pair, f *tracked, yield <-chan struct{}) *reorder.Job {
	return &reorder.Job{
		Account: a.id, Folder: f.Folder, Pair: l, Store: a.store, Taking: &a.taking, Hung: &a.hung, Quiet: a.quiet, Yield: yield,
		Log: a.log.With().Str("folder", f.Title).Logger(),
	}
}

// unsettledMove is a MOVE within a folder of which it is not known what became of it.
type unsettledMove struct{ job *reorder.Job }

// unsettled is that of a folder about to be pulled.
func (a *account) unsettled(l *session.Pair, f *tracked, yield <-chan struct{}) unsettledMove {
	if f.Order.Moving == "" {
		return unsettledMove{}
	}
	return unsettledMove{a.reorderJob(l, f, yield)}
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
func (u unsettledMove) note(f *tracked) {
	if u.job != nil {
		f.Order = u.job.Folder.Order
	}
}
