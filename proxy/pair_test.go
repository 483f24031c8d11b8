package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"postferry/internal/pause"
)

// The pair of a client and a new server with a relay between them: both send what they like, in
// pieces of any size, and either may be cut off at any octet.

// pairTurn is what a client says before it waits for its answers.
type pairTurn struct {
	text string // whole commands; or one up to a literal for which it waits to be asked
	then string // what follows once the server has said "+"; "" for nothing
	tags int    // completions that it waits for
}

// answer is what the server says to one command.
type answer struct {
	untagged string
	status   string
}

// conversation is all that is going to be said.
type conversation struct {
	turns   []pairTurn
	answers []answer
	pieces  []int // sizes of what is written at once, by turns
	// cut is after how many octets a side breaks off, -1 for never: the client or the server.
	cut       int
	cutClient bool
}

// commands that may stand in one turn with others. %s is the tag.
var pairCommands = []string{
	"%s NOOP\n", "%s SELECT \"x y\"\n", "%s EXAMINE {3+}\nfoo (CONDSTORE)\n", "%s STATUS INBOX (MESSAGES)\n",
	"%s UID SEARCH TEXT {3+}\nabc\n", "%s SEARCH UNSEEN\n", "%s LIST \"\" * RETURN (STATUS (UNSEEN))\n",
	"%s APPEND x (\\Seen) {9+}\na LOGIN\n ~{3+}\n\x00{}\n", "%s CREATE x\n", "%s RENAME {1+}\na {1+}\nb\n", "%s DELETE \"{3}\"\n",
	"%s LOGIN a b\n", "%s STARTTLS\n", "%s UID STORE " + strings.Repeat("12345,", 2000) + "1 +FLAGS (x)\n",
	"%s ID (\"name\" \"x\")\n", "%s CLOSE\n",
}

// waiting are commands that wait for the server's "+".
var waiting = []pairTurn{
	{text: "%s APPEND x {5}\n", then: "ab\r\nc\r\n", tags: 1},
	{text: "%s SELECT {5}\n", then: "INBOX\r\n", tags: 1},
	{text: "%s IDLE\n", then: "DONE\r\n", tags: 1},
}

var pairUntagged = []string{
	"* 1 EXISTS\n", "* 1 FETCH (BODY[] {20}\n* SEARCH 1 FLAGS ())\n+\n)\n", "* LIST () \"/\" {3}\na b\n", "* OK [BADCHARSET ({5}\nUTF-8)] x {3}\n",
	"* 2 FETCH (BINARY[] ~{0}\n BODY[] {9000}\n" + strings.Repeat("x", 9000) + ")\n", "* STATUS x (MESSAGES 3)\n",
	"* 3 FETCH (BODY[] {20000}\n" + strings.Repeat("y", 20000) + ")\n",
}

var pairStatus = []string{"OK done {5}", "NO [TRYCREATE] no", "OK [UIDNEXT 3] x", "BAD [X \"]\"] what"}

func drawConversation(t *rapid.T) conversation {
	c := conversation{cut: -1}
	n := 0
	tag := func() string { n++; return fmt.Sprintf("t%d", n) }
	for range rapid.IntRange(1, 4).Draw(t, "turns") {
		if rapid.IntRange(0, 3).Draw(t, "waits") == 0 {
			w := rapid.SampledFrom(waiting).Draw(t, "waiting")
			w.text = crlf(fmt.Sprintf(w.text, tag()))
			c.turns = append(c.turns, w)
			continue
		}
		var one pairTurn
		for _, text := range rapid.SliceOfN(rapid.SampledFrom(pairCommands), 1, 4).Draw(t, "commands") {
			one.text += crlf(fmt.Sprintf(text, tag()))
			one.tags++
		}
		c.turns = append(c.turns, one)
	}
	for range 8 {
		c.answers = append(c.answers, answer{
			crlf(strings.Join(rapid.SliceOfN(rapid.SampledFrom(pairUntagged), 0, 3).Draw(t, "untagged"), "")),
			rapid.SampledFrom(pairStatus).Draw(t, "status"),
		})
	}
	c.pieces = rapid.SliceOfN(rapid.SampledFrom([]int{1, 2, 7, 100, 4096, 16385, 1 << 20}), 1, 6).Draw(t, "pieces")
	if rapid.IntRange(0, 2).Draw(t, "breaks") == 0 {
		c.cut, c.cutClient = rapid.IntRange(0, 5000).Draw(t, "cut"), rapid.Bool().Draw(t, "cut client")
	}
	return c
}

