package job

import (
	"sync"
	"time"

	"postferry/report/reason"
	"postferry/store"
)

const (
	// brokenMost is how many times a connection may break at a message that was
	// alone on its way, before the message is taken for the reason.
	brokenMost = 2
	// brokenBound is how many messages of a pull may be taken for that; with
	// more it is the server.
	brokenBound = 5
	// UnavailableMost is the same for messages in a row of which a server says
	// that it can't deal with them at the moment.
	UnavailableMost = 5
)

// TroubleLasts is how long the new server may be in trouble before its refusals are the messages'.
const TroubleLasts = 72 * time.Hour

// Troubles remembers over the attempts of a pull at which messages connections
// with one server broke. Those are sent alone from then on.
type Troubles struct {
	mu      sync.Mutex
	breaks  map[store.Key]int   // while the message was alone on its way
	settled int                 // messages that were found to be the reason
	why     map[store.Key]error // the server's words, if it has refused one instead
}

// Suspect tells whether a message must go alone, and whether it is found to be
// the reason why connections break.
func (t *Troubles) Suspect(k store.Key) (alone, guilty bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, alone := t.breaks[k]
	return alone, n >= brokenMost && t.settled <= brokenBound
}

// Broke notes that a connection broke while these messages were on their way,
// of which one may be the reason.
func (t *Troubles) Broke(keys ...store.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.breaks == nil {
		t.breaks = map[store.Key]int{}
	}
	for _, k := range keys {
		t.breaks[k] += 0
	}
}

// BrokeAlone notes that one broke at a message that was alone on its way.
func (t *Troubles) BrokeAlone(k store.Key) {
	t.Broke(k)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.breaks[k]++; t.breaks[k] == brokenMost {
		t.settled++
	}
}

// Failed is brokeAlone for one message that was sent alone, and broke for others. why is
// the server's refusal, nil if the connection has broken.
func (t *Troubles) Failed(why error, keys ...store.Key) {
	if len(keys) != 1 {
		t.Broke(keys...)
		return
	}
	if alone, _ := t.Suspect(keys[0]); !alone {
		t.Broke(keys...)
		return
	}
	t.BrokeAlone(keys[0])
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.why == nil {
		t.why = map[store.Key]error{}
	}
	t.why[keys[0]] = why
}

// Refusal are the server's words about a message; nil if the connection broke at it.
func (t *Troubles) Refusal(k store.Key) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.why[k]
}

// Cleared notes that a message got through.
func (t *Troubles) Cleared(k store.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.breaks, k)
}

// Narrowed is how many messages were found to be the reason, as long as it
// can be the messages.
func (t *Troubles) Narrowed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return min(t.settled, brokenBound)
}

// BrokeAt says of a message that connections break at it.
func BrokeAt(k store.Key, why reason.Code, cause string) *store.Quarantined {
	q := NewQuarantined(k, reason.Of(why), cause)
	q.Again = true
	return q
}
