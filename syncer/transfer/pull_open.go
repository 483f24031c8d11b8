package transfer

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/sync/errgroup"

	"postferry/syncer/foldertree"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// open opens the folder on both sides at the same time, as each may be far
// away, and reads its ledger.
func (p *pull) open(ctx context.Context) error {
	if err := p.Pair.Reserve(ctx); err != nil {
		return err
	}
	p.Searches.Seat()
	ready := p.Ready
	p.Ready = nil
	g, opened := new(errgroup.Group), make(chan struct{})
	g.Go(func() error {
		defer close(opened)
		return p.openOld(ctx, ready)
	})
	g.Go(func() error {
		err := p.openNew(ctx, ready)
		if err == nil && p.outstanding != nil {
			p.outstanding.settleMeanwhile(ctx, opened)
		}
		return err
	})
	err := g.Wait()
	if err != nil && ready != nil {
		p.Pair.Cautious = true
	}
	p.Early = 0 // if it comes to nothing, what is asked for next is what is known to be missing
	if err == nil {
		err = p.sameFolder()
	}
	if err != nil {
		return err
	}
	if err := p.checkRoom(ctx); err != nil {
		return err
	}
	if err := p.ReadWhatCounts(ctx); err != nil {
		return err
	}
	if p.Row.Checkpoint.UIDValidity != p.Selected.UIDValidity {
		p.Row.Checkpoint = recovery.Reset(p.Row.Checkpoint, p.Selected.UIDValidity)
	}
	if err := p.CheckIDs(ctx); err != nil {
		return err
	}
	p.Base = p.Row.Checkpoint
	p.Tell()
	return nil
}

func (p *pull) openOld(ctx context.Context, ready *session.Prefetched) error {
	if open, err := p.openPrepared(ctx, ready); err != nil {
		return err
	} else if !open {
		if err := p.openAsUsual(ctx); err != nil {
			return err
		}
	}
	if p.Selected.Octets > 0 {
		p.Octets = p.Selected.Octets
	}
	p.Selected.ToldNext = p.Selected.UIDNext != 0
	p.Archive.Limit(p.Selected)
	if p.Selected.Early != nil {
		return nil // nothing else may be asked now
	}
	return p.FindUIDNext(ctx)
}

func (p *pull) openAsUsual(ctx context.Context) (err error) {
	if p.Old, err = p.Pair.Source(ctx); err != nil {
		return err
	}
	began := time.Now()
	if p.Selected, err = p.Old.Open(ctx, p.Row.Old, session.OpenWith{List: p.openWith(), First: p.Early, Headers: recovery.LastKnown(p.Row.Checkpoint)}); err != nil {
		return p.Gone(err, ErrOldGone)
	}
	p.listing = time.Since(began)
	return nil
}

// openWith is what is listed along with the opening of the folder: what comes first.
func (p *pull) openWith() imap.UIDSet {
	if p.Visiting.Next <= 1 || p.Early > 0 || !p.Row.Checkpoint.Checked.IsZero() {
		return recovery.FirstWindow(p.Row.Checkpoint)
	}
	first := imap.UID(1)
	if window := imap.UID(p.Visiting.Window); p.Visiting.Next > window {
		first = p.Visiting.Next - window
	}
	return imap.UIDSet{imap.UIDRange{Start: first, Stop: p.Visiting.Next - 1}}
}

func (p *pull) openNew(ctx context.Context, ready *session.Prefetched) (err error) {
	if ready != nil {
		return p.lookAtPrepared(ctx, ready)
	}
	if p.New, err = p.Pair.Target(ctx); err != nil {
		return err
	}
	p.Permanent, p.Sample, p.Recovery.Flags.Proved, p.Rekeyed = nil, nil, nil, false
	if p.Early > 0 { // it is empty: nothing there is \Recent
		if err := p.AskPermanent(ctx); err != nil {
			return p.Gone(err, recovery.ErrNewGone)
		}
	}
	return p.LookAtNewAgain(ctx)
}

// sameFolder returns errNewOther if the new folder is not the one it was, as far as can be
// seen: nothing is written there before it is known which it is. INBOX is always itself, unless the
// login leads to another mailbox, as another old folder may show as well: there has to be a look at the
// trees that has seen it so.
func (p *pull) sameFolder() error {
	cp := p.Row.Checkpoint
	switch {
	case p.Selected.Traits.StableUIDs && !recovery.Fleeting(&p.Selected.Selected) && recovery.Differ(cp.UIDValidity, p.Selected.UIDValidity) && recovery.Differ(p.OldValidity, p.Selected.UIDValidity):
		return ErrOldOther
	case p.Restless || !recovery.Differ(p.Row.NewUIDValidity, p.Target.UIDValidity):
		return nil
	case p.Row.New == foldertree.InboxName && !recovery.Differ(p.NewValidity, p.Target.UIDValidity):
		return nil
	}
	return ErrNewOther
}

// mayPrepare tells whether the folder that comes next may be asked for while this one
// is copied: it has never been, and nothing went wrong so far. Where messages are in several folders, the ledger has
// to know first what came of them in this one.
func (p *pull) mayPrepare() bool {
	k := p.Known
	return p.Next != nil && !p.Pair.Cautious && !p.Labelled.Any() && p.Selected.Traits.Pipelining && p.Selected.UIDNext != 0 && p.First() && p.adopt == nil &&
		len(k.Entries)+k.Before+len(k.Refused) == 0 && p.New.UIDPlus() && !p.Fleeting
}

// openPrepared waits for the old folder that was asked for ahead. It returns false if
// it has to be opened as usual.
func (p *pull) openPrepared(ctx context.Context, pr *session.Prefetched) (ok bool, err error) {
	if pr == nil {
		return false, nil
	}
	p.Old = pr.Old
	p.Selected, err = pr.Opened.Wait(ctx)
	if link.ClassOf(err) != link.Refused {
		return true, err
	}
	if p.Pair.Ahead.Any() {
		return false, session.ErrGiven // nothing may be asked in between
	}
	return false, nil
}

// lookAtPrepared is lookAtNew for a folder that was asked for ahead.
func (p *pull) lookAtPrepared(ctx context.Context, pr *session.Prefetched) error {
	p.New, p.Permanent = pr.New, pr.Asked
	if pr.Status == nil {
		return p.LookAtNew(ctx)
	}
	st, told, err := pr.Status.Wait(ctx)
	if told && err == nil {
		p.Target = st
		return nil
	}
	if err != nil && link.ClassOf(err) != link.Refused {
		return err
	}
	return p.LookAtNew(ctx)
}
