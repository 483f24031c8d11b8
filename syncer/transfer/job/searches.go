package job

import (
	"sync"

	"postferry/wire"
)

// ClientSearch is a client's search in a folder that is not filled yet. Messages that it finds come first.
type ClientSearch struct {
	Criteria wire.Criteria
	Ended    chan struct{} // closed when they are there, or won't be
	End      func()
}

// NewClientSearch is one that nobody has served.
func NewClientSearch(criteria wire.Criteria) *ClientSearch {
	w := &ClientSearch{Criteria: criteria, Ended: make(chan struct{})}
	w.End = sync.OnceFunc(func() { close(w.Ended) })
	return w
}

// SearchQueue are the searches that a pull has not served yet.
type SearchQueue struct {
	mu  sync.Mutex
	all []*ClientSearch
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
