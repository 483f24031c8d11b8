package job

import (
	"context"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/sync/semaphore"

	"postferry/syncer/leftout"
	"postferry/syncer/measure"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/wayback"
	"postferry/upstream"
)

// Job is a folder to be pulled as it is open on both servers, and how. While a reader and a writer run it is
// only read, but for what is theirs: the old session, and what is known to be dealt with, are the reader's,
// the new session, the ledger and the row's checkpoint the writer's.
type Job struct {
	*recovery.Folder
	Task
	Recovery *recovery.Recovery // of the folder
	Waiting  imap.UID           // the lowest UID of a message that is left for the next pass; 0 for none
}

// Task is how a folder is to be pulled.
type Task struct {
	Octets uint64 // of the folder, as the old server's STATUS told; 0 if it didn't
	Visit  bool
	Visiting
	Early    int                 // so many of the folder's messages are asked for before they are listed
	Ready    *session.Prefetched // the folder was asked for ahead; nil if it wasn't, or has been opened
	Thinned  []recovery.Thin     // folders that its messages may have been moved from
	Late     recovery.Late       // what may have been moved to it since the trees were looked at
	Archive  *Archive            // what a folder with all mail is pulled with; nil for all others
	Lasting  bool                // the new server has refused all messages of this folder for long
	Restless bool                // the new server numbers the folder anew again and again
	MovedMX  time.Time           // since when mail that reaches the old server is late; zero if it isn't
	Told     Told                // odd copies that the pull before has left to be judged; nil for none
	Returned *wayback.Incoming   // what has been copied back and may appear in the old folder; nil for nothing
	Looked                       // how the last look at the trees has found the folder to be numbered
}

// Looked are a folder's UIDVALIDITYs when the trees were last looked at; 0 if they were not told. That look
// has made sure whose mailboxes those are.
type Looked struct{ OldValidity, NewValidity uint32 }

// Resources are what all pulls of the engine share.
type Resources struct {
	Memory  *semaphore.Weighted // octets of bodies in flight
	Buffers *Buffers            // what bodies are held in
	Limit   int64               // of memory
}

// Shared is what the pulls of an account share.
type Shared struct {
	Meter      *measure.Meter
	RateLimits *session.RateLimits
	Hung       *session.HungSessions
	Taking     *sync.Mutex // held while lines of the account's ledger are given other keys
	Labelled   *Labelled
}

// UntilCut is ctx for what waits for the old server; end must be called.
func (e *Events) UntilCut(ctx context.Context) (cut context.Context, end context.CancelFunc) {
	cut, cancel := context.WithCancel(ctx)
	if e.Cut == nil {
		return cut, cancel
	}
	stop := context.AfterFunc(e.Cut, cancel)
	return cut, func() { stop(); cancel() }
}

// IsCut tells whether the pull has been cut.
func (e *Events) IsCut() bool { return e.Cut != nil && e.Cut.Err() != nil }

// Events is what a pull tells, and is told, while it runs.
type Events struct {
	Yield  <-chan struct{}        // closed when the pull should stop at the next safe point
	Cut    context.Context        // done when it is not to wait for the old server any more either; nil for never
	Report func(measure.Progress) // quick, from any of the pull's goroutines
	Worth  func()                 // the folder is worth showing
	Newest func() error           // the newest messages are about to be copied before older ones; nil for nobody to tell
	Next   NextFunc               // tells what comes next on the pair, if anything; nil for nothing
	// Searches are those of clients in this folder.
	Searches *SearchQueue
	Counts   *Counters // of what is done, for whoever looks meanwhile
}

// Lastly is a context for what is written when ctx may have ended.
func Lastly(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}

// NextFunc tells what comes next on a pair, if anything. limited says that the new
// server has a limit for messages.
type NextFunc func(ctx context.Context, limited bool) (session.NextFolder, bool)

// ReadNew opens the new folder and reads messages of it.
func (j *Job) ReadNew(ctx context.Context, uids []imap.UID) (map[imap.UID]message.Content, error) {
	sel, err := j.New.Examine(ctx, j.Row.New)
	if err != nil {
		return nil, j.Gone(err, recovery.ErrNewGone)
	}
	if sel.UIDValidity != j.Target.UIDValidity || recovery.Fleeting(sel) {
		return nil, nil // those would be others
	}
	return j.NewContents(ctx, uids)
}

// LeftToBring is how many messages have not been asked for.
func (j *Job) LeftToBring() int { return int(j.Selected.Messages) - j.Known.Count() }

// ToCopy is how many messages of the folder are copied, or are to be, as far as is known.
func (j *Job) ToCopy() uint32 {
	if j.Archive == nil {
		return j.Selected.Messages
	}
	k := j.Known
	return uint32(len(k.Entries) + k.Before + len(k.Refused) + int(j.Archive.lone.Load()))
}

// Accounted is how many messages of the folder have been seen, and expected how many there should
// be. Of all mail that says something only when it is listed from its beginning to its end.
func (j *Job) Accounted() int {
	if j.Archive == nil {
		return j.Known.Count()
	}
	return j.Archive.listed
}

func (j *Job) Expected() int {
	if j.Archive != nil && (!j.Archive.whole || j.Base.UIDNext > 1) {
		return 0
	}
	return int(j.Selected.Messages)
}

// Archived are those of missing that lie in no other folder, if the folder shows all mail.
func (j *Job) Archived(ctx context.Context, missing []upstream.Message) ([]upstream.Message, error) {
	a := j.Archive
	if a == nil {
		return missing, nil
	}
	if len(missing) == 0 {
		return nil, nil
	}
	if a.judge == nil {
		a.judge = &leftout.ArchiveJudge{Store: j.Store, Account: j.Account, Folder: j.Row.ID, Old: j.Row.Old, Session: j.Old}
	}
	lone, err := a.judge.Only(ctx, missing)
	if err != nil {
		return nil, err
	}
	if w := a.judge.Waiting; a.waiting == 0 || w != 0 && w < a.waiting {
		a.waiting = w
	}
	if a.judge.Left {
		a.judge.Left = false
		if err := j.OpenAgain(ctx); err != nil {
			return nil, err
		}
	}
	a.lone.Add(int64(len(lone)))
	return lone, nil
}

// UpTo is how far a checkpoint with that UIDNEXT goes.
func (j *Job) UpTo(next imap.UID) imap.UID {
	if j.Waiting != 0 {
		next = min(next, j.Waiting)
	}
	if j.Archive != nil && j.Archive.waiting != 0 {
		next = min(next, j.Archive.waiting)
	}
	return next
}
