package schedule

import (
	"container/heap"
	"time"

	"postferry/store"
)

// Class is how urgent an account's next pass is. Lower goes first.
type Class int

const (
	Connected Class = iota // somebody is logged in
	InboxOnly              // never passed: everybody's INBOX comes before the rest
	Rest
)

// Turn is an account's place in the schedule.
type Turn struct {
	ID     store.AccountID
	Domain string
	Class  Class
	Due    time.Time
	Asked  bool   // by a person: not before its pass is through the account rests
	seq    uint64 // order of arrival among equals
	index  int    // in the heap
}

// Queue orders the accounts by what is due when. The engine's loop owns it.
type Queue struct {
	ByID  map[store.AccountID]*Turn
	later turnHeap // not due yet, by time
	ready turnHeap // due, by class and arrival
	seq   uint64
}

func New() *Queue {
	return &Queue{
		ByID:  map[store.AccountID]*Turn{},
		later: turnHeap{less: func(a, b *Turn) bool { return a.Due.Before(b.Due) }},
		ready: turnHeap{less: func(a, b *Turn) bool {
			if a.Class != b.Class {
				return a.Class < b.Class
			}
			return a.seq < b.seq
		}},
	}
}

// Put gives an account a turn, in place of the one it has.
func (s *Queue) Put(t Turn) {
	s.Drop(t.ID)
	s.seq++
	t.seq = s.seq
	s.ByID[t.ID] = &t
	heap.Push(&s.later, &t)
}

// Hasten moves an account that waits for its turn to the front.
func (s *Queue) Hasten(id store.AccountID, c Class) {
	if t := s.ByID[id]; t != nil && t.Class > c {
		hasty := *t
		hasty.Class = c
		s.Put(hasty)
	}
}

// Has tells whether an account has a turn.
func (s *Queue) Has(id store.AccountID) bool { return s.ByID[id] != nil }

func (s *Queue) Drop(id store.AccountID) {
	t := s.ByID[id]
	if t == nil {
		return
	}
	delete(s.ByID, id)
	for _, h := range []*turnHeap{&s.later, &s.ready} {
		if t.index < len(h.list) && h.list[t.index] == t {
			heap.Remove(h, t.index)
			return
		}
	}
}

// Next takes the most urgent account that is due. If none is, ok is false and
// wait tells for how long (0: the schedule is empty).
func (s *Queue) Next(now time.Time) (t Turn, ok bool, wait time.Duration) {
	for len(s.later.list) > 0 && !s.later.list[0].Due.After(now) {
		heap.Push(&s.ready, heap.Pop(&s.later))
	}
	if len(s.ready.list) > 0 {
		t := heap.Pop(&s.ready).(*Turn)
		delete(s.ByID, t.ID)
		return *t, true, 0
	}
	if len(s.later.list) > 0 {
		wait = max(s.later.list[0].Due.Sub(now), time.Millisecond)
	}
	return Turn{}, false, wait
}

// turnHeap is a heap.
type turnHeap struct {
	list []*Turn
	less func(a, b *Turn) bool
}

func (h *turnHeap) Len() int           { return len(h.list) }
func (h *turnHeap) Less(i, j int) bool { return h.less(h.list[i], h.list[j]) }
func (h *turnHeap) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].index, h.list[j].index = i, j
}

func (h *turnHeap) Push(x any) {
	t := x.(*Turn)
	t.index = len(h.list)
	h.list = append(h.list, t)
}

func (h *turnHeap) Pop() any {
	t := h.list[len(h.list)-1]
	h.list = h.list[:len(h.list)-1]
	return t
}
