package upstream

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// What an answer may cost at most: so many octets allocated, and so much work, for each octet
// that the server sent, and for a session as such. The figures are several times what the
// worst of the seeds takes.
const (
	octetsEach, octetsOnce = 400, 4 << 20
	workEach, workOnce     = time.Microsecond, 500 * time.Millisecond
	// grows is how much shorter the answer is that its work is compared with. Work in
	// proportion to the length grows as much, work in proportion to its square grows grows
	// times that; between the two is what is allowed. So little work is not compared:
	grows, growsMost = 8, 20
	workLeast        = 25 * time.Millisecond
)

// numberHere stands for a number in an answer that is another one each time it is repeated.
const numberHere = '#'

// grown repeats an answer up to a size. The numbers in it go up in steps; with a step
// of 0 they are all the same.
func grown(answer []byte, size int, step uint32) []byte {
	var all []byte
	for n := uint32(1); len(all) == 0 || len(all)+len(answer) <= size; n += step {
		all = append(all, bytes.ReplaceAll(answer, []byte{numberHere}, strconv.AppendUint(nil, uint64(max(n, 1)), 10))...)
	}
	return all
}

// question asks a server something and listens to the answer.
type question func(ctx context.Context, s *Session) error

// fuzzCost gives a session answers of a hostile server to one of some questions, as they are
// and again and again, and wants what they cost to stay in proportion to what was sent.
func fuzzCost(f *testing.F, questions []question, seeds ...string) {
	for i := range questions {
		for _, seed := range seeds {
			f.Add([]byte(seed), uint32(1), uint32(1), uint8(i))
			f.Add([]byte(seed), uint32(grownTo), uint32(1), uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, answer []byte, size, step uint32, which uint8) {
		if len(answer) == 0 || len(answer) > grownTo/grows {
			return
		}
		size = 1 + (size-1)%grownTo
		in, ask := grown(answer, int(size), step), questions[int(which)%len(questions)]
		used, work := costOf(t, in, ask)
		if used > octetsOnce+octetsEach*uint64(len(in)) {
			t.Errorf("%d octets allocated for an answer of %d", used, len(in))
		}
		if work > workOnce+workEach*time.Duration(len(in)) {
			t.Errorf("%v of work for an answer of %d octets", work, len(in))
		}
		if size > grownTo/2 && work > workLeast {
			checkGrowth(t, answer, int(size), step, ask)
		}
	})
}

// checkGrowth compares the work for a long answer with that for a short one. Where it has
// grown too much, it was disturbed unless that happens each time.
func checkGrowth(t *testing.T, answer []byte, size int, step uint32, ask question) {
	t.Helper()
	short, long := grown(answer, size/grows, step), grown(answer, size, step)
	if len(long) < grows/2*len(short) {
		return // hardly repeated at all
	}
	var few, many time.Duration
	for range 3 {
		_, few = costOf(t, short, ask)
		if _, many = costOf(t, long, ask); many <= growsMost*few {
			return
		}
	}
	t.Errorf("%v of work for an answer of %d octets, and %v for one of %d", few, len(short), many, len(long))
}

// costOf is what it takes to listen to an answer: octets allocated, and work.
func costOf(t *testing.T, answer []byte, ask question) (octets uint64, work time.Duration) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	in := append(slices.Clip(answer), "\r\nP1 OK\r\nP2 OK\r\nP3 OK\r\nP4 OK\r\nP5 OK\r\n"...)
	s := feed(in)
	s.conn.bounds.most = grownTo // a large folder is open
	s.conn.link.Writer.Reset(io.Discard)
	s.conn.caps.set("QUOTA NAMESPACE LIST-EXTENDED LIST-STATUS CONDSTORE STATUS=SIZE SPECIAL-USE")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := threadTime(t)
	_ = ask(t.Context(), s) // nonsense is an error, or isn't: what it costs is the matter here
	work = threadTime(t) - began
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, work
}

func FuzzListCost(f *testing.F) {
	fuzzCost(f, []question{func(ctx context.Context, s *Session) error { _, _, err := s.Tree.Folders(ctx, true); return err }},
		"* LIST (\\HasNoChildren) \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)\r\n",
		"* LIST (\\A \\B \\C \\D \\E) \"/\" {5}\r\na/b/c (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n",
		"* LIST () \"/\" \"&&&&&&&&&&&&&-\"\r\n", "* LSUB () NIL a/a/a/a/a/a/a/a\r\n", "* LIST ((((((((((\r\n", "* OK [ALERT] x\r\n* NO y\r\n",
		"* LIST () \"/\" f#\r\n", "* LIST () \"/\" a/f#\r\n* STATUS a/f# (MESSAGES # UIDNEXT # UIDVALIDITY 3)\r\n",
		"* STATUS a/f# (MESSAGES # UIDNEXT # UIDVALIDITY 3)\r\n", "* LIST (\\Subscribed \\a#) NIL {3}\r\na#b\r\n", "* LSUB () \"/\" f#\r\n", "f#/")
}

