package upstream

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// What an answer may cost at most: so many octets allocated, and so long, for each octet
// that the server sent, and for a session as such. The figures are several times what the
// worst of the seeds takes on a busy machine.
const (
	octetsEach, octetsOnce = 400, 4 << 20
	timeEach, timeOnce     = 20 * time.Microsecond, 2 * time.Second
	// grownTo is how long an answer is made by repeating it. Octets.
	grownTo = 64 << 10
)

// fuzzCost gives a session answers of a hostile server, as they are and again and again, and
// wants what they cost to stay in proportion to what was sent.
func fuzzCost(f *testing.F, ask func(ctx context.Context, s *Session) error, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed), 1)
		f.Add([]byte(seed), grownTo)
	}
	f.Fuzz(func(t *testing.T, answer []byte, times int) {
		if len(answer) == 0 || len(answer) > grownTo {
			return
		}
		times = min(max(times, 1), grownTo/len(answer))
		in := append(bytes.Repeat(answer, times), "\r\nP1 OK\r\nP2 OK\r\nP3 OK\r\nP4 OK\r\nP5 OK\r\n"...)
		s := feed(in)
		s.w.Reset(io.Discard)
		s.caps.set("NAMESPACE LIST-EXTENDED LIST-STATUS CONDSTORE STATUS=SIZE SPECIAL-USE")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		_ = ask(t.Context(), s) // nonsense is an error, or isn't: what it costs is the matter here
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > octetsOnce+octetsEach*uint64(len(in)) {
			t.Errorf("%d octets allocated for an answer of %d", used, len(in))
		}
		if took > timeOnce+timeEach*time.Duration(len(in)) {
			t.Errorf("%v for an answer of %d octets", took, len(in))
		}
	})
}

func FuzzListCost(f *testing.F) {
	fuzzCost(f, func(ctx context.Context, s *Session) error { _, _, err := s.Folders(ctx, true); return err },
		"* LIST (\\HasNoChildren) \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)\r\n",
		"* LIST (\\A \\B \\C \\D \\E) \"/\" {5}\r\na/b/c (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n",
		"* LIST () \"/\" \"&&&&&&&&&&&&&-\"\r\n", "* LSUB () NIL a/a/a/a/a/a/a/a\r\n", "* LIST ((((((((((\r\n", "* OK [ALERT] x\r\n* NO y\r\n")
}

func FuzzFetchCost(f *testing.F) {
	fuzzCost(f, func(ctx context.Context, s *Session) error {
		err := s.ListMessages(ctx, uids(1, 9), 0, func(Message) error { return nil })
		if err == nil {
			err = s.Bodies(ctx, uids(1, 9), func(_ imap.UID, _ int64, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err })
		}
		return err
	},
		"* 1 FETCH (UID 1 FLAGS (\\Seen $a) INTERNALDATE \" 1-Jan-2020 00:00:00 +0000\" RFC822.SIZE 5)\r\n",
		"* 1 FETCH (UID 1 BODY[] {3}\r\nabc FLAGS ())\r\n", "* 1 FETCH (BODY[] {3}\r\nabc)\r\n", "* 2 FETCH (FLAGS (a b c d e f g))\r\n",
		"* 1 FETCH (UID 1 UID 2 X-GM-LABELS ((((()))))\r\n", "* 1 EXPUNGE\r\n* 4294967295 EXISTS\r\n", "* VANISHED 1:4294967295\r\n")
}

func FuzzStatusCost(f *testing.F) {
	fuzzCost(f, func(ctx context.Context, s *Session) error {
		_, err := s.Status(ctx, []string{"INBOX", "a"})
		return err
	},
		"* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3 HIGHESTMODSEQ 4 SIZE 5)\r\n", "* STATUS {1}\r\na (X (1 2 3) Y \"z\")\r\n",
		"* STATUS a (MESSAGES -1)\r\n", "* STATUS \"a\\\"b\" (((((\r\n", "* CAPABILITY A B C D E F\r\n")
}

func FuzzNamespaceCost(f *testing.F) {
	fuzzCost(f, func(ctx context.Context, s *Session) error {
		_, _, err := s.Folders(ctx, false)
		if err == nil {
			_, err = s.Quotas(ctx, "INBOX")
		}
		return err
	},
		"* NAMESPACE ((\"\" \"/\")) ((\"~\" \"/\" \"X\" (\"a\" \"b\"))) NIL\r\n", "* NAMESPACE ((((((((((\r\n",
		"* NAMESPACE ((\"a\" \"/\")(\"b\" \"/\")(\"c\" \"/\")) NIL NIL\r\n", "* QUOTAROOT INBOX a b c d\r\n* QUOTA a (STORAGE 1 2 MESSAGE 3 4)\r\n")
}
