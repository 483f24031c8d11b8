package upstream

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
	"postferry/upstream/transcript"
)

// dialScript plays a script to a new session.
func dialScript(t testing.TB, text string) (*Session, error) {
	t.Helper()
	s, err := Dial(context.Background(), transcript.Serve(t, transcript.Parse(t, text)), testOptions(t))
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

// scripted plays a script that begins with "@" and logs in.
func scripted(t testing.TB, text string) *Session {
	t.Helper()
	s, err := dialScript(t, text)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Login(context.Background(), ann); err != nil {
		t.Fatal(err)
	}
	return s
}

// transcripts are what the client does in the conversations in
// testdata/transcripts, by the first word of their name.
var transcripts = map[string]func(ctx context.Context, s *Session, say func(string, ...any)){
	"list": func(ctx context.Context, s *Session, say func(string, ...any)) {
		_, boxes, err := s.Tree.Folders(ctx, true)
		for _, m := range boxes {
			say("%q %q %v %v", m.Name, m.Delim, m.Attrs, m.Subscribed)
			if m.Status != nil {
				say("  %+v", *m.Status)
			}
		}
		sayError(say, err)
	},
	"messages": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sayError(say, s.Fetcher.ListMessages(ctx, uids(1, 9), 0, sayMessage(say)))
		sayError(say, s.Alive(ctx))
	},
	"changed": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sayError(say, s.Fetcher.ListMessages(ctx, uids(1, 0), 17, sayMessage(say)))
	},
	"bodies": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sayError(say, s.Fetcher.Bodies(ctx, uids(1, 9), sayBody(say)))
		sayError(say, s.Alive(ctx))
	},
	"headers": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sayError(say, s.Fetcher.Headers(ctx, uids(1, 9), func(m Message, header []byte) error {
			say("%d %d %q", m.UID, m.Size, header)
			return nil
		}))
	},
	"status": func(ctx context.Context, s *Session, say func(string, ...any)) {
		names := []string{"a", "b b", "INBOX", "gone", `c\"`}
		st, err := s.Tree.Status(ctx, names)
		for _, name := range names {
			if one, ok := st[name]; ok {
				say("%q %+v", name, one)
			}
		}
		sayError(say, err)
	},
	"examine": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sel, err := s.Opener.Examine(ctx, `a "b" ü`)
		if err == nil {
			say("%+v", *sel)
		}
		sayError(say, err)
	},
	"ahead": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sel, ok, err := s.Opener.ExamineAndList(ctx, "a", uids(1, 9), sayMessage(say), nil, nil)
		if err == nil {
			say("%v %d messages", ok, sel.Messages)
		}
		sayError(say, err)
	},
	"early": func(ctx context.Context, s *Session, say func(string, ...any)) {
		_, call, err := s.Opener.ExamineAndFetch(ctx, "a", uids(1, 9), 2)
		if err != nil {
			sayError(say, err)
			return
		}
		lines, listed, err := call.Wait(ctx, func(m Message, size int64, r io.Reader) error {
			say("%v", m.Flags)
			return sayBody(say)(m.UID, size, r)
		})
		for _, m := range lines {
			sayError(say, sayMessage(say)(m))
		}
		say("%v", listed)
		sayError(say, err)
	},
	"several": func(ctx context.Context, s *Session, say func(string, ...any)) {
		one, err := s.Fetcher.AskBodies(ctx, uids(1, 2))
		sayError(say, err)
		two, err := s.Fetcher.AskBodies(ctx, uids(3, 4))
		sayError(say, err)
		sayError(say, one.Wait(ctx, sayBody(say)))
		sayError(say, two.Wait(ctx, sayBody(say)))
	},
	"next": func(ctx context.Context, s *Session, say func(string, ...any)) {
		one, err := s.Fetcher.AskBodies(ctx, uids(1, 2))
		sayError(say, err)
		next, err := s.Opener.SendExamine(ctx, "b", uids(1, 9), 0, nil, nil)
		sayError(say, err)
		sayError(say, one.Wait(ctx, sayBody(say)))
		sel, err := next.Wait(ctx)
		if err == nil {
			say("%d messages, uidvalidity %d, uidnext %d", sel.Messages, sel.UIDValidity, sel.UIDNext)
		}
		sayError(say, err)
		lines, listed := next.Listed()
		for _, m := range lines {
			sayError(say, sayMessage(say)(m))
		}
		say("%v", listed)
		sayError(say, s.Alive(ctx))
	},
	"lookahead": func(ctx context.Context, s *Session, say func(string, ...any)) {
		look, err := s.Appender.SendReadBack(ctx, "a", 5, uids(3, 3), nil)
		sayError(say, err)
		permanent, err := s.Appender.SendPermanent(ctx, "b")
		sayError(say, err)
		ask, err := s.Tree.SendStatus(ctx, "b")
		sayError(say, err)
		found, err := look.Wait(ctx)
		say("%d found", len(found))
		sayError(say, err)
		st, told, err := ask.Wait(ctx)
		say("%+v %v", st, told)
		sayError(say, err)
		sel, err := permanent.Wait(ctx)
		say("%v %v", sel.PermanentFlags, sel.AnyFlag)
		sayError(say, err)
	},
	"namespace": func(ctx context.Context, s *Session, say func(string, ...any)) {
		ns, _, err := s.Tree.Folders(ctx, false)
		say("%+v", ns)
		sayError(say, err)
	},
	"quota": func(ctx context.Context, s *Session, say func(string, ...any)) {
		quotas, err := s.Tree.Quotas(ctx, "INBOX")
		for _, q := range quotas {
			say("%q %s %d of %d", q.Root, q.Resource, q.Usage, q.Limit)
		}
		sayError(say, err)
	},
	"search": func(ctx context.Context, s *Session, say func(string, ...any)) {
		set, err := s.Searcher.Search(ctx, `HEADER Message-ID "<x>"`)
		say("%s", set)
		sayError(say, err)
	},
	"create": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sayError(say, s.Maker.Create(ctx, "Sent", `\Sent`))
		sayError(say, s.Maker.Create(ctx, "a/b", ""))
		sayError(say, s.Maker.Create(ctx, "c\nd", ""))
		sayError(say, s.Maker.Subscribe(ctx, []string{"Sent", "x", "a/b"}))
	},
	"createall": func(ctx context.Context, s *Session, say func(string, ...any)) {
		made, err := s.Maker.CreateAll(ctx, []NewFolder{{"Sent", `\Sent`}, {"a", ""}, {"c\nd", ""}, {"%", ""}, {"b", ""}})
		say("%v", made)
		sayError(say, err)
	},
	"store": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sayError(say, s.Changer.StoreFlags(ctx, []FlagChange{
			{UID: 3, Add: flags(`\Seen`, "$Junk"), Remove: flags(`\Flagged`)},
			{UID: 4, Add: flags("$Junk", `\Seen`, `\Recent`, "bad flag")},
			{UID: 5, Add: flags(`\Answered`)}, {UID: 6}, {Add: flags(`\Seen`)},
		}))
	},
	"permanent": func(ctx context.Context, s *Session, say func(string, ...any)) {
		call, err := s.Appender.SendPermanent(ctx, "a")
		if err != nil {
			sayError(say, err)
			return
		}
		sel, err := call.Wait(ctx)
		say("%v %v", sel.PermanentFlags, sel.AnyFlag)
		sayError(say, err)
	},
	"readback": func(ctx context.Context, s *Session, say func(string, ...any)) {
		call, err := s.Appender.SendReadBack(ctx, "a", 5, uids(3, 4), uids(7, 8))
		if err != nil {
			sayError(say, err)
			return
		}
		found, err := call.Wait(ctx)
		for _, m := range found {
			say("%d %v %s %d", m.UID, m.Flags, m.Date.Format(time.RFC3339), m.Size)
		}
		sayError(say, err)
		sayError(say, s.Alive(ctx))
	},
	"append": appendTwice,
	"doubt": func(ctx context.Context, s *Session, say func(string, ...any)) {
		s.conn.learnt(&link.Quirks{})
		appendTwice(ctx, s, say)
		say("%q", s.conn.opt.Quirks.Broken())
	},
	"idle": func(ctx context.Context, s *Session, say func(string, ...any)) {
		for range 2 {
			changed, err := s.Watcher.Idle(ctx, 5*time.Second)
			say("%v", changed)
			sayError(say, err)
		}
	},
}

