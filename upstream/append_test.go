package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
)

// withheld is a server that takes whatever comes and hangs.
func withheld(t *testing.T, caps string) *Session {
	t.Helper()
	s, err := Dial(context.Background(), hangingServer(t, "* OK [CAPABILITY IMAP4rev1 "+caps+"] hello\r\n"), testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestAppendLeavesExaminedFolder: Courier takes nothing for a folder that is open read-only.
func TestAppendLeavesExaminedFolder(t *testing.T) {
	for caps, verb := range map[string]string{"LITERAL+": "CLOSE", "LITERAL+ UNSELECT": "UNSELECT"} {
		s := scripted(t, "@ "+caps+`
C: P2 EXAMINE "a"
S: * 1 EXISTS
S: P2 OK [READ-ONLY] done
C: P3 `+verb+`
C| "P4 APPEND \"a\" {1+}\r\nx\r\n"
C| "P5 APPEND \"a\" {1+}\r\ny\r\n"
S: P3 OK
S: P4 OK
S: P5 OK
`)
		s.conn.learnt(&link.Quirks{})
		s.conn.opt.Quirks.Prove(imap.CapLiteralPlus)
		if _, err := s.Opener.Examine(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{"x", "y"} {
			call, err := s.Appender.SendAppend(t.Context(), "a", []Append{{Size: 1, Body: strings.NewReader(body)}})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if results, err := call.Wait(t.Context()); err != nil || results[0].Err != nil {
					t.Errorf("%+v, %v", results, err)
				}
			}()
		}
	}
}

func TestAppendNeverPads(t *testing.T) {
	cut := &link.Error{Server: "old:993", Op: "UID FETCH", Class: link.Refused, Err: io.ErrUnexpectedEOF}
	for name, tt := range map[string]struct {
		body io.Reader
		want error
	}{
		"short":   {strings.NewReader("abc"), errShort},
		"failing": {io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(cut)), cut},
	} {
		t.Run(name, func(t *testing.T) {
			s := withheld(t, "LITERAL+ MULTIAPPEND")
			batch := []Append{{Size: 5, Body: strings.NewReader("12345")}, {Size: 10, Body: tt.body}, {Size: 5, Body: strings.NewReader("12345")}}
			_, err := s.Appender.SendAppend(context.Background(), "x", batch)
			if !errors.Is(err, tt.want) || link.ClassOf(err) != link.Lost {
				t.Fatalf("got %v (%v)", err, link.ClassOf(err))
			}
			// The error of another session must not be taken for this one's.
			if e, ok := errors.AsType[*link.Error](err); !ok || e.Server == "old:993" {
				t.Errorf("got %v", err)
			}
			if err := s.Alive(context.Background()); link.ClassOf(err) != link.Lost || err == nil {
				t.Errorf("the connection lives on: %v", err)
			}
		})
	}
}

func TestAppendAsksForLargeMessages(t *testing.T) {
	body := strings.Repeat("x", SyncLiteral+1)
	s := scripted(t, fmt.Sprintf(`@ LITERAL+ MULTIAPPEND UIDPLUS
C: P2 APPEND INBOX {3+}
C| "abc"
C:  {%d}
S: P2 NO [TOOBIG] too big
C: P3 APPEND INBOX {%d}
S: + go on
C| %q
C:  {3+}
C: abc
S: P3 OK [APPENDUID 5 6:7] done
`, len(body), len(body), body))
	ctx := context.Background()
	call, err := s.Appender.SendAppend(ctx, "inbox", []Append{
		{Size: 3, Body: strings.NewReader("abc")}, {Size: int64(len(body)), Body: iotest.ErrReader(errors.New("read"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	if call.Pending() {
		t.Error("the answer has been read, but is pending")
	}
	results, err := call.Wait(ctx)
	if err != nil || len(results) != 2 || link.ClassOf(results[0].Err) != link.Refused || results[1].Err == nil {
		t.Fatalf("%+v %v", results, err)
	}
	call, err = s.Appender.SendAppend(ctx, "INBOX", []Append{
		{Size: int64(len(body)), Body: strings.NewReader(body)}, {Size: 3, Body: strings.NewReader("abc")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !call.Pending() {
		t.Error("nothing has been read, but nothing is pending")
	}
	results, err = call.Wait(ctx)
	if err != nil || results[0].UID != 6 || results[1].UID != 7 || results[1].UIDValidity != 5 {
		t.Fatalf("%+v %v", results, err)
	}
}

func TestPendingReadsWhatIsThere(t *testing.T) {
	s := scripted(t, `@ LITERAL+
C: P2 APPEND INBOX {3+}
C: abc
C: P3 APPEND INBOX {3+}
C: abc
S| "P2 OK\r\n* 1 EXISTS\r\nP3 OK\r\n"
`)
	ctx := context.Background()
	batch := func() []Append { return []Append{{Size: 3, Body: strings.NewReader("abc")}} }
	var calls []*AppendCall
	for range 2 {
		call, err := s.Appender.SendAppend(ctx, "INBOX", batch())
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, call)
	}
	if !calls[0].Pending() {
		t.Error("the first should be pending")
	}
	if results, err := calls[0].Wait(ctx); err != nil || results[0].Err != nil {
		t.Fatalf("%+v %v", results, err)
	}
	if _, err := s.conn.link.Reader.Peek(len("* 1 EXISTS\r\nP3 OK\r\n")); err != nil {
		t.Fatal(err)
	}
	if calls[1].Pending() {
		t.Error("the second should have been found in the buffer")
	}
	if results, err := calls[1].Wait(ctx); err != nil || results[0].Err != nil {
		t.Fatalf("%+v %v", results, err)
	}
}

// tries tells whether a session tries MULTIAPPEND.
func tries(q *link.Quirks) bool {
	if q.Try() != nil {
		return true
	}
	q.Tried()
	return false
}

// TestOneSessionTriesMultiappend: whether a server keeps MULTIAPPEND one session finds
// out. The others wait no longer for that than a command for each message costs.
func TestOneSessionTriesMultiappend(t *testing.T) {
	ctx := context.Background()
	q := &link.Quirks{}
	q.Prove(imap.CapLiteralPlus)
	trying := false // as the second message was sent
	batch := func() []Append {
		return []Append{{Size: 3, Body: strings.NewReader("abc")}, {Size: 3, Body: readFunc(func(p []byte) (int, error) {
			trying = tries(q)
			return copy(p, "def"), io.EOF
		})}}
	}
	send := func(s *Session) {
		t.Helper()
		s.conn.learnt(q)
		call, err := s.Appender.SendAppend(ctx, "x", batch())
		if err != nil {
			t.Fatal(err)
		}
		if results, err := call.Wait(ctx); err != nil || len(results) != 2 || results[0].Err != nil || results[1].UID != 2 {
			t.Fatalf("%+v %v", results, err)
		}
	}
	if q.Try() != nil {
		t.Fatal("another session tries")
	}
	send(scripted(t, `@ LITERAL+ MULTIAPPEND UIDPLUS
C: P2 APPEND "x" {3+}
C: abc
C: P3 APPEND "x" {3+}
C: def
S: P2 OK [APPENDUID 5 1] done
S: P3 OK [APPENDUID 5 2] done
`))
	q.Tried()
	send(scripted(t, `@ LITERAL+ MULTIAPPEND UIDPLUS
C: P2 APPEND "x" {3+}
C: abc {3}
S: + go on
C: def
S: P2 OK [APPENDUID 5 1:2] done
`))
	if !q.HasProved(imap.CapMultiAppend) || trying || tries(q) {
		t.Error("the matter is not settled")
	}
	if q.Try() != nil {
		t.Fatal("another session tries")
	}
	send(scripted(t, `@ LITERAL+ MULTIAPPEND UIDPLUS
C: P2 APPEND "x" {3+}
C: abc {3+}
C: def
S: P2 OK [APPENDUID 5 1:2] done
`))
}

func TestAppendOfNothing(t *testing.T) {
	s := scripted(t, "@ MULTIAPPEND\n")
	call, err := s.Appender.SendAppend(context.Background(), "x", nil)
	if err != nil || call.Pending() {
		t.Fatal(err)
	}
	if results, err := call.Wait(context.Background()); err != nil || len(results) != 0 {
		t.Fatalf("%v %v", results, err)
	}
	if _, err := s.Appender.SendAppend(context.Background(), "a\r\nb", []Append{{}}); !errors.Is(err, errName) {
		t.Fatal(err)
	}
}

func TestParseUIDs(t *testing.T) {
	for text, want := range map[string]string{
		"1": "[1]", "7,3:5": "[7 3 4 5]", "5:3": "[3 4 5]", "4294967295": "[4294967295]", "4294967294:4294967295": "[4294967294 4294967295]",
		"": "[]", "0": "[]", "1:*": "[]", "1:4294967295": "[]", "a": "[]", "1,,2": "[]", "1:2:3": "[]", "4294967296": "[]",
		"5,5": "[]", "3,1:3": "[]",
	} {
		n := 1 + strings.Count(want, " ")
		if got := fmt.Sprint(parseUIDs(text, n)); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
		if got := parseUIDs(text, n+1); got != nil {
			t.Errorf("%q: got %v for too few", text, got)
		}
	}
}

// readFunc is a Reader.
type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// FuzzUIDs: a set is read as so many UIDs as were asked for, or not at all.
func FuzzUIDs(f *testing.F) {
	f.Add("2:4,7", 4)
	f.Add("4:2,7", 4)
	f.Add("1:4294967295", 3)
	f.Fuzz(func(t *testing.T, text string, n int) {
		n &= 7
		if uids := parseUIDs(text, n); uids != nil && len(uids) != n {
			t.Fatal(uids)
		}
	})
}
