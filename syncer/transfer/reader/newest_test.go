package reader

import (
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/upstream"
)

// TestGroups: newer messages don't wait for large older ones, none is lost, and within a
// group the order stays.
func TestGroups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOf(rapid.Int64Range(0, 2*groupOctets)).Draw(t, "sizes")
		msgs := make([]upstream.Message, len(sizes))
		for i, size := range sizes {
			msgs[i] = upstream.Message{UID: imap.UID(i + 1), Size: size}
		}
		parts := groups(msgs)
		var all []upstream.Message
		for _, part := range slices.Backward(parts) {
			if len(part) == 0 || len(part) > 1 && octetsOf(part) > groupOctets {
				t.Fatalf("a group of %d messages with %d octets", len(part), octetsOf(part))
			}
			all = append(all, part...)
		}
		if fmt.Sprint(all) != fmt.Sprint(msgs) {
			t.Fatalf("got %v of %v", all, msgs)
		}
	})
}
