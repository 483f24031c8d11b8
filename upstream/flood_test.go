//go:build !race

// These tests measure what floods cost, of which the race detector would be nine tenths; make test runs them without it.

package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/store"
	"postferry/upstream/link"
	"postferry/upstream/pop3"
	"postferry/upstream/transcript"
)

// flood is a server that answers one command with more than anybody wants to know.
type flood struct {
	name string
	caps string
	when string // the verb of that command
	// lines writes the answer, which goes on for as long as it returns true. It stands for {n} in it.
	line  func(n int) string
	again bool // over and over; otherwise once, and then the command is OK
	ask   func(ctx context.Context, s *Session) error
	want  store.ProblemKind // "" for no error
	class link.Class
}

// floodMost is what the server sends at most. A client that takes it all has no bound. Octets.
const floodMost = 1 << 30

func folders(ctx context.Context, s *Session) error {
	_, _, err := s.Tree.Folders(ctx, true)
	return err
}

func list(ctx context.Context, s *Session) error {
	if _, err := s.Opener.Examine(ctx, "x"); err != nil {
		return err
	}
	return s.Fetcher.ListMessages(ctx, uids(1, 9), 0, func(Message) error { return nil })
}

func headers(ctx context.Context, s *Session) error {
	if _, err := s.Opener.Examine(ctx, "x"); err != nil {
		return err
	}
	return s.Fetcher.Headers(ctx, uids(1, 0), func(Message, []byte) error { return nil })
}

func someBodies(ctx context.Context, s *Session) error {
	if _, err := s.Opener.Examine(ctx, "x"); err != nil {
		return err
	}
	call, err := s.Fetcher.AskBodies(ctx, uids(1, 9))
	if err != nil {
		return err
	}
	return call.Wait(ctx, func(_ imap.UID, _ int64, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err })
}

