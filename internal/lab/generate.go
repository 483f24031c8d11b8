package lab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
)

// Msg is a message to put into a folder.
type Msg struct {
	Body  []byte
	Flags []imap.Flag // system flags and keywords
	Date  time.Time   // INTERNALDATE, whole seconds; zero for 2 January 2020
	New   bool        // FillMaildir only: just delivered, no client has seen it
}

// someFlags are the flags of generated messages, drawn in turn by chance.
var someFlags = [][]imap.Flag{
	{}, {imap.FlagSeen}, {imap.FlagSeen}, {imap.FlagSeen}, {imap.FlagSeen, imap.FlagAnswered},
	{imap.FlagFlagged}, {imap.FlagSeen, imap.FlagForwarded}, {imap.FlagSeen, "$Label1", "Projekt"}, {imap.FlagDraft},
}

// Generate makes n messages of size octets each (at least 512), with flags,
// keywords and dates over ten years, the same for the same seed. CRLF only.
func Generate(seed uint64, n, size int) []Msg {
	g := newGenerator(seed)
	msgs := make([]Msg, n)
	for i := range msgs {
		msgs[i] = g.message(i, size)
	}
	return msgs
}

// Mixed makes n messages sized as in people's mailboxes: many small ones, a
// few large ones, 40 KB on average, 1 MB at most; the same for the same seed.
func Mixed(seed uint64, n int) []Msg {
	g := newGenerator(seed)
	msgs := make([]Msg, n)
	for i := range msgs {
		msgs[i] = g.message(i, mixedSize(g.rng))
	}
	return msgs
}

// mixedSize draws a size: each class is uniform between its bounds.
func mixedSize(rng *rand.Rand) int {
	classes := []struct {
		share     float64
		low, high int
	}{{0.60, 1 << 10, 11 << 10}, {0.25, 11 << 10, 40 << 10}, {0.12, 40 << 10, 160 << 10}, {0.03, 160 << 10, 1 << 20}}
	at := rng.Float64()
	for _, c := range classes {
		if at < c.share {
			return c.low + rng.IntN(c.high-c.low)
		}
		at -= c.share
	}
	return 1 << 10
}

// generator draws messages; text is what their lines are cut from.
type generator struct {
	seed uint64
	rng  *rand.Rand
	text []byte
}

func newGenerator(seed uint64) *generator {
	const letters = "abcdefghijklmnopqrstuvwxyz     "
	g := &generator{seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), text: make([]byte, 16<<10)}
	for i := range g.text {
		g.text[i] = letters[g.rng.IntN(len(letters))]
	}
	return g
}

func (g *generator) message(i, size int) Msg {
	date := time.Unix(1_400_000_000+g.rng.Int64N(10*365*24*3600), 0)
	return Msg{
		Body:  g.body(i, size, date),
		Flags: slices.Clone(someFlags[g.rng.IntN(len(someFlags))]),
		Date:  date,
	}
}

func (g *generator) body(i, size int, date time.Time) []byte {
	size = max(size, 512)
	out := bytes.NewBuffer(make([]byte, 0, size))
	fmt.Fprintf(out, "From: Sender %d <sender%d@example.net>\r\nTo: anna@example.com\r\n", i%97, i%97)
	fmt.Fprintf(out, "Subject: Message %d of lot %d\r\nDate: %s\r\n", i, g.seed, date.UTC().Format(time.RFC1123Z))
	fmt.Fprintf(out, "Message-ID: <%d.%d.%x@example.net>\r\n", g.seed, i, g.rng.Uint64())
	out.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n")
	for left := size - out.Len(); left > 0; left = size - out.Len() {
		line := min(76, left-2)
		if rest := left - 2 - line; rest > 0 && rest < 3 {
			line -= 3 // leave room for a last line with its CRLF
		}
		at := g.rng.IntN(len(g.text) - line)
		out.Write(g.text[at : at+line])
		out.WriteString("\r\n")
	}
	return out.Bytes()
}
