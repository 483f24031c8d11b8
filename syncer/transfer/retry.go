package transfer

import (
	"context"
	"slices"
	"sync"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
	"postferry/upstream"
)

const (
	// brokenMost is how many times a connection may break at a message that was
	// alone on its way, before the message is taken for the reason.
	brokenMost = 2
	// brokenBound is how many messages of a pull may be taken for that; with
	// more it is the server.
	brokenBound = 5
	// unavailableMost is the same for messages in a row of which a server says
	// that it can't deal with them at the moment.
	unavailableMost = 5
)

// troubles remembers over the attempts of a pull at which messages connections
// with one server broke. Those are sent alone from then on.
type troubles struct {
	mu      sync.Mutex
	breaks  map[store.Key]int   // while the message was alone on its way
	settled int                 // messages that were found to be the reason
	why     map[store.Key]error // the server's words, if it has refused one instead
}

// suspect tells whether a message must go alone, and whether it is found to be
// the reason why connections break.
func (t *troubles) suspect(k store.Key) (alone, guilty bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, alone := t.breaks[k]
	return alone, n >= brokenMost && t.settled <= brokenBound
}

// broke notes that a connection broke while these messages were on their way,
// of which one may be the reason.
func (t *troubles) broke(keys ...store.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.breaks == nil {
		t.breaks = map[store.Key]int{}
	}
	for _, k := range keys {
		t.breaks[k] += 0
	}
}

// brokeAlone notes that one broke at a message that was alone on its way.
func (t *troubles) brokeAlone(k store.Key) {
	t.broke(k)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.breaks[k]++; t.breaks[k] == brokenMost {
		t.settled++
	}
}

// failed is brokeAlone for one message that was sent alone, and broke for others. why is
// the server's refusal, nil if the connection has broken.
func (t *troubles) failed(why error, keys ...store.Key) {
	if len(keys) != 1 {
		t.broke(keys...)
		return
	}
	if alone, _ := t.suspect(keys[0]); !alone {
		t.broke(keys...)
		return
	}
	t.brokeAlone(keys[0])
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.why == nil {
		t.why = map[store.Key]error{}
	}
	t.why[keys[0]] = why
}

// refusal are the server's words about a message; nil if the connection broke at it.
func (t *troubles) refusal(k store.Key) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.why[k]
}

// cleared notes that a message got through.
func (t *troubles) cleared(k store.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.breaks, k)
}

// narrowed is how many messages were found to be the reason, as long as it
// can be the messages.
func (t *troubles) narrowed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return min(t.settled, brokenBound)
}

// brokeAt says of a message that connections break at it.
func brokeAt(k store.Key, why reason.Code, cause string) *store.Quarantined {
	q := newQuarantined(k, reason.Of(why), cause)
	q.Again = true
	return q
}

// tryAgain tries the messages in quarantine that are marked for it. One that
// is gone from the old server leaves the quarantine.
func (r *reader) tryAgain(ctx context.Context) error {
	if len(r.Known.Again) == 0 || r.Visit {
		return nil
	}
	var set imap.UIDSet
	for uid := range r.Known.Again {
		set.AddNum(uid)
	}
	listed := map[imap.UID]upstream.Message{}
	err := r.Old.ListMessages(ctx, set, 0, func(m upstream.Message) error {
		listed[m.UID] = m
		return nil
	})
	if err != nil {
		return err
	}
	gone := store.Batch{Account: r.Account, Folder: r.Row.ID}
	for _, uid := range sortedUIDs(r.Known.Again) {
		m, ok := listed[uid]
		if !ok {
			gone.Release = append(gone.Release, r.Selected.Keys.Key(uid))
			continue
		}
		if err := r.Yielded(); err != nil {
			return err
		}
		if err := r.single(ctx, m); err != nil {
			return err
		}
	}
	if len(gone.Release) == 0 {
		return nil
	}
	return r.Store.Commit(ctx, gone)
}

func sortedUIDs(m map[imap.UID]store.Quarantined) []imap.UID {
	uids := make([]imap.UID, 0, len(m))
	for uid := range m {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	return uids
}
