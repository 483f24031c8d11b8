package link

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"
)

// tracePrefix is when a line was written, and in which session.
var tracePrefix = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z 1 h:143 ann a `)

// traced plays both directions of a session into a trace and returns what is
// written, without the times. Lines of talk begin with "C|" or "S|"; cut says
// how many octets one call passes.
func traced(talk []string, cut func() int) string {
	var out bytes.Buffer
	tracer := NewTracer(&out, zerolog.Nop())
	trace := tracer.Session("ann a")
	trace.server = "h:143"
	var buf bytes.Buffer
	c := &tracedConn{ReadWriter: &buf, trace: trace}
	for _, t := range talk {
		for data := t[2:]; data != ""; {
			n := min(cut(), len(data))
			piece := []byte(data[:n])
			data = data[n:]
			if t[0] == 'C' {
				c.Write(piece)
				buf.Reset()
				continue
			}
			buf.Write(piece)
			c.Read(make([]byte, len(piece)))
		}
	}
	return tracePrefix.ReplaceAllString(out.String(), "")
}

var traceTalk = []struct{ name, talk, want string }{
	{"login", "S|* OK [CAPABILITY IMAP4rev1] ready {5}\r\nC|P1 AUTHENTICATE PLAIN AGFubgBzZWNyZXQ=\r\nS|P1 NO [AUTHENTICATIONFAILED] secret is wrong\r\n" +
		"C|P2 LOGIN ann {6}\r\nS|+ go on, secret\r\nC|secret\r\nS|* CAPABILITY IMAP4rev1 ID\r\nS|* OK secret\r\nS|* 5 secret\r\nS|P2 OK [CAPABILITY IMAP4rev1 ID] secret in\r\nC|P3 NOOP\r\nS|P3 OK done\r\n",
		`S: * OK [CAPABILITY IMAP4rev1] ready {5}
C: P1 AUTHENTICATE [secret]
S: P1 NO [AUTHENTICATIONFAILED] [masked]
C: P2 LOGIN [secret]
S: + [masked]
C: [secret]
S: * CAPABILITY IMAP4rev1 ID
S: * OK [masked]
S: [12 octets that are no response]
S: P2 OK [CAPABILITY IMAP4rev1 ID] [masked]
C: P3 NOOP
S: P3 OK done
`},
	{"append", "C|P1 APPEND \"INBOX\" (\\Seen) {9+}\r\nprivate\r\n (\\Draft) {3+}\r\nabc\r\nS|P1 OK [APPENDUID 1 2:3] done\r\n",
		`C: P1 APPEND "INBOX" (\Seen) {9 octets}
