package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/upstream/link"
)

func TestLargeBodyBeforeItsUID(t *testing.T) {
	large := strings.Repeat("x", maxEarly+1)
	s := scripted(t, fmt.Sprintf(`@
C: P2 UID FETCH 1:9 (UID BODY.PEEK[])
S| "* 1 FETCH (BODY[] {%[1]d}\r\n%[2]s UID 4)\r\n* 2 FETCH (BODY[] {1}\r\ny UID 5)\r\n"
S: P2 OK
C: P3 UID FETCH 4 (UID BODY.PEEK[])
S| "* 1 FETCH (BODY[] {%[1]d}\r\n%[2]s UID 4)\r\n"
S: P3 OK
`, len(large), large))
	got := map[imap.UID]int64{}
	err := s.Fetcher.Bodies(context.Background(), uids(1, 9), func(uid imap.UID, size int64, r io.Reader) error {
		got[uid] = size
		n, err := io.Copy(io.Discard, r)
		if n != size {
			return fmt.Errorf("%d of %d: %w", n, size, err)
		}
		return err
	})
	if err != nil || got[4] != int64(len(large)) || got[5] != 1 {
		t.Fatalf("%v %v", got, err)
	}
}

func TestErrorOfTheCallerLeavesTheSession(t *testing.T) {
	s := scripted(t, `@
C: P2 UID FETCH 1:9 (UID BODY.PEEK[])
S| "* 1 FETCH (UID 1 BODY[] {5}\r\nabcde)\r\n* 2 FETCH (UID 2 BODY[] {5}\r\nabcde)\r\n"
S: P2 OK
C: P3 NOOP
S: P3 OK
`)
	calls, stop := 0, errors.New("enough")
	err := s.Fetcher.Bodies(context.Background(), uids(1, 9), func(_ imap.UID, _ int64, r io.Reader) error {
		calls++
		r.Read(make([]byte, 2))
		return stop
	})
	if err != stop || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if err := s.Alive(context.Background()); err != nil {
		t.Error(err)
	}
}

// The last message is asked for where a server doesn't tell UIDNEXT (Courier).
func TestLastMessageIsTold(t *testing.T) {
	s := scripted(t, `@
C: P2 UID FETCH * (UID FLAGS)
S: * 7 FETCH (UID 12 FLAGS (\Seen))
S: P2 OK
`)
	var got []imap.UID
	err := s.Fetcher.ListFlags(context.Background(), imap.UIDSet{imap.UIDRange{}}, func(m Message) error {
		got = append(got, m.UID)
		return nil
	})
	if err != nil || !slices.Equal(got, []imap.UID{12}) {
		t.Errorf("told of %v, %v", got, err)
	}
}

