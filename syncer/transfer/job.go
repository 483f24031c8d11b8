package transfer

import (
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"
)

// Job is what is to be pulled, and how.
type Job struct {
	Account store.AccountID
	Folder  store.Folder // its checkpoint advances with what the writer commits
	Octets  uint64       // of the folder, as the old server's STATUS told; 0 if it didn't
	Visit   bool
	Visiting
	Early    int                 // so many of the folder's messages are asked for before they are listed
	Ready    *session.Prefetched // the folder was asked for ahead; nil if it wasn't, or has been opened
	Thinned  []Thin              // folders that its messages may have been moved from
	Archive  *Archive            // what a folder with all mail is pulled with; nil for all others
	Lasting  bool                // the new server has refused all messages of this folder for long
	Restless bool                // the new server numbers the folder anew again and again
	MovedMX  time.Time           // since when mail that reaches the old server is late; zero if it isn't
}

// Resources are what all pulls of the engine share.
type Resources struct {
	Store   store.Store
	Memory  *semaphore.Weighted // octets of bodies in flight
	Buffers *Buffers            // what bodies are held in
	Limit   int64               // of memory
	Quiet   time.Duration       // SettleQuiet, shorter in tests; the pauses between attempts go with it
	Clock   func() time.Time    // what POP3 sessions are timed by
}

// Shared is what the pulls of an account share, and the pair of sessions that one of them works on.
type Shared struct {
	Pair       *session.Pair
	Meter      *Meter
	RateLimits *session.RateLimits
	Hung       *session.HungSessions
	Taking     *sync.Mutex // held while lines of the account's ledger are given other keys
	Log        zerolog.Logger
}

// Events is what a pull tells, and is told, while it runs.
type Events struct {
	Yield  <-chan struct{} // closed when the pull should stop at the next safe point
	Report func(Progress)  // quick, from any of the pull's goroutines
	Worth  func()          // the folder is worth showing
	Next   NextFunc        // tells what comes next on the pair, if anything; nil for nothing
	// Searches are those of clients in this folder.
	Searches SearchQueue
}

// tryOnce is what one attempt of a pull knows of both sides; the next one begins with nothing of it
// but what was committed.
type attempt struct {
	base     store.Checkpoint // the checkpoint that it started from
	old      session.Source
	new      session.Target
	Selected *session.SourceFolder
	known    *session.Known
	ledger   store.Ledger
	touched  map[store.Key][]imap.Flag // flags an interrupted pull was about to change
	Target   upstream.Status           // of the new folder
	Fleeting bool                      // its UIDs don't last, as it said when it was last opened
	marks    map[imap.UID]int64        // octets of messages in the new folder that are other tools' marks
	adopt    *adoption                 // nil when nothing can be adopted
	asked    session.PermanentCall     // what flags the new folder can keep; nil if nobody asked in this session
	sample   *Sample                   // nil for none
	beyond   []message.Candidate       // messages that have come to the new folder since the checkpoint and that no line stands for
	moves    *moves                    // nil for none
	proved   map[imap.UID]struct{}     // copies that have been looked at before their flags were changed
	began    Stats                     // Done when it read the ledger
	held     uint64                    // octets of the ledger then
}
