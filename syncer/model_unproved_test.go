package syncer

import (
	"maps"
	"slices"
	"sync"

	"postferry/store"
	"postferry/syncer/message"
)

// unproved are the messages that may have arrived on the new server although the store
// has no word of it: there is an intent, and it is neither fulfilled nor marked as
// taken. One that its user removes at such a moment can't be told from one that
// never arrived, and losing mail is worse than bringing it back: if its intent is
// dropped then, it may come back, once. No other may.
type unproved struct {
	mu    sync.Mutex // held while the store's word changes, and while something is removed
	open  map[messageID]store.Intent
	known map[messageID]bool     // in the ledger: an intent is one to change flags
	gone  map[messageID]*removal // open ones that may be what was removed
	again map[string]int         // how many messages with a body may come back
}

type messageID struct {
	folder store.FolderID
	key    store.Key
}

// removal is of one or more messages with the same body.
type removal struct {
	body  string
	count int // may still come back
}

func newUnproved() *unproved {
	return &unproved{open: map[messageID]store.Intent{}, known: map[messageID]bool{}, gone: map[messageID]*removal{}, again: map[string]int{}}
}

// commit notes a batch that the store has taken.
func (u *unproved) commit(b store.Batch) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, k := range b.Forget {
		delete(u.known, messageID{b.Folder, k})
	}
	dropped := slices.Clone(b.Drop)
	for _, in := range b.Lost { // given to the new server once more
		dropped = append(dropped, in.Key)
	}
	for _, k := range dropped {
		if r := u.gone[messageID{b.Folder, k}]; r != nil && r.count > 0 {
			r.count--
			u.again[r.body]++
		}
		u.close(messageID{b.Folder, k})
	}
	for _, in := range b.Intents {
		id := messageID{b.Folder, in.Key}
		if u.close(id); !in.Taken && !u.known[id] {
			u.open[id] = in
		}
	}
	for _, e := range b.Proofs {
		u.close(messageID{b.Folder, e.Key})
		u.known[messageID{b.Folder, e.Key}] = true
	}
	for _, q := range b.Quarantine {
		u.close(messageID{b.Folder, q.Key})
	}
}

func (u *unproved) close(id messageID) {
	delete(u.open, id)
	delete(u.gone, id)
}

// while does what removes messages from the new server, and counts them by body. All
// messages with one body are of one old folder.
func (u *unproved) while(remove func() map[string]int) map[string]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	removed := remove()
	for body, n := range removed {
		r, size := &removal{body, n}, int64(len(body))
		print := message.Fingerprint(message.Header([]byte(body)), size)
		for id, in := range u.open {
			if in.Fingerprint == print && int64(in.Size) == size {
				u.gone[id] = r
			}
		}
	}
	return removed
}

// returned is how many messages may have come back, by body.
func (u *unproved) returned() map[string]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.again)
}

// knows are the messages in the ledger.
func (u *unproved) knows() map[messageID]bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.known)
}

// restore begins with a ledger that has these messages.
func (u *unproved) restore(known map[messageID]bool) {
	now := newUnproved()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.open, u.gone, u.known = now.open, now.gone, known
}
