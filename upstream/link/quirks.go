package link

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/emersion/go-imap/v2"
)

// Quirks are what sessions have learnt of a server: which of the capabilities
// it announces it does not keep, and which that can do harm it was seen to
// keep. Sessions with the same server share them, so that a lie costs one
// round trip and not one for each session. Safe for concurrent use; the zero
// value knows nothing.
type Quirks struct {
	mu     sync.Mutex
	broken atomic.Pointer[map[string]bool] // in upper case; replaced, never changed
	proved atomic.Pointer[map[string]bool]
	trying chan struct{} // closed when the session that tries MULTIAPPEND knows; nil if none does
}

// Broken are the capabilities that the server announces and does not keep, sorted.
func (q *Quirks) Broken() []string {
	if broken := q.broken.Load(); broken != nil {
		return slices.Sorted(maps.Keys(*broken))
	}
	return nil
}

// Distrusts tells whether the server is known not to keep something.
func (q *Quirks) Distrusts(name string) bool { return holds(&q.broken, name) }

// HasProved tells whether the server was seen to keep a capability.
func (q *Quirks) HasProved(c imap.Cap) bool { return holds(&q.proved, string(c)) }

// Distrust notes that the server does not keep a capability.
func (q *Quirks) Distrust(c imap.Cap) { q.add(&q.broken, c) }

// Prove notes that the server was seen to keep a capability.
func (q *Quirks) Prove(c imap.Cap) { q.add(&q.proved, c) }

// Try makes the caller the session that finds out about MULTIAPPEND, unless there is one:
// then it returns a channel that is closed when that one knows.
func (q *Quirks) Try() (other <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.trying == nil {
		q.trying = make(chan struct{})
		return nil
	}
	return q.trying
}

// Tried ends what try began.
func (q *Quirks) Tried() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.trying != nil {
		close(q.trying)
		q.trying = nil
	}
}

func holds(set *atomic.Pointer[map[string]bool], name string) bool {
	m := set.Load()
	return m != nil && (*m)[name]
}

func (q *Quirks) add(set *atomic.Pointer[map[string]bool], c imap.Cap) {
	q.mu.Lock()
	defer q.mu.Unlock()
	next := map[string]bool{strings.ToUpper(string(c)): true}
	if m := set.Load(); m != nil {
		maps.Copy(next, *m)
	}
	set.Store(&next)
}