// pairEnd is one end: it notes what it says and hears, writes in pieces and may break off.
type pairEnd struct {
	net.Conn
	r      *bufio.Reader
	pieces []int
	at     int
	left   int // octets until it breaks off; -1 for never
	said   strings.Builder
	heard  strings.Builder
}

// smallPieces is after how many pieces an end writes all at once: the rest costs time only.
const smallPieces = 300

func newPairEnd(p *peer, c *conversation, cut int) *pairEnd {
	s := &pairEnd{Conn: p.Conn, pieces: c.pieces, left: cut}
	s.r = bufio.NewReader(io.TeeReader(p.Conn, &s.heard))
	p.SetDeadline(time.Now().Add(time.Hour))
	return s
}

func (s *pairEnd) say(text string) error {
	for text != "" {
		n := min(s.pieces[s.at%len(s.pieces)], len(text))
		if s.at > smallPieces {
			n = len(text)
		}
		if s.left >= 0 {
			n = min(n, s.left)
			s.left -= n
		}
		s.at++
		k, err := io.WriteString(s.Conn, text[:n])
		s.said.WriteString(text[:k])
		if s.left == 0 {
			s.Close()
			return net.ErrClosed
		}
		if text = text[n:]; err != nil {
			return err
		}
	}
	return nil
}

// line reads a line and the literals in it.
func (s *pairEnd) line(asked func() error) (string, error) {
	var all strings.Builder
	for {
		line, err := s.r.ReadString('\n')
		all.WriteString(line)
		n, waits, ok := announcedAt(all.String()[:min(all.Len(), 64)], line)
		if err != nil || !ok {
			return all.String(), err
		}
		if waits && asked != nil {
			if err := asked(); err != nil {
				return all.String(), err
			}
		}
		if _, err := io.CopyN(&all, s.r, int64(n)); err != nil {
			return all.String(), err
		}
	}
}

var pairLiteral = regexp.MustCompile(`\{(\d+)(\+?)\}\r\n$`)

// announcedAt is the literal that a command or response announces at its end, as far as it has come: it
// begins with head, and line is the last one.
func announcedAt(head, line string) (n int, waits, ok bool) {
	m := pairLiteral.FindStringSubmatch(line)
	if m == nil || statusLine.MatchString(head) {
		return 0, false, false
	}
	n, _ = strconv.Atoi(m[1])
	return n, m[2] == "", true
}

// statusLine is a response whose text may end as a literal's announcement does, and isn't.
var statusLine = regexp.MustCompile(`^(t\d+ (OK|NO|BAD)\b|\* OK \[BADCHARSET \(\{5\}\r\nUTF-8\)\] )`)

// serve is the server's part. hidden is what it has answered to commands that no client has sent.
func (s *pairEnd) serve(answers []answer) (hidden string) {
	for i := 0; ; i++ {
		line, err := s.line(func() error { return s.say("+ go on\r\n") })
		if err != nil {
			return hidden
		}
		tag, rest, _ := strings.Cut(line, " ")
		a := answers[i%len(answers)]
		if strings.HasPrefix(tag, "PF") {
			text := "* SEARCH 1 2\r\n" + tag + " OK done\r\n"
			hidden += text
			if s.say(text) != nil {
				return hidden
			}
			continue
		}
		if strings.HasPrefix(rest, "IDLE") {
			if s.say("+ idling\r\n"+a.untagged) != nil {
				return hidden
			}
			if _, err := s.r.ReadString('\n'); err != nil {
				return hidden
			}
		}
		if s.say(a.untagged+tag+" "+a.status+"\r\n") != nil {
			return hidden
		}
	}
}

