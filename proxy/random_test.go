package proxy

import (
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"postferry/store"
)

var someCommands = []string{
	"a SELECT \"x y\"\n", "b EXAMINE {3+}\nfoo (CONDSTORE)\n", "c UID FETCH 1:* (FLAGS)\n", "DONE\n", "] NOOP\n",
	"d APPEND x (\\Seen) {8+}\na LOGIN\n ~{3+}\n\x00{}\n", "\n", "e x{5}\n", "f LIST \"\" \"{3}\"\n", "* FOO\n",
	"g RENAME {1+}\na {1+}\nb\n", "h UID STORE " + strings.Repeat("12345,", 2000) + "1 +FLAGS (x)\n", "nonsense\n",
}

var someResponses = []string{
	"* 1 EXISTS\n", "* 1 FETCH (BODY[] {20}\n* CAPABILITY STARTTLS FLAGS ())\n", "a OK [UIDNEXT 3] done {5}\n",
	"* LIST () \"/\" {3}\na b\n", "+ go {5}\n", "+\n", "* OK [BADCHARSET ({5}\nUTF-8)] x {3}\n", "* ENABLED X\n",
	"] NO [ALERT] {3}\n", "* SEARCH" + strings.Repeat(" 12345", 3000) + "\n", "* BAD [X \"]\"] what\n", "*\n",
	"* 2 FETCH (BINARY[] ~{0}\n BODY[] {9000}\n" + strings.Repeat("x", 9000) + ")\n", "g OK x\n",
}

// draw concatenates some of the texts and returns them whole and in pieces.
func draw(t *rapid.T, texts []string, label string) (whole string, pieces []string) {
	whole = crlf(strings.Join(rapid.SliceOfN(rapid.SampledFrom(texts), 0, 12).Draw(t, label), ""))
	for rest := whole; rest != ""; {
		n := min(rapid.SampledFrom([]int{1, 2, 5, 40, 1000, 4096, 5000, 30000}).Draw(t, "piece"), len(rest))
		pieces = append(pieces, rest[:n])
		rest = rest[n:]
	}
	return whole, pieces
}

// TestEverythingPassesUnchanged sends anything that may pass in pieces of any
// size both ways at once.
func TestEverythingPassesUnchanged(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		up, upPieces := draw(rt, someCommands, "commands")
		down, downPieces := draw(rt, someResponses, "responses")
		g := newRig(t, func(g *rig, in *entry) {
			in.account = store.Account{}
		})
		heard := make(chan string, 2)
		go send(g.client, upPieces)
		go send(g.server, downPieces)
		go func() { heard <- read(g.server, len(up)) }()
		if got := read(g.client, len(down)); got != down {
			rt.Errorf("client heard %q; want %q", got, down)
		}
		if got := <-heard; got != up {
			rt.Errorf("server heard %q; want %q", got, up)
		}
		g.client.Close()
		g.server.Close()
		<-g.ended
	})
}

func send(p *peer, pieces []string) {
	for _, piece := range pieces {
		if _, err := p.Write([]byte(piece)); err != nil {
			return
		}
	}
}

func read(p *peer, n int) string {
	p.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, n)
	k, _ := io.ReadFull(p.r, b)
	return string(b[:k])
}