C:  (\Draft) {3 octets}
C: 
S: P1 OK [APPENDUID 1 2:3] done
`},
	{"fetch", "S|* 1 FETCH (UID 5 FLAGS (\\Seen $Work) INTERNALDATE \"01-Jan-2020 00:00:00 +0000\" BODY[] {7}\r\nprivate FLAGS (\\Seen) UID 9)\r\n" +
		"S|* 2 FETCH (UID 6 BODY[HEADER.FIELDS (MESSAGE-ID DATE)] \"private \\\" words\" BODY[] NIL RFC822 private)\r\n" +
		"S|* 3 FETCH (BODY[] \"private\r\nprivate\r\n\r\nS|* 4 EXISTS\r\n",
		`S: * 1 FETCH (UID 5 FLAGS (\Seen $Work) INTERNALDATE "01-Jan-2020 00:00:00 +0000" BODY[] {7 octets}
S:  FLAGS (\Seen) UID 9)
S: * 2 FETCH (UID 6 BODY[HEADER.FIELDS (MESSAGE-ID DATE)] [16 octets] BODY[] NIL RFC822 [masked])
S: * 3 FETCH (BODY[] [6 octets]
S: [9 octets that are no response]
S: [2 octets that are no response]
S: * 4 EXISTS
`},
	{"more than announced", "S|* 1 FETCH (UID 5 BODY[] {3}\r\nabcprivate words\r\n* private point\r\n+ private\r\nprivate\r\n)\r\nS|* SEARCH 1 2\r\n",
		`S: [masked] [masked]
S: [17 octets that are no response]
S: + [masked]
S: [9 octets that are no response]
S: [3 octets that are no response]
S: * SEARCH 1 2
`},
	{"long lines and odd octets", "C|P1 UID FETCH " + strings.Repeat("1,", 3000) + "2 (UID)\r\nS|* LIST () \"/\" {3}\r\na\x1bb\r\nS|P1 BAD \x1b[31m\xff\r\n",
		"C: P1 UID FETCH " + strings.Repeat("1,", 3000)[:maxTraced-13] + `... (6022 octets)
S: * LIST () "/" {3 octets}
S: 
S: P1 BAD ?[31m?
`},
}

func TestTrace(t *testing.T) {
	for _, tt := range traceTalk {
		t.Run(tt.name, func(t *testing.T) {
			got := traced(talkOf(tt.talk), func() int { return 1 << 20 })
			if tt.name == "more than announced" {
				_, got, _ = strings.Cut(got, "\n")
			}
			if got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// talkOf cuts a conversation into the parts of both sides.
func talkOf(s string) (talk []string) {
	for _, part := range strings.SplitAfter(s, "\r\n") {
		switch {
		case strings.HasPrefix(part, "C|"), strings.HasPrefix(part, "S|"):
			talk = append(talk, part)
		case part != "":
			talk[len(talk)-1] += part
		}
	}
	return talk
}

// TestTraceHidesInAnyPieces: however a connection cuts what passes, the trace
// is the same and shows no secret.
func TestTraceHidesInAnyPieces(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tt := rapid.SampledFrom(traceTalk).Draw(rt, "talk")
		whole := traced(talkOf(tt.talk), func() int { return 1 << 20 })
		got := traced(talkOf(tt.talk), func() int { return rapid.IntRange(1, 40).Draw(rt, "piece") })
		if got != whole {
			rt.Fatalf("in pieces\n%s\nin one\n%s", got, whole)
		}
		for _, bad := range []string{"private", "is wrong", "go on", "AGFubg"} {
			if strings.Contains(got, bad) {
				rt.Fatalf("shows %q:\n%s", bad, got)
			}
		}
	})
}

// FuzzTraceRead: nothing a server sends breaks the trace, and what a literal
// or a login holds is not in it.
func FuzzTraceRead(f *testing.F) {
	for _, tt := range traceTalk {
		f.Add(tt.talk)
	}
	f.Fuzz(func(t *testing.T, data string) {
		secret := "S3CR3T"
		if strings.Contains(data, secret) {
			return
		}
		talk := []string{"S|* OK hi\r\n", "C|P1 LOGIN a " + secret + "\r\n", "S|P1 OK\r\n",
			fmt.Sprintf("S|* 1 FETCH (BODY[] {%d}\r\n%s)\r\n", len(secret), secret), "S|" + data}
		got := traced(talk, func() int { return 64 })
		if strings.Contains(got, secret) {
			t.Errorf("shown:\n%s", got)
		}
		for line := range strings.Lines(got) {
			if len(line) > 3*maxTraced || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\n\x00\x1b") {
				t.Errorf("a line of %d octets: %.100q", len(line), line)
			}
		}
	})
}

type fullDisk struct{ writes int }

func (d *fullDisk) Write([]byte) (int, error) {
	d.writes++
	return 0, errors.New("no space left on device")
}

// TestTraceDiskFull: told once, and then left alone.
func TestTraceDiskFull(t *testing.T) {
	var log bytes.Buffer
	disk := &fullDisk{}
	tracer := NewTracer(disk, zerolog.New(&log))
	trace := tracer.Session("ann")
	trace.line('C', "one")
	trace.line('C', "two")
	if disk.writes != 1 || strings.Count(log.String(), "no space left") != 1 {
		t.Errorf("%d writes; %s", disk.writes, &log)
	}
}
