package schedule

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"postferry/store"
)

func TestScheduleOrder(t *testing.T) {
	now := time.Unix(1700000000, 0)
	s := New()
	s.Put(Turn{ID: 1, Class: Rest, Due: now})
	s.Put(Turn{ID: 2, Class: InboxOnly, Due: now})
	s.Put(Turn{ID: 3, Class: Rest, Due: now})
	s.Put(Turn{ID: 4, Class: InboxOnly, Due: now.Add(time.Hour)})
	s.Hasten(3, Connected)
	for _, want := range []store.AccountID{3, 2, 1} {
		got, ok, _ := s.Next(now)
		if !ok || got.ID != want {
			t.Fatalf("got %d (%v), want %d", got.ID, ok, want)
		}
	}
	if _, ok, wait := s.Next(now); ok || wait != time.Hour {
		t.Fatalf("due %v, wait %v", ok, wait)
	}
}

// TestScheduleIsFair: whatever is put in comes out once, and among equals in order.
func TestScheduleIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1700000000, 0)
		s := New()
		want := map[store.AccountID]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "moves") {
			id := store.AccountID(rapid.IntRange(1, 12).Draw(t, "id"))
			switch rapid.IntRange(0, 3).Draw(t, "move") {
			case 0:
				s.Drop(id)
				delete(want, id)
			case 1:
				s.Hasten(id, Connected)
			default:
				s.Put(Turn{ID: id, Class: Class(rapid.IntRange(0, 2).Draw(t, "class")), Due: now.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "due")) * time.Second)})
				want[id] = true
			}
		}
		last := Class(0)
		for n := len(want); n > 0; n-- {
			got, ok, _ := s.Next(now.Add(time.Minute))
			if !ok || !want[got.ID] {
				t.Fatalf("got %d (%v), left %v", got.ID, ok, want)
			}
			if got.Class < last {
				t.Fatalf("class %d after %d", got.Class, last)
			}
			last = got.Class
			delete(want, got.ID)
		}
		if _, ok, _ := s.Next(now.Add(time.Minute)); ok || len(s.ByID) != 0 {
			t.Fatal("more came out than went in")
		}
	})
}
