package syncer

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"postferry/store"
)

func TestScheduleOrder(t *testing.T) {
	now := time.Unix(1700000000, 0)
	s := newSchedule()
	s.put(turn{id: 1, class: classRest, due: now})
	s.put(turn{id: 2, class: classInbox, due: now})
	s.put(turn{id: 3, class: classRest, due: now})
	s.put(turn{id: 4, class: classInbox, due: now.Add(time.Hour)})
	s.hasten(3, classConnected)
	for _, want := range []store.AccountID{3, 2, 1} {
		got, ok, _ := s.next(now)
		if !ok || got.id != want {
			t.Fatalf("got %d (%v), want %d", got.id, ok, want)
		}
	}
	if _, ok, wait := s.next(now); ok || wait != time.Hour {
		t.Fatalf("due %v, wait %v", ok, wait)
	}
}

// TestScheduleIsFair: whatever is put in comes out once, and among equals in order.
func TestScheduleIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1700000000, 0)
		s := newSchedule()
		want := map[store.AccountID]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "moves") {
			id := store.AccountID(rapid.IntRange(1, 12).Draw(t, "id"))
			switch rapid.IntRange(0, 3).Draw(t, "move") {
			case 0:
				s.drop(id)
				delete(want, id)
			case 1:
				s.hasten(id, classConnected)
			default:
				s.put(turn{id: id, class: class(rapid.IntRange(0, 2).Draw(t, "class")), due: now.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "due")) * time.Second)})
				want[id] = true
			}
		}
		last := class(0)
		for n := len(want); n > 0; n-- {
			got, ok, _ := s.next(now.Add(time.Minute))
			if !ok || !want[got.id] {
				t.Fatalf("got %d (%v), left %v", got.id, ok, want)
			}
			if got.class < last {
				t.Fatalf("class %d after %d", got.class, last)
			}
			last = got.class
			delete(want, got.id)
		}
		if _, ok, _ := s.next(now.Add(time.Minute)); ok || len(s.byID) != 0 {
			t.Fatal("more came out than went in")
		}
	})
}
