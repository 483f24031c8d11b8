package bolt

import (
	"sync"

	"postferry/store"
)

// maxEndings bounds how many ends are told apart.
const maxEndings = 1 << 16

// endings are the ends of what people have agreed to, since the state was opened: who was asked before one has nothing to
// agree to any more. Those that are a lot ago are not told apart: they count as everybody's.
type endings struct {
	mu     sync.Mutex
	last   store.ConsentMark
	before store.ConsentMark // whoever was asked before that may have come to an end
	at     map[string]store.ConsentMark
}

// note notes an end, of a mailbox or of all at a server, in the transaction that makes it.
func (e *endings) note(key []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.at) >= maxEndings || e.at == nil {
		e.before, e.at = e.last, map[string]store.ConsentMark{}
	}
	e.last++
	e.at[string(key)] = e.last
}

// now is the moment for who is asked now.
func (e *endings) now() store.ConsentMark {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

// since tells whether one of some has ended, or may have, after a moment.
func (e *endings) since(asked store.ConsentMark, keys ...[]byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, key := range keys {
		if e.at[string(key)] > asked {
			return true
		}
	}
	return asked < e.before
}
