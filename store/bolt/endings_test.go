package bolt

import (
	"strconv"
	"testing"
)

// TestEndings: what ended a lot of ends ago is not told apart any more; then nobody who was asked before may agree.
func TestEndings(t *testing.T) {
	var e endings
	if e.since(0, []byte("a")) {
		t.Error("nothing has ended")
	}
	e.note([]byte("a"))
	asked := e.now()
	if !e.since(0, []byte("b"), []byte("a")) || e.since(0, []byte("b")) || e.since(asked, []byte("a")) {
		t.Error("one has ended")
	}
	for i := range maxEndings + 1 {
		e.note([]byte("other" + strconv.Itoa(i)))
	}
	if len(e.at) > maxEndings || !e.since(asked, []byte("b")) || e.since(e.now(), []byte("b"), []byte("other1")) {
		t.Errorf("%d are told apart", len(e.at))
	}
}