func appendTwice(ctx context.Context, s *Session, say func(string, ...any)) {
	date := time.Date(2024, 2, 3, 4, 5, 6, 0, time.FixedZone("", 3600))
	for range 2 {
		call, err := s.Appender.SendAppend(ctx, "Entw&APw-rfe", []Append{
			{Size: 3, Body: strings.NewReader("abc"), Flags: flags(`\Seen`, `\Recent`, "$x"), Date: date},
			{Size: 5000, Body: bytes.NewReader(bytes.Repeat([]byte("x"), 5000))},
			{Size: 1, Body: strings.NewReader("z"), Date: date},
		})
		if err != nil {
			sayError(say, err)
			return
		}
		results, err := call.Wait(ctx)
		for _, r := range results {
			say("%d %d %s", r.UIDValidity, r.UID, transcript.Verdict(r.Err))
		}
		sayError(say, err)
	}
}

// uids is a range; 0 is "*".
func uids(from, to imap.UID) imap.UIDSet { return imap.UIDSet{{Start: from, Stop: to}} }

func flags(words ...imap.Flag) []imap.Flag { return words }

func sayMessage(say func(string, ...any)) func(Message) error {
	return func(m Message) error {
		say("%d %v %s %d %d", m.UID, m.Flags, m.Date.Format(time.RFC3339), m.Size, m.ModSeq)
		return nil
	}
}

func sayBody(say func(string, ...any)) func(imap.UID, int64, io.Reader) error {
	return func(uid imap.UID, size int64, r io.Reader) error {
		body, err := io.ReadAll(r)
		say("%d %d %q %v", uid, size, body, err)
		return nil
	}
}

func sayError(say func(string, ...any), err error) { say("%s", transcript.Verdict(err)) }

func TestTranscripts(t *testing.T) {
	transcript.Each(t, "testdata/transcripts", transcript.Parse, func(t *testing.T, text, verb string, say func(string, ...any)) {
		act := transcripts[verb]
		if act == nil {
			t.Fatalf("no action %q", verb)
		}
		act(context.Background(), scripted(t, text), say)
	})
}

// learnt gives a session what others have learnt of its server.
func (c *conn) learnt(q *link.Quirks) { c.opt.Quirks, c.caps.quirks = q, q }
