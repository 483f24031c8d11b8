package proxy

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"postferry/wire"
)

// idleServer is a new server for which any line ends an IDLE.
type idleServer struct {
	p          *peer
	r          *bufio.Reader // what it hears is noted
	refuses    bool          // IDLE
	carriesOut bool          // what has ended an IDLE
	idle       string        // the tag of the IDLE under way
	heard      strings.Builder
	said       strings.Builder
}

func (s *idleServer) say(text string) {
	s.said.WriteString(text)
	io.WriteString(s.p, text) //nolint:errcheck // the client's ear is compared
}

// serve answers until the client leaves.
func (s *idleServer) serve() {
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return
		}
		if s.idle != "" && s.wakes(line) {
			continue
		}
		tag, rest, whole := strings.Cut(line, " ")
		if err := s.literals(line); err != nil {
			return
		}
		switch {
		case !whole:
			s.say(strings.TrimSpace(tag) + " BAD what is that\r\n")
		case rest == "IDLE\r\n" && s.refuses:
			s.say(tag + " NO not now\r\n")
		case rest == "IDLE\r\n":
			s.idle = tag
			s.say("+ idling\r\n")
		default:
			s.say(tag + " OK done\r\n")
		}
	}
}

// wakes ends an IDLE, and reports whether the line that does that is dealt with.
func (s *idleServer) wakes(line string) bool {
	tag := s.idle
	s.idle = ""
	if line == "DONE\r\n" || s.carriesOut {
		s.say(tag + " OK done\r\n")
		return line == "DONE\r\n"
	}
	s.say(tag + " BAD expected DONE\r\n")
	return true
}

// literals reads those of a command.
func (s *idleServer) literals(line string) error {
	for {
		lit, ok := wire.ParseLiteral([]byte(strings.TrimRight(line, "\r\n")))
		if !ok {
			return nil
		}
		if !lit.NonSync {
			s.say("+ go on\r\n")
		}
		_, err := io.CopyN(io.Discard, s.r, int64(lit.Size))
		if err != nil {
			return err
		}
		if line, err = s.r.ReadString('\n'); err != nil {
			return err
		}
	}
}

// idleTurn is what a client says at once.
type idleTurn struct {
	text string
	then string // follows if the server asks for it
	cut  int    // where it pauses
}

var (
	idleCommands = []string{
		"%s IDLE\n", "%s IDLE\n", "%s IDLE\n", "DONE\n", "DONE\n", "%s NOOP\n", "%s CREATE F\n", "%s DELETE F\n", "%s RENAME F G\n",
		"%s SELECT x\n", "%s STATUS F (MESSAGES)\n", "%s SEARCH TEXT x\n", "%s LOGIN a b\n", "%s CREATE {1+}\nF\n", "%s RENAME {1+}\nF G\n",
		"%s APPEND x {3+}\nabc\n", "%s SELECT {1+}\nF\n",
	}
	idleWaiting = []idleTurn{
		{text: "%s APPEND x {11}\n", then: "b LOGIN c\n\n"}, {text: "%s CREATE {1}\n", then: "F\n"}, {text: "%s RENAME {1}\n", then: "F G\n"},
		{text: "%s SELECT {1}\n", then: "F\n"}, {text: "%s LOGIN {1}\n", then: "a b\n"},
		{text: "%s SEARCH TEXT {1}\n", then: "x\n"}, {text: "%s STATUS {1}\n", then: "F (MESSAGES)\n"},
	}
	idleRefused = regexp.MustCompile(`t\d+ (LOGIN (a b|\{1\})|BAD Not possible after login)\r\n`)
)

func drawIdleTurns(t *rapid.T) (turns []idleTurn) {
	n := 0
	tagged := func(text string) string {
		if n++; strings.HasPrefix(text, "%s") {
			text = fmt.Sprintf(text, fmt.Sprintf("t%d", n))
		}
		return crlf(text)
	}
	for range rapid.IntRange(2, 12).Draw(t, "turns") {
		var turn idleTurn
		if rapid.IntRange(0, 2).Draw(t, "waits") == 0 {
			turn = rapid.SampledFrom(idleWaiting).Draw(t, "waiting")
			turn.text, turn.then = tagged(turn.text), crlf(turn.then)
		} else {
			for _, text := range rapid.SliceOfN(rapid.SampledFrom(idleCommands), 1, 3).Draw(t, "commands") {
				turn.text += tagged(text)
			}
		}
		turn.cut = rapid.IntRange(0, len(turn.text)).Draw(t, "cut")
		turns = append(turns, turn)
	}
	return turns
}

// TestIdleOfRandomClients: whatever a client sends in the place of DONE, and however a server takes it, each hears what the
// other has said, at once, and nothing stays held or open.
func TestIdleOfRandomClients(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		turns := drawIdleTurns(rt)
		s := idleServer{refuses: rapid.IntRange(0, 3).Draw(rt, "refuses") == 0, carriesOut: rapid.IntRange(0, 2).Draw(rt, "carries out") == 0}
		var wrong string
		synctest.Test(t, func(t *testing.T) { wrong = playIdle(t, &s, turns) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// playIdle plays turns in a bubble, in which no time passes, and returns what is wrong; "" for nothing.
func playIdle(t *testing.T, s *idleServer, turns []idleTurn) (wrong string) {
	g := newRigInMemory(t, nil)
	s.p, s.r = g.server, bufio.NewReader(io.TeeReader(g.server.Conn, &s.heard))
	var said, heard strings.Builder
	var ends sync.WaitGroup
	ends.Go(s.serve)
	ends.Go(func() { io.Copy(&heard, g.client.Conn) }) //nolint:errcheck // what it heard is compared
	says := func(text string) {
		said.WriteString(text)
		io.WriteString(g.client, text) //nolint:errcheck // the server's ear is compared
		synctest.Wait()
	}
	begun := time.Now()
	for _, turn := range turns {
		says(turn.text[:turn.cut])
		says(turn.text[turn.cut:])
		if turn.then != "" && strings.HasSuffix(heard.String(), "+ go on\r\n") {
			says(turn.then)
		}
	}
	wrong = misheard("the server", true, s.heard.String(), idleRefused.ReplaceAllString(said.String(), "")) +
		misheard("the client", true, idleRefused.ReplaceAllString(heard.String(), ""), s.said.String()) + unended(g.ferry.noted())
	if held := time.Since(begun); held > 0 {
		wrong += fmt.Sprintf("it took %v\n", held)
	}
	g.client.Close()
	g.server.Close()
	ends.Wait()
	g.ends(t)
	return wrong
}

// unended tells which calls have begun what others had to end; "" for none. What is carried out after all ends twice.
func unended(calls []string) string {
	open := map[string]int{}
	for _, call := range calls {
		switch what, _, _ := strings.Cut(call, " 7 "); {
		case what == "hold", what == "renaming":
			open[what]++
		case what == "let go":
			open["hold"]--
		case strings.HasPrefix(call, "changed 7 RENAME "):
			open["renaming"]--
		}
	}
	if open["hold"] != 0 || open["renaming"] > 0 {
		return fmt.Sprintf("left open: %v by %q\n", open, calls)
	}
	return ""
}
