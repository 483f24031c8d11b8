package syncer

import (
	"context"
	"errors"
	"postferry/store"
	"time"

	"github.com/emersion/go-imap/v2"
)

// errGiven: the session is needed, but has been given to the next folder.
var errGiven = errors.New("the connection has been given to the next folder")

// prepared is a folder that has been asked for ahead on the sessions of a lane.
type prepared struct {
	next
	at     time.Time
	old    oldSession
	opened openCall
	new    newSession
	asked  permanentCall // nil if it was not asked for
	status statusCall    // likewise
}

// next is the folder that comes next on a lane.
type next struct {
	folder store.Folder
	list   imap.UIDSet // to be listed along
	early  int         // of its messages are to be asked for along, instead of the listing
}

// fits tells whether what was prepared is of use for a folder as it is now, in a pass
// that began at since: it must not miss what came before that.
func (p *prepared) fits(f store.Folder, looked, since time.Time) bool {
	was := p.folder
	return !p.at.Before(since) && was.ID == f.ID && was.Old == f.Old && was.New == f.New && was.Checkpoint == f.Checkpoint && looked.Before(p.at)
}

// takePrepared returns what a lane has prepared for a folder in a pass that began at since;
// looked is when the old server was last asked about the folder. Anything else that
// it has prepared is given up.
func (l *lane) takePrepared(f store.Folder, looked, since time.Time) *prepared {
	p := l.prepared
	if p == nil || !p.fits(f, looked, since) {
		l.giveUpPrepared()
		return nil
	}
	l.prepared = nil
	return p
}

// giveUpPrepared ends the old session if it has been asked for something that nobody
// will wait for. On the new one what comes in is passed over.
func (l *lane) giveUpPrepared() {
	if l.prepared != nil {
		l.prepared = nil
		l.old.hangUp()
	}
}

func (p *prepared) lookAt(ctx context.Context) (err error) {
	if p.early > 0 { // it is empty: nothing there is \Recent
		if p.asked, err = p.new.SendPermanent(ctx, p.folder.New); err != nil {
			return err
		}
	}
	p.status, err = p.new.SendStatus(ctx, p.folder.New)
	return err
}
