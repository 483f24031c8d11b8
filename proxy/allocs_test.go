package proxy

import (
	"io"
	"strings"
	"testing"
)

// TestRelayAllocatesNothing: a message that passes costs no memory of its own, whether it comes alone
// or with many others. What is lent may have to be made anew, with the race detector most of all.
func TestRelayAllocatesNothing(t *testing.T) {
	g := newRig(t, nil)
	for name, messages := range map[string]int{"alone": 1, "among others": 50} {
		text := []byte(strings.Repeat(crlf("* 12345 FETCH (UID 123456 BODY[] {2000}\n"+strings.Repeat("x", 2000)+")\n"), messages))
		got := make([]byte, len(text))
		each := testing.AllocsPerRun(200, func() {
			if _, err := g.server.Write(text); err != nil {
				t.Error(err)
			}
			if _, err := io.ReadFull(g.client.Conn, got); err != nil {
				t.Error(err)
			}
		})
		if each > 10 {
			t.Errorf("%s: %.1f allocations for each piece", name, each)
		}
	}
}
