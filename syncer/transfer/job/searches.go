package job

import (
	"slices"
	"sync"

	"postferry/wire"
)

// ClientSearch is a client's search in a folder that is not filled yet, or the wish of one that opens it to see its
// newest messages. Messages that it finds come first.
type ClientSearch struct {
	Criteria wire.Criteria
	shown    func()        // is called when the newest messages are there; nil for a search
	Ended    chan struct{} // closed when they are there, or won't be
	End      func()
}

// NewClientSearch is one that nobody has served.
func NewClientSearch(criteria wire.Criteria) *ClientSearch {
	w := &ClientSearch{Criteria: criteria, Ended: make(chan struct{})}
	w.End = sync.OnceFunc(func() { close(w.Ended) })
	return w
}

// NewNewest is the wish of a client that opens the folder while it is being pulled; shown is called when the newest
// messages are there, which they never may be.
func NewNewest(shown func()) *ClientSearch {
	w := NewClientSearch(wire.Criteria{})
	w.shown = shown
	return w
}

// Opens tells whether it is the wish of a client that opens the folder.
func (w *ClientSearch) Opens() bool { return w.shown != nil }

// Served tells that the messages are there.
func (w *ClientSearch) Served() {
	if w.shown != nil {
		w.shown()
	}
	w.End()
}

// SearchQueue are the searches that a pull has not served yet.
type SearchQueue struct {
	mu     sync.Mutex
	all    []*ClientSearch
	seated bool
}

// Seat tells that the pull has its places at both servers.
func (w *SearchQueue) Seat() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seated = true
}

// Seated tells whether the pull has had its places at both servers; until then it may wait for long.
func (w *SearchQueue) Seated() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seated
}

// Opened tells whether one of them is of a client that opens the folder.
func (w *SearchQueue) Opened() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.all, (*ClientSearch).Opens)
}

// Add takes more.
func (w *SearchQueue) Add(more ...*ClientSearch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, more...)
}

func (w *SearchQueue) Any() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.all) > 0
}

// Take takes them all.
func (w *SearchQueue) Take() []*ClientSearch {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.all
	w.all = nil
	return all
}
