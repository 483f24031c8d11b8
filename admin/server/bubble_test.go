package server

import (
	"testing"
	"testing/synctest"

	"postferry/internal/lab/inmemory"
)

// inBubble does something with a page in a bubble, in which time passes only while everybody waits for it. Page and callers
// are connected in memory: as long as somebody waits for a socket no time passes.
func inBubble(t *testing.T, do func(t *testing.T, p *page)) {
	t.Helper()
	t.Parallel()
	if _, err := loaded(); err != nil { // before it begins: others take them, too
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		do(t, newPage(t, inmemory.NewListener()))
	})
}