func FuzzFetchCost(f *testing.F) {
	all, line := uids(1, grownTo), func(Message) error { return nil }
	fuzzCost(f, []question{
		func(ctx context.Context, s *Session) error { return s.Fetcher.ListMessages(ctx, all, 0, line) },
		func(ctx context.Context, s *Session) error { return s.Fetcher.ListFlags(ctx, all, line) },
		func(ctx context.Context, s *Session) error {
			return s.Fetcher.Headers(ctx, all, func(Message, []byte) error { return nil })
		},
		func(ctx context.Context, s *Session) error {
			return s.Fetcher.Bodies(ctx, all, func(_ imap.UID, _ int64, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err })
		},
	},
		"* 1 FETCH (UID 1 FLAGS (\\Seen $a) INTERNALDATE \" 1-Jan-2020 00:00:00 +0000\" RFC822.SIZE 5)\r\n",
		"* 1 FETCH (UID 1 BODY[] {3}\r\nabc FLAGS ())\r\n", "* 1 FETCH (BODY[] {3}\r\nabc)\r\n", "* 2 FETCH (FLAGS (a b c d e f g))\r\n",
		"* 1 FETCH (UID 1 UID 2 X-GM-LABELS ((((()))))\r\n", "* 1 EXPUNGE\r\n* 4294967295 EXISTS\r\n", "* VANISHED 1:4294967295\r\n",
		"* # FETCH (UID # FLAGS (\\Seen k#) INTERNALDATE \" 1-Jan-2020 00:00:00 +0000\" RFC822.SIZE #)\r\n", "* # FETCH (UID # FLAGS (k#))\r\n* # EXPUNGE\r\n", "* # FETCH (UID # FLAGS ())\r\n",
		"* # FETCH (UID # RFC822.SIZE 1 BODY[HEADER.FIELDS (DATE)] {0}\r\n)\r\n", "* # FETCH (UID # BODY[] \"a\")\r\n* # FETCH (FLAGS ())\r\n",
		"* # FETCH (UID # BODY[] {3}\r\nabc)\r\n", "* # FETCH (BODY[] {3}\r\nabc UID #)\r\n", "* VANISHED #\r\n* # EXISTS\r\n")
}

func FuzzStatusCost(f *testing.F) {
	fuzzCost(f, []question{func(ctx context.Context, s *Session) error {
		_, err := s.Tree.Status(ctx, []string{"INBOX", "a", "f1", "f2"})
		return err
	}},
		"* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3 HIGHESTMODSEQ 4 SIZE 5)\r\n", "* STATUS {1}\r\na (X (1 2 3) Y \"z\")\r\n",
		"* STATUS a (MESSAGES -1)\r\n", "* STATUS f# (MESSAGES # UIDNEXT #)\r\n", "* STATUS a (MESSAGES # X# #)\r\n", "* CAPABILITY A# B#\r\n", "* STATUS \"a\\\"b\" (((((\r\n", "* CAPABILITY A B C D E F\r\n")
}

func FuzzNamespaceCost(f *testing.F) {
	fuzzCost(f, []question{
		func(ctx context.Context, s *Session) error { _, _, err := s.Tree.Folders(ctx, false); return err },
		func(ctx context.Context, s *Session) error { _, err := s.Tree.Quotas(ctx, "INBOX"); return err },
	},
		"* NAMESPACE ((\"\" \"/\")) ((\"~\" \"/\" \"X\" (\"a\" \"b\"))) NIL\r\n", "* NAMESPACE ((((((((((\r\n",
		"* NAMESPACE ((\"a\" \"/\")(\"b\" \"/\")(\"c\" \"/\")) NIL NIL\r\n", "* QUOTAROOT INBOX a# b#\r\n* QUOTA a# (STORAGE # 2)\r\n", "* NAMESPACE ((\"a#\" \"/\")) NIL NIL\r\n", "* QUOTAROOT INBOX a b c d\r\n* QUOTA a (STORAGE 1 2 MESSAGE 3 4)\r\n")
}
