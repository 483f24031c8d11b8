package reader

import (
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/syncer/message"
	"postferry/syncer/session"
)

// TestChunks: pieces hold at most n messages and together exactly the set.
func TestChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set imap.UIDSet
		for range rapid.IntRange(0, 20).Draw(t, "ranges") {
			lo := rapid.Uint32Range(1, 4000).Draw(t, "start")
			set.AddRange(imap.UID(lo), imap.UID(lo+rapid.Uint32Range(0, 400).Draw(t, "width")))
		}
		n := rapid.IntRange(1, 300).Draw(t, "n")
		want, _ := set.Nums()
		var got []imap.UID
		for _, piece := range session.Chunks(set, n) {
			nums, ok := piece.Nums()
			if !ok || len(nums) == 0 || len(nums) > n {
				t.Fatalf("a piece of %d messages: %v", len(nums), piece)
			}
			got = append(got, nums...)
		}
		if len(got) != len(want) {
			t.Fatalf("%d messages in pieces, %d in the set", len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("message %d is %d, want %d", i, got[i], want[i])
			}
		}
	})
}

func TestAdaptReachesSparseUIDs(t *testing.T) {
	width := imap.UID(session.ListWindow)
	for range 20 {
		width = adapt(width, 0)
	}
	if width < 1<<28 {
		t.Fatalf("after twenty empty windows the next one is only %d wide", width)
	}
	for range 40 {
		width = adapt(width, 1<<20)
	}
	if width < 1 || width > session.ListWindow {
		t.Fatalf("after many overfull windows the next one is %d wide", width)
	}
}

func TestHeaderOf(t *testing.T) {
	for _, c := range []struct{ body, header string }{
		{"A: 1\r\nB: 2\r\n\r\ntext", "A: 1\r\nB: 2\r\n\r\n"},
		{"A: 1\n\ntext\n", "A: 1\n\n"},
		{"\r\ntext", "\r\n"},
		{"A: 1\r\n", "A: 1\r\n"},
		{"no line end", "no line end"},
		{"", ""},
	} {
		if got := string(message.Header([]byte(c.body))); got != c.header {
			t.Errorf("%q: header %q, want %q", c.body, got, c.header)
		}
	}
}
