package session

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// ErrGiven says that the session is needed, but has been given to the next folder.
var ErrGiven = errors.New("the connection has been given to the next folder")

// Prefetched is a folder that has been asked for ahead on the sessions of a pair.
type Prefetched struct {
	NextFolder
	At     time.Time
	Old    Source
	Opened OpenCall
	New    Target
	Asked  PermanentCall // nil if it was not asked for
	Status StatusCall    // likewise
}

// NextFolder is the folder that comes next on a pair.
type NextFolder struct {
	Folder store.Folder
	List   imap.UIDSet // to be listed along
	Early  int         // of its messages are to be asked for along, instead of the listing
}

// Fits tells whether what was prepared is of use for a folder as it is now, in a pass
// that began at since: it must not miss what came before that.
func (p *Prefetched) Fits(f store.Folder, looked, since time.Time) bool {
	was := p.Folder
	return !p.At.Before(since) && was.ID == f.ID && was.Old == f.Old && was.New == f.New && was.Checkpoint == f.Checkpoint && looked.Before(p.At)
}

// TakePrefetched returns what a pair has prepared for a folder in a pass that began at since;
// looked is when the old server was last asked about the folder. Anything else that
// it has prepared is given up.
func (l *Pair) TakePrefetched(f store.Folder, looked, since time.Time) *Prefetched {
	p := l.Prefetched
	if p == nil || !p.Fits(f, looked, since) {
		l.GiveUpPrefetched()
		return nil
	}
	l.Prefetched = nil
	return p
}

// GiveUpPrefetched ends the old session if it has been asked for something that nobody
// will wait for. On the new one what comes in is passed over.
func (l *Pair) GiveUpPrefetched() {
	if l.Prefetched != nil {
		l.Prefetched = nil
		l.Old.HangUp()
	}
}

func (p *Prefetched) Ask(ctx context.Context) (err error) {
	if p.Early > 0 { // it is empty: nothing there is \Recent
		if p.Asked, err = p.New.SendPermanent(ctx, p.Folder.New); err != nil {
			return err
		}
	}
	p.Status, err = p.New.SendStatus(ctx, p.Folder.New)
	return err
}
