package syncer

import (
	"container/heap"
	"time"

	"postferry/store"
)

// class is how urgent an account's next pass is. Lower goes first.
type class int

const (
	classConnected class = iota // somebody is logged in
	classInbox                  // never passed: everybody's INBOX comes before the rest
	classRest
)

// turn is an account's place in the schedule.
type turn struct {
	id     store.AccountID
	domain string
	class  class
	due    time.Time
	asked  bool   // by a person: not before its pass is through the account rests
	seq    uint64 // order of arrival among equals
	index  int    // in the heap
}

// schedule orders the accounts by what is due when. The engine's loop owns it.
type schedule struct {
	byID  map[store.AccountID]*turn
	later turns // not due yet, by time
	ready turns // due, by class and arrival
	seq   uint64
}

func newSchedule() *schedule {
	return &schedule{
		byID:  map[store.AccountID]*turn{},
		later: turns{less: func(a, b *turn) bool { return a.due.Before(b.due) }},
		ready: turns{less: func(a, b *turn) bool {
			if a.class != b.class {
				return a.class < b.class
			}
			return a.seq < b.seq
		}},
	}
}

// put gives an account a turn, in place of the one it has.
func (s *schedule) put(t turn) {
	s.drop(t.id)
	s.seq++
	t.seq = s.seq
	s.byID[t.id] = &t
	heap.Push(&s.later, &t)
}

// hasten moves an account that waits for its turn to the front.
func (s *schedule) hasten(id store.AccountID, c class) {
	if t := s.byID[id]; t != nil && t.class > c {
		hasty := *t
		hasty.class = c
		s.put(hasty)
	}
}

func (s *schedule) drop(id store.AccountID) {
	t := s.byID[id]
	if t == nil {
		return
	}
	delete(s.byID, id)
	for _, h := range []*turns{&s.later, &s.ready} {
		if t.index < len(h.list) && h.list[t.index] == t {
			heap.Remove(h, t.index)
			return
		}
	}
}

// next takes the most urgent account that is due. If none is, ok is false and
// wait tells for how long (0: the schedule is empty).
func (s *schedule) next(now time.Time) (t turn, ok bool, wait time.Duration) {
	for len(s.later.list) > 0 && !s.later.list[0].due.After(now) {
		heap.Push(&s.ready, heap.Pop(&s.later))
	}
	if len(s.ready.list) > 0 {
		t := heap.Pop(&s.ready).(*turn)
		delete(s.byID, t.id)
		return *t, true, 0
	}
	if len(s.later.list) > 0 {
		wait = max(s.later.list[0].due.Sub(now), time.Millisecond)
	}
	return turn{}, false, wait
}

// turns is a heap.
type turns struct {
	list []*turn
	less func(a, b *turn) bool
}

func (h *turns) Len() int           { return len(h.list) }
func (h *turns) Less(i, j int) bool { return h.less(h.list[i], h.list[j]) }
func (h *turns) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].index, h.list[j].index = i, j
}

func (h *turns) Push(x any) {
	t := x.(*turn)
	t.index = len(h.list)
	h.list = append(h.list, t)
}

func (h *turns) Pop() any {
	t := h.list[len(h.list)-1]
	h.list = h.list[:len(h.list)-1]
	return t
}