var (
	manyWords = strings.Repeat(`\`+strings.Repeat("Odd", 30)+" ", 10_000)
	longWord  = strings.Repeat("x", 500_000)
)

const extended = "NAMESPACE LIST-EXTENDED LIST-STATUS QUOTA"

var floods = []flood{
	{"folders", extended, "LIST", func(n int) string { return fmt.Sprintf("* LIST () \"/\" f%d\r\n", n) }, true, folders, store.Excessive, link.Fix},
	{"folders, by LSUB", "", "LSUB", func(n int) string { return fmt.Sprintf("* LSUB () \"/\" f%d\r\n", n) }, true, folders, store.Excessive, link.Fix},
	{"one folder again and again", extended, "LIST", func(int) string { return "* LIST () \"/\" f\r\n" }, true, folders, store.Excessive, link.Fix},
	{"long names", extended, "LIST", func(n int) string { return fmt.Sprintf("* LIST () \"/\" \"%s%d\"\r\n", longWord, n) }, true, folders, store.Excessive, link.Fix},
	{"names of a kilobyte", extended, "LIST", func(n int) string { return fmt.Sprintf("* LIST () \"/\" \"%s%d\"\r\n", longWord[:1000], n) }, true, folders, store.Excessive, link.Fix},
	{"attributes in a line", extended, "LIST", func(n int) string { return fmt.Sprintf("* LIST (%s) \"/\" f%d\r\n", manyWords, n) }, true, folders, store.Excessive, link.Lost},
	{"an attribute without end", extended, "LIST", func(n int) string { return fmt.Sprintf("* LIST (\\%s) \"/\" f%d\r\n", longWord, n) }, false, folders, "", 0},
	{"status of folders", extended, "LIST", func(n int) string { return fmt.Sprintf("* STATUS f%d (MESSAGES 1)\r\n", n) }, true, folders, store.Excessive, link.Fix},
	{"status items", extended, "LIST", func(int) string {
		return "* STATUS f (" + strings.Repeat("X ("+longWord[:100]+" b) ", 10_000) + ")\r\n"
	}, true, folders, store.Excessive, link.Lost},
	{"namespaces in a line", extended, "NAMESPACE", func(int) string { return "* NAMESPACE (" + strings.Repeat(`("a." ".")`, 200_000) + ") NIL NIL\r\n" }, true, folders, store.Excessive, link.Fix},
	{"namespaces", extended, "NAMESPACE", func(int) string { return "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n" }, true, folders, store.Excessive, link.Lost},
	{"namespace with a long prefix", extended, "NAMESPACE", func(int) string { return fmt.Sprintf("* NAMESPACE ((\"%s\" \"/\")) NIL NIL\r\n", longWord) }, true, folders, store.Excessive, link.Fix},
	{"namespace extensions", extended, "NAMESPACE", func(int) string { return "* NAMESPACE ((\"\" \"/\" " + manyWords + ")) NIL NIL\r\n" }, false, folders, "", 0},
	{"status of a folder not asked for", "", "STATUS", func(n int) string { return fmt.Sprintf("* STATUS f%d (MESSAGES 1)\r\n", n) }, true,
		func(ctx context.Context, s *Session) error { _, err := s.Tree.Status(ctx, []string{"x"}); return err }, store.Excessive, link.Lost},
	{"quotas", extended, "GETQUOTAROOT", func(int) string {
		return "* QUOTA \"" + longWord + "\" (" + strings.Repeat("S 1 2 ", 100_000) + ")\r\n"
	}, false,
		func(ctx context.Context, s *Session) error { _, err := s.Tree.Quotas(ctx, "x"); return err }, "", 0},
	{"one message again and again", "", "UID FETCH", func(int) string {
		return "* 1 FETCH (UID 1 FLAGS () INTERNALDATE \"01-Jan-2020 00:00:00 +0000\" RFC822.SIZE 1)\r\n"
	}, true, list, store.Excessive, link.Lost},
	{"more messages than there are", "", "UID FETCH", func(n int) string { return fmt.Sprintf("* %d FETCH (UID %d FLAGS () RFC822.SIZE 1)\r\n", n+1, n+1) }, true, headers, store.Excessive, link.Lost},
	{"more messages than a folder has", "", "EXAMINE", func(int) string { return "* 4294967295 EXISTS\r\n" }, false, list, store.Excessive, link.Lost},
	{"headers in part", "", "UID FETCH", func(n int) string {
		return fmt.Sprintf("* %d FETCH (UID %d BODY[HEADER] {%d}\r\n%s)\r\n", n, n+1, 200_000, longWord[:200_000])
	}, true, headers, store.Excessive, link.Lost},
	{"flags in a line", "", "UID FETCH", func(n int) string { return fmt.Sprintf("* 1 FETCH (UID %d FLAGS (%s))\r\n", n%9+1, manyWords) }, false, list, "", 0},
	{"keywords", "", "UID FETCH", func(n int) string {
		return fmt.Sprintf("* 1 FETCH (UID %d FLAGS (%s))\r\n", n%9+1, numberedWords(n, 1000))
	}, true, list, store.Excessive, link.Lost},
	{"keywords without end", "", "UID FETCH", func(n int) string { return fmt.Sprintf("* 1 FETCH (UID %d FLAGS (%s%d))\r\n", n%9+1, longWord, n) }, true, list, store.Excessive, link.Lost},
	{"bodies", "", "UID FETCH", func(n int) string { return fmt.Sprintf("* 1 FETCH (UID %d BODY[] {1}\r\nx)\r\n", 4_000_000-2*n) }, true, someBodies, store.Excessive, link.Lost},
	{"bodies of which nobody knows whose they are", "", "UID FETCH", func(int) string { return "* 1 FETCH (BODY[] {1}\r\nx)\r\n" }, true, someBodies, store.Excessive, link.Lost},
	{"items", "", "UID FETCH", func(n int) string {
		return fmt.Sprintf("* 1 FETCH (UID 1 %s)\r\n", strings.Repeat("X[a b] NIL ", 100_000))
	}, false, list, "", 0},
	{"flags of a folder", "", "EXAMINE", func(int) string { return "* FLAGS (" + manyWords + ")\r\n" }, false, list, "", 0},
	{"permanent flags", "", "EXAMINE", func(int) string { return "* OK [PERMANENTFLAGS (" + manyWords + ")] x\r\n" }, false, list, "", 0},
	{"hits of a search", "", "UID SEARCH", func(int) string { return "* SEARCH " + downwards + "\r\n" }, true, search, store.Excessive, link.Lost},
	{"a hit beyond all", "", "UID SEARCH", func(int) string { return "* ESEARCH UID ALL 1:4294967295\r\n" }, true, search, store.Excessive, link.Lost},
	{"words for people", "", "NOOP", func(int) string { return "* OK still here\r\n" }, true, noop, store.Excessive, link.Lost},
	{"long words for people", "", "NOOP", func(int) string { return "* NO [" + longWord + "] " + longWord + "\r\n" }, false, noop, "", 0},
	{"alerts", "", "NOOP", func(int) string { return "* OK [ALERT] look\r\n" }, true, noop, store.Excessive, link.Lost},
	{"capabilities in a line", "", "NOOP", func(int) string { return "* CAPABILITY " + manyWords + "\r\n" }, false, noop, "", 0},
	{"capabilities", "", "NOOP", func(n int) string { return fmt.Sprintf("* CAPABILITY IMAP4rev1 X%d\r\n", n) }, true, noop, store.Excessive, link.Lost},
	{"ID and ENABLED", "", "NOOP", func(int) string { return "* ID (\"a\" \"b\")\r\n* ENABLED X\r\n" }, true, noop, store.Excessive, link.Lost},
	{"go-aheads", "", "NOOP", func(int) string { return "+ go on\r\n" }, true, noop, store.Excessive, link.Lost},
	{"empty lines", "", "NOOP", func(int) string { return "\r\n" }, true, noop, store.Excessive, link.Lost},
	{"answers to what was not asked", "", "NOOP", func(n int) string { return fmt.Sprintf("X%d OK\r\n", n) }, true, noop, store.Excessive, link.Lost},
	{"what makes no sense", "", "NOOP", func(int) string { return "* LIST \"\r\n" }, true, noop, store.Excessive, link.Lost},
	{"a line without end", "", "NOOP", func(int) string { return "* XYZZY " + longWord }, true, noop, store.Lost, link.Lost},
	{"nested lists", "", "UID FETCH", func(int) string {
		return "* 1 FETCH (X " + strings.Repeat("(", 1000) + strings.Repeat(")", 1000) + ")\r\n"
	}, true, list, store.Excessive, link.Lost},
}

// downwards are numbers that take their place at the beginning of a set.
var downwards = func() string {
	var b strings.Builder
	for n := 1_000_000; n > 0; n -= 2 {
		fmt.Fprintf(&b, "%d ", n)
	}
	return b.String()
}()

func numberedWords(from, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d ", from*n+i)
	}
	return b.String()
}

func search(ctx context.Context, s *Session) error {
	_, err := s.Searcher.Search(ctx, "ALL")
	return err
}

func noop(ctx context.Context, s *Session) error { return s.Alive(ctx) }

// serve plays the server to one connection, and returns how much of the answer was taken.
func (f *flood) serve(nc net.Conn) (sent int) {
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(2 * time.Minute))
	r, w := bufio.NewReader(nc), bufio.NewWriterSize(nc, 1<<20)
	fmt.Fprintf(w, "* OK [CAPABILITY IMAP4rev1 %s] hello\r\n", f.caps)
	for w.Flush() == nil {
		line, err := r.ReadString('\n')
		if err != nil {
			return sent
		}
		tag, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if f.when == "EXAMINE" || !strings.HasPrefix(rest, "EXAMINE") {
			if strings.HasPrefix(rest, f.when) {
				sent += f.answer(w)
			}
		} else {
			fmt.Fprintf(w, "* 9 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n")
		}
		fmt.Fprintf(w, "%s OK [CAPABILITY IMAP4rev1 %s] done\r\n", tag, f.caps)
	}
	return sent
}

func (f *flood) answer(w *bufio.Writer) (sent int) {
	for n := 0; sent < floodMost; n++ {
		k, err := w.WriteString(f.line(n))
		if sent += k; err != nil || !f.again {
			return sent
		}
	}
	return sent
}

// cpuTime is what this process has used so far, the servers among it: unlike the time of day
// it doesn't depend on what else goes on.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak watches how much the heap holds at most, beyond what it holds now.
func peak(t *testing.T) (most func() uint64) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	debug.FreeOSMemory()
	held := func() uint64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before, top := held(), uint64(0)
	done := make(chan struct{})
	var g sync.WaitGroup
	g.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			top = max(top, held())
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	stop := sync.OnceFunc(func() { close(done); g.Wait() })
	t.Cleanup(stop)
	return func() uint64 { stop(); return max(top, before) - before }
}

// TestFloods: whatever a server sends in an answer, and however much, costs a bounded time
// and memory, and if it is too much the error says so in a sentence.
func TestFloods(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	for i := range floods {
		f := &floods[i]
		t.Run(f.name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			sent := make(chan int, 1)
			go func() {
				nc, err := ln.Accept()
				if err != nil {
					sent <- 0
					return
				}
				sent <- f.serve(nc)
			}()
			addr := ln.Addr().(*net.TCPAddr)
			log := &countedLog{}
			s, err := Dial(t.Context(), config.Server{Security: config.Insecure, Host: addr.IP.String(), Port: addr.Port},
				link.Options{Stall: time.Minute, Quirks: proven(), Log: zerolog.New(log)})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Login(t.Context(), ann); err != nil {
				t.Fatal(err)
			}
			began, most := cpuTime(), peak(t)
			err = f.ask(t.Context(), s)
			took, held := cpuTime()-began, most()
			s.Close()
			octets := <-sent
			t.Logf("%d octets in %v, %d MB held: %v", octets, took.Round(time.Millisecond), held>>20, err)
			f.check(t, err)
			if took > time.Minute || held > 300<<20 || octets >= floodMost || log.octets > 1<<20 {
				t.Errorf("%v and %d MB for %d octets; %d octets for the log", took, held>>20, octets, log.octets)
			}
		})
	}
}

func (f *flood) check(t *testing.T, err error) {
	t.Helper()
	e, _ := errors.AsType[*link.Error](err)
	switch {
	case err == nil && f.want == "":
	case err == nil, e == nil, f.want == "", e.Kind() != f.want, f.class != 0 && e.Class != f.class:
		t.Errorf("%v; want %q, %v", err, f.want, f.class)
	case f.want == store.Excessive && !strings.Contains(e.Summary().String(), "more than any mail server has to tell"):
		t.Error(e.Summary())
	case e != nil && programWord.MatchString(e.Summary().String()):
		t.Errorf("this is no sentence for people: %s", e.Summary())
	}
}

// programWord is a name of the program's parts, which people are not told.
var programWord = regexp.MustCompile(`[a-z]\.[a-z]`)

// countedLog counts what is logged.
type countedLog struct{ octets int }

func (l *countedLog) Write(p []byte) (int, error) {
	l.octets += len(p)
	return len(p), nil
}

// TestPOP3Floods is TestFloods for POP3.
func TestPOP3Floods(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	const start = "S: +OK hello\nC: CAPA\nS: -ERR\nC: USER ann\nS: +OK\nC: PASS hush-0f-ann\nS: +OK\nC: STAT\n"
	for _, tt := range []struct {
		name, talk string
		line       func(n int) string
	}{
		{"LIST", start + "S: +OK 3 9\nC: LIST\nS: +OK\n", func(n int) string { return fmt.Sprintf("%d 5\r\n", n+1) }},
		{"UIDL", start + "S: +OK 3 9\nC: LIST\nS: +OK\nS: 1 1\nS: 2 2\nS: 3 3\nS: .\nC: UIDL\nS: +OK\n", func(n int) string { return fmt.Sprintf("%d %s\r\n", n%3+1, longWord[:2000]) }},
		{"UIDL with long ids", start + "S: +OK 500000 9\nC: LIST\nS: +OK\nS: 1 1\nS: 2 2\nS: 3 3\nS: .\nC: UIDL\nS: +OK\n", func(n int) string { return fmt.Sprintf("%d %s\r\n", n%3+1, longWord[:2000]) }},
		{"STAT", start + "S: +OK 2147483647 9\n", func(int) string { return "x\r\n" }},
		{"CAPA", "S: +OK hello\nC: CAPA\nS: +OK\n", func(n int) string { return fmt.Sprintf("X%d\r\n", n) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server, sent := floodBehind(t, tt.talk, tt.line)
			began, most := cpuTime(), peak(t)
			err := listAll(t.Context(), server)
			took, held := cpuTime()-began, most()
			octets := <-sent
			t.Logf("%d octets in %v, %d MB held: %v", octets, took.Round(time.Millisecond), held>>20, err)
			e, _ := errors.AsType[*link.Error](err)
			if e == nil || e.Kind() != store.Excessive || !strings.Contains(e.Summary().String(), "more than any mail server") || took > time.Minute || held > 300<<20 || octets >= floodMost {
				t.Errorf("%v after %v and %d octets, with %d MB", err, took, octets, held>>20)
			}
		})
	}
}

func listAll(ctx context.Context, server config.Server) error {
	s, err := pop3.Dial(ctx, server, link.Options{Stall: time.Minute, Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Login(ctx, ann); err != nil {
		return err
	}
	_, _, err = s.List(ctx)
	return err
}

// floodBehind plays a conversation and then says lines without end.
func floodBehind(t *testing.T, talk string, line func(n int) string) (config.Server, <-chan int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	sent, sc := make(chan int, 1), transcript.Parse(t, talk)
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			sent <- 0
			return
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(2 * time.Minute))
		r, w := bufio.NewReader(nc), bufio.NewWriterSize(nc, 1<<20)
		for _, st := range sc.Steps {
			if st.Send {
				w.WriteString(st.Data)
			} else if w.Flush(); true {
				r.ReadString('\n')
			}
		}
		total := 0
		for n := 0; total < floodMost; n++ {
			k, err := w.WriteString(line(n))
			if total += k; err != nil {
				break
			}
		}
		sent <- total
	}()
	addr := ln.Addr().(*net.TCPAddr)
	return config.Server{Security: config.Insecure, Host: addr.IP.String(), Port: addr.Port, Protocol: config.POP3}, sent
}