func TestLongSetsAreCut(t *testing.T) {
	var set imap.UIDSet
	for uid := imap.UID(1000000); uid < 1010000; uid += 2 {
		set.AddNum(uid)
	}
	sets := splitSet(set)
	var again imap.UIDSet
	for _, part := range sets {
		if n := len(part.String()); n > maxSet {
			t.Errorf("%d octets", n)
		}
		again.AddSet(part)
	}
	if len(sets) < 5 || again.String() != set.String() {
		t.Errorf("%d sets", len(sets))
	}
	if got := splitSet(nil); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestDovecotLongSet(t *testing.T) {
	d := startDovecot(t)
	d.Append("ann", "INBOX", lab.Generate(2, 3, 512)...)
	s := dialDovecot(t, d.Insecure(), ann)
	ctx := context.Background()
	if _, err := s.Opener.Examine(ctx, "INBOX"); err != nil {
		t.Fatal(err)
	}
	var set imap.UIDSet
	for uid := imap.UID(1); uid < 20000; uid += 2 {
		set.AddNum(uid)
	}
	n := 0
	if err := s.Fetcher.ListMessages(ctx, set, 0, func(Message) error { n++; return nil }); err != nil || n != 2 {
		t.Fatalf("%d %v", n, err)
	}
}

// feed is a session that reads in and writes nowhere.
func feed(in []byte) *Session {
	ours, theirs := net.Pipe()
	theirs.Close()
	ours.Close()
	s := newSession(ours, config.Server{Host: "x"}, link.Options{Log: zerolog.Nop()})
	s.conn.link.Reader.Reset(bytes.NewReader(in))
	s.conn.encode()
	return s
}

func FuzzFetch(f *testing.F) {
	f.Add([]byte("* 1 FETCH (UID 1 FLAGS (\\Seen) INTERNALDATE \" 3-Feb-2024 04:05:06 +0100\" RFC822.SIZE 5)\r\nP1 OK\r\n"))
	f.Add([]byte("* 1 FETCH (BODY[] {3}\r\nabc UID 2)\r\n* 1 EXPUNGE\r\n* BYE\r\nP1 NO [X] y\r\n"))
	f.Add([]byte("* 1 FETCH (UID 1 BODY[HEADER.FIELDS (DATE)] \"x\" MODSEQ (5))\nP1 BAD {5}\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		ctx := context.Background()
		run := func(act func(s *Session)) {
			s := feed(in)
			s.conn.link.Writer.Reset(io.Discard)
			act(s)
		}
		run(func(s *Session) {
			s.Fetcher.ListMessages(ctx, uids(1, 9), 0, func(m Message) error {
				if m.UID == 0 || m.UID > 9 || m.Size < -1 {
					t.Fatalf("%+v", m)
				}
				return nil
			})
		})
		run(func(s *Session) {
			s.Fetcher.Headers(ctx, uids(1, 9), func(_ Message, header []byte) error {
				if len(header) > maxHeader {
					t.Fatal(len(header))
				}
				return nil
			})
		})
		run(func(s *Session) {
			seen := map[imap.UID]bool{}
			s.Fetcher.Bodies(ctx, uids(1, 9), func(uid imap.UID, size int64, r io.Reader) error {
				if seen[uid] || size < 0 {
					t.Fatalf("%d %d", uid, size)
				}
				seen[uid] = true
				if n, err := io.Copy(io.Discard, r); (err == nil) != (n == size) {
					t.Fatalf("%d of %d octets, %v", n, size, err)
				}
				return nil
			})
		})
	})
}

func FuzzResponses(f *testing.F) {
	f.Add([]byte("* LIST (\\Sent) \"/\" {3}\r\nabc\r\n* STATUS abc (MESSAGES 1)\r\nP1 OK\r\n"))
	f.Add([]byte("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n* OK [PERMANENTFLAGS (\\*)] x\r\nP1 OK\r\n"))
	f.Add([]byte("* QUOTAROOT INBOX a\r\n* QUOTA a (STORAGE 1 2)\r\nP1 OK\r\n"))
	f.Add([]byte("* SEARCH 1 2 (MODSEQ 3)\r\n* ESEARCH (TAG \"P1\") UID ALL 1:3\r\nP1 OK [APPENDUID 1 2:3]\r\n"))
	f.Add([]byte("* STATUS INBOX (APPENDLIMIT NIL SIZE 3)\r\n+ go on\r\nP1 BAD x\r\nP2 OK\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		ctx := context.Background()
		for _, caps := range []string{"", "NAMESPACE LIST-EXTENDED LIST-STATUS CONDSTORE APPENDLIMIT STATUS=SIZE IDLE MULTIAPPEND LITERAL+ QUOTA"} {
			for _, act := range []func(s *Session){
				func(s *Session) { s.Tree.Folders(ctx, true) },
				func(s *Session) { s.Tree.Status(ctx, []string{"abc", "INBOX"}) },
				func(s *Session) { s.Opener.Examine(ctx, "x") },
				func(s *Session) { s.Searcher.Search(ctx, "ALL") },
				func(s *Session) { s.Tree.Quotas(ctx, "INBOX") },
				func(s *Session) { s.Maker.Create(ctx, "x", "\\Sent") },
				func(s *Session) { s.Maker.Subscribe(ctx, []string{"x", "y"}) },
				func(s *Session) { s.Changer.StoreFlags(ctx, []FlagChange{{UID: 1, Add: flags("$x")}}) },
				func(s *Session) { s.Watcher.Idle(ctx, time.Millisecond) },
				func(s *Session) { s.Fetcher.ListMessages(ctx, uids(1, 9), 5, func(Message) error { return nil }) },
				func(s *Session) { s.greeting() },
				func(s *Session) { s.Login(ctx, ann) },
				func(s *Session) {
					if call, err := s.Appender.SendAppend(ctx, "x", []Append{{Size: 1, Body: strings.NewReader("x")}, {Body: strings.NewReader("")}}); err == nil {
						if results, err := call.Wait(ctx); err == nil && len(results) != 2 {
							t.Fatal(results)
						}
					}
				},
			} {
				s := feed(in)
				s.conn.link.Writer.Reset(io.Discard)
				s.conn.caps.set(caps)
				act(s)
			}
		}
	})
}
