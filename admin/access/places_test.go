package access

import (
	"testing"

	"postferry/store"
)

func TestPlaces(t *testing.T) {
	p := NewPlaces(2, 5, 3)
	for i, step := range []struct {
		scope string
		n     int
		want  bool
	}{
		{"a", 2, true}, {"a", 1, false}, {"b", 3, false}, {"b", 2, true}, {"c", 2, false}, {"c", 1, true}, {"d", 1, false},
		{store.ScopeAll, 3, true}, {store.ScopeAll, 1, false},
	} {
		if got := p.Take(step.scope, step.n); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	p.Leave("a", 1)
	if !p.Take("d", 1) || p.Take("a", 1) {
		t.Error("a place that was left is not the next one's")
	}
	for scope, n := range map[string]int{"a": 1, "b": 2, "c": 1, "d": 1, store.ScopeAll: 3} {
		p.Leave(scope, n)
	}
	if p.sum != 0 || len(p.held) != 0 {
		t.Errorf("left over: %+v", p)
	}
}