// converse is the client's part.
func (s *pairEnd) converse(turns []pairTurn) error {
	for _, t := range turns {
		if err := s.say(t.text); err != nil {
			return err
		}
		then := t.then
		for left := t.tags; left > 0; {
			line, err := s.line(nil)
			switch {
			case err != nil:
				return err
			case strings.HasPrefix(line, "t"):
				left--
			case strings.HasPrefix(line, "+") && then != "":
				if err := s.say(then); err != nil {
					return err
				}
				then = ""
			}
		}
	}
	return nil
}

// What the relay says itself, and what it doesn't pass on.
var (
	relayWords  = regexp.MustCompile(`\* OK \[INPROGRESS [^\r]*\r\n|t\d+ BAD Not possible after login\r\n|\* BYE \[UNAVAILABLE\] [^\r]*\r\n`)
	relaySearch = regexp.MustCompile(`PF[A-Z2-7]{20,}( [A-Z 1]*)?(\r\n|\r?$)`)
	notPassed   = regexp.MustCompile(`t\d+ (LOGIN a b|STARTTLS)\r\n`)
)

// TestPairOfRandomStreams: each end hears what the other has said and nothing else, whatever that
// is and however it is cut into pieces; and if one breaks off, the beginning of it.
func TestPairOfRandomStreams(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		c := drawConversation(rt)
		var wrong string
		synctest.Test(t, func(t *testing.T) { wrong = playPair(t, c) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// playPair plays a conversation in a bubble and returns what is wrong; "" for nothing. A visit takes so long that the client
// is told of it.
func playPair(t *testing.T, c conversation) (wrong string) {
	g := newRigInMemory(t, func(g *rig, _ *entry) {
		g.srv.cfg.Proxy.SearchWait, g.srv.cfg.Proxy.StatusWait = patience, patience
		g.ferry.looked = true
		g.ferry.visit = func(ctx context.Context, _ string, progress func(done, total int)) {
			progress(1, 2)
			pause.For(ctx, progressEvery+time.Second)
		}
	})
	clientCut, serverCut := -1, c.cut
	if c.cutClient {
		clientCut, serverCut = c.cut, -1
	}
	client, server := newPairEnd(g.client, &c, clientCut), newPairEnd(g.server, &c, serverCut)
	hidden := ""
	served := make(chan struct{})
	go func() {
		defer close(served)
		hidden = server.serve(c.answers)
	}()
	err := client.converse(c.turns)
	client.Close()
	<-served
	server.Close()
	g.ends(t)
	if err != nil && c.cut < 0 {
		return fmt.Sprintf("the conversation broke off: %v", err)
	}
	whole := err == nil
	return misheard("the server", whole, relaySearch.ReplaceAllString(server.heard.String(), ""), notPassed.ReplaceAllString(client.said.String(), "")) +
		misheard("the client", whole, relayWords.ReplaceAllString(client.heard.String(), ""), without(server.said.String(), hidden))
}

// without takes the lines of some text out of another.
func without(text, lines string) string {
	for line := range strings.SplitAfterSeq(lines, "\r\n") {
		if line != "" {
			text = strings.Replace(text, line, "", 1)
		}
	}
	return text
}

// misheard tells what somebody has heard else than was said; "" for nothing.
func misheard(who string, whole bool, heard, said string) string {
	if heard == said || !whole && strings.HasPrefix(said, heard) {
		return ""
	}
	at := 0
	for at < min(len(heard), len(said)) && heard[at] == said[at] {
		at++
	}
	return fmt.Sprintf("%s heard %d octets and was said %d; from octet %d on %.80q instead of %.80q\n", who, len(heard), len(said), at, heard[at:], said[at:])
}
