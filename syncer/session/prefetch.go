package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// ErrGiven says that the session is needed, but has been given to the next folder.
var ErrGiven = errors.New("the connection has been given to the next folder")

// aheadMost is how many folders may be asked for ahead, of so many octets together: as much as keeps servers
// far away busy.
const (
	aheadMost   = 16
	aheadOctets = 1 << 20
)

// Ahead are the folders that have been asked for on the sessions of a pair before their turn, in their order.
// Reader and writer of a pull may use it at the same time.
type Ahead struct {
	mu   sync.Mutex
	list []*Prefetched
}

// Any tells whether there are any.
func (a *Ahead) Any() bool { return a.First() != nil }

// First is the one that comes next; nil for none.
func (a *Ahead) First() *Prefetched {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) == 0 {
		return nil
	}
	return a.list[0]
}

// Last is the one that was asked for last; nil for none.
func (a *Ahead) Last() *Prefetched {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) == 0 {
		return nil
	}
	return a.list[len(a.list)-1]
}

// Unasked are those that the new server has not been asked about.
func (a *Ahead) Unasked() (list []*Prefetched) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.list {
		if p.New == nil {
			list = append(list, p)
		}
	}
	return list
}

// Room tells whether another one may be asked for: one always; more only as long as they are small, and
// nothing but their messages, which are under way, has to be asked for in them.
func (a *Ahead) Room() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	octets := uint64(0)
	for _, p := range a.list {
		if octets += p.Octets; p.Early == 0 {
			return false
		}
	}
	return len(a.list) < aheadMost && (len(a.list) == 0 || octets < aheadOctets)
}

func (a *Ahead) Add(p *Prefetched) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, p)
}

// take returns the first, which is asked for no more.
func (a *Ahead) take() *Prefetched {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.list[0]
	a.list = a.list[1:]
	return p
}

// clear forgets them and tells whether there were any.
func (a *Ahead) clear() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	any := len(a.list) > 0
	a.list = nil
	return any
}

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
	Octets uint64      // of its messages, about
}

// Fits tells whether what was prepared is of use for a folder as it is now, in a pass
// that began at since: it must not miss what came before that.
func (p *Prefetched) Fits(f store.Folder, looked, since time.Time) bool {
	was := p.Folder
	return !p.At.Before(since) && was.ID == f.ID && was.Old == f.Old && was.New == f.New && was.Checkpoint == f.Checkpoint && looked.Before(p.At)
}

// TakePrefetched returns what a pair has prepared for a folder in a pass that began at since;
// looked is when the old server was last asked about the folder. Anything else that
// it has prepared is given up, unless it comes after it.
func (l *Pair) TakePrefetched(f store.Folder, looked, since time.Time) *Prefetched {
	p := l.Ahead.First()
	if p == nil || !p.Fits(f, looked, since) {
		l.GiveUpPrefetched()
		return nil
	}
	return l.Ahead.take()
}

// GiveUpPrefetched ends the old session if it has been asked for something that nobody
// will wait for. On the new one what comes in is passed over.
func (l *Pair) GiveUpPrefetched() {
	if l.Ahead.clear() {
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
