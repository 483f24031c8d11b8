package transfer

import (
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"postferry/syncer/measure"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/wayback"
)

// Job is what is to be pulled, and how. While a reader and a writer run it is only read, but for what
// is theirs: the old session, and what is known to be dealt with, are the reader's, the new session, the
// ledger and the row's checkpoint the writer's.
type Job struct {
	*recovery.Folder
	Octets uint64 // of the folder, as the old server's STATUS told; 0 if it didn't
	Visit  bool
	Visiting
	Early    int                 // so many of the folder's messages are asked for before they are listed
	Ready    *session.Prefetched // the folder was asked for ahead; nil if it wasn't, or has been opened
	Thinned  []recovery.Thin     // folders that its messages may have been moved from
	Archive  *Archive            // what a folder with all mail is pulled with; nil for all others
	Lasting  bool                // the new server has refused all messages of this folder for long
	Restless bool                // the new server numbers the folder anew again and again
	MovedMX  time.Time           // since when mail that reaches the old server is late; zero if it isn't
	Told     Told                // odd copies that the pull before has left to be judged; nil for none
	Returned *wayback.Incoming   // what has been copied back and may appear in the old folder; nil for nothing
	Looked                       // how the last look at the trees has found the folder to be numbered
	recovery *recovery.Recovery  // of the folder
}

// Looked are a folder's UIDVALIDITYs when the trees were last looked at; 0 if they were not told. That look
// has made sure whose mailboxes those are.
type Looked struct{ OldValidity, NewValidity uint32 }

// Resources are what all pulls of the engine share.
type Resources struct {
	Memory  *semaphore.Weighted // octets of bodies in flight
	Buffers *Buffers            // what bodies are held in
	Limit   int64               // of memory
	Clock   func() time.Time    // what sessions are timed by
}

// Shared is what the pulls of an account share.
type Shared struct {
	Meter      *measure.Meter
	RateLimits *session.RateLimits
	Hung       *session.HungSessions
	Taking     *sync.Mutex // held while lines of the account's ledger are given other keys
}

// Events is what a pull tells, and is told, while it runs.
type Events struct {
	Yield  <-chan struct{}        // closed when the pull should stop at the next safe point
	Report func(measure.Progress) // quick, from any of the pull's goroutines
	Worth  func()                 // the folder is worth showing
	Newest func() error           // the newest messages are about to be copied before older ones; nil for nobody to tell
	Next   NextFunc               // tells what comes next on the pair, if anything; nil for nothing
	// Searches are those of clients in this folder.
	Searches SearchQueue
	// Outstanding are the pulls before this one on the pair that the new server owes answers; nil if the
	// pull has to wait for its own. Concluded hears of the end of one that was left to them.
	Outstanding *Outstanding
	Concluded   func(error)
}
