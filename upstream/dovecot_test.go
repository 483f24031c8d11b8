package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
	"postferry/upstream/link"
)

func testOptions(t testing.TB) link.Options {
	return link.Options{Stall: 5 * time.Second, Quirks: proven(), Log: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel)}
}

// proven are the quirks of a server that was seen to keep its word.
func proven() *link.Quirks {
	q := &link.Quirks{}
	q.Prove(imap.CapLiteralPlus)
	q.Prove(imap.CapMultiAppend)
	return q
}

func dialDovecot(t *testing.T, server config.Server, c store.Credentials) *Session {
	t.Helper()
	s, err := Dial(t.Context(), server, testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Login(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return s
}

var oddPassword = "p\xe4ß \"q\" \\ %§ {5}"

func startDovecot(t *testing.T) *lab.Dovecot {
	return lab.StartDovecot(t, lab.DovecotOptions{
		Format: "sdbox", Separator: "/",
		Users: []lab.User{{Login: "ann", Password: "hush-0f-ann"}, {Login: "bob", Password: oddPassword}},
	})
}

var ann = store.Credentials{Login: "ann", Password: "hush-0f-ann"}

func TestDovecotSecurity(t *testing.T) {
	d := startDovecot(t)
	wrong := d.Pinned()
	wrong.Fingerprint = bytes.Repeat([]byte{7}, 32)
	unknown := d.ImplicitTLS()
	unknown.CA = ""
	for name, tt := range map[string]struct {
		server config.Server
		class  link.Class
		ok     bool
	}{
		"plain":      {d.Insecure(), 0, true},
		"starttls":   {d.StartTLS(), 0, true},
		"imaps":      {d.ImplicitTLS(), 0, true},
		"pinned":     {d.Pinned(), 0, true},
		"wrong pin":  {wrong, link.Fix, false},
		"unknown CA": {unknown, link.Fix, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Dial(t.Context(), tt.server, testOptions(t))
			if !tt.ok {
				if link.ClassOf(err) != tt.class || err == nil {
					t.Fatalf("got %v", err)
				}
				t.Log(err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Login(t.Context(), store.Credentials{Login: "bob", Password: store.Secret(oddPassword)}); err != nil {
				t.Fatal(err)
			}
			if !s.Has(imap.CapMultiAppend) || !s.Has("uidplus") {
				t.Fatalf("capabilities: %v", s.Capabilities())
			}
			if err := s.Logout(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestDovecotLoginWithLiterals(t *testing.T) {
	d := startDovecot(t)
	for _, plus := range []bool{true, false} {
		s, err := Dial(t.Context(), d.Insecure(), testOptions(t))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		delete(s.conn.caps.known, "AUTH=PLAIN")
		if !plus {
			delete(s.conn.caps.known, "LITERAL+")
		}
		if err := s.Login(t.Context(), store.Credentials{Login: "bob", Password: store.Secret(oddPassword)}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Dial(t.Context(), d.Insecure(), testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Login(t.Context(), store.Credentials{Login: "ann", Password: "wrong"})
	if link.ClassOf(err) != link.Fix {
		t.Fatal(err)
	}
	if err := s.Login(t.Context(), ann); err != nil {
		t.Fatalf("the session is of no use after a wrong password: %v", err)
	}
}

func TestDovecotFolders(t *testing.T) {
	d := startDovecot(t)
	s := dialDovecot(t, d.ImplicitTLS(), ann)
	ctx := t.Context()
	names := []string{"Entw&APw-rfe", `a "quoted" \ name`, "Projects/2024", "INBOX/child", "[x]"}
	for _, name := range names {
		if err := s.Maker.Create(ctx, name, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Maker.Create(ctx, names[0], imap.MailboxAttrDrafts); err != nil {
		t.Fatalf("a folder that exists: %v", err)
	}
	if err := s.Maker.Subscribe(ctx, names[:2]); err != nil {
		t.Fatal(err)
	}
	ns, _, err := s.Tree.Folders(ctx, false)
	if err != nil || ns.Delim != '/' || ns.Prefix != "" {
		t.Fatalf("%+v %v", ns, err)
	}
	for _, plain := range []bool{false, true} {
		if plain {
			s.conn.caps.distrust(errors.New("test"), imap.CapListExtended)
		}
		_, boxes, err := s.Tree.Folders(ctx, true)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range names {
			j := slices.IndexFunc(boxes, func(m Mailbox) bool { return m.Name == name })
			if j < 0 {
				t.Fatalf("%q is missing in %+v", name, boxes)
			}
			if boxes[j].Subscribed != (i < 2) || boxes[j].Delim != '/' || (boxes[j].Status == nil) != plain {
				t.Errorf("%+v", boxes[j])
			}
		}
	}
	st, err := s.Tree.Status(ctx, append(names, "inbox", "none", "a\r\nb"))
	if err != nil || len(st) != len(names)+1 || st["inbox"].UIDValidity == 0 || st[names[1]].UIDNext != 1 {
		t.Fatalf("%+v %v", st, err)
	}
}

func TestDovecotManyFolders(t *testing.T) {
	d := startDovecot(t)
	s := dialDovecot(t, d.ImplicitTLS(), ann)
	names := []string{}
	for i := range 5*statusWindow + 7 {
		names = append(names, fmt.Sprintf("none %d", i), "INBOX")
	}
	st, err := s.Tree.Status(t.Context(), names)
	if err != nil || len(st) != 1 || st["INBOX"].UIDValidity == 0 {
		t.Fatalf("%+v %v", st, err)
	}
}

func appends(msgs []lab.Msg) []Append {
	var out []Append
	for _, m := range msgs {
		out = append(out, Append{Flags: m.Flags, Date: m.Date, Size: int64(len(m.Body)), Body: bytes.NewReader(m.Body)})
	}
	return out
}

func TestDovecotAppendAndFetch(t *testing.T) {
	d := startDovecot(t)
	msgs := lab.Mixed(1, 60)
	msgs = append(msgs, lab.Msg{Body: bytes.Repeat([]byte("x: y\r\n"), 2<<20/6), Date: msgs[0].Date}) // synchronising
	for name, hide := range map[string][]string{
		"multiappend": nil, "literal-": {"LITERAL+"}, "pipelined": {"MULTIAPPEND"}, "plain": {"MULTIAPPEND", "LITERAL+"},
	} {
		t.Run(name, func(t *testing.T) {
			s := dialDovecot(t, d.ImplicitTLS(), ann)
			for _, c := range hide {
				delete(s.conn.caps.known, c)
			}
			if name == "literal-" {
				s.conn.caps.known["LITERAL-"] = true
			}
			if err := s.Maker.Create(t.Context(), name, ""); err != nil {
				t.Fatal(err)
			}
			checkRoundTrip(t, s, name, msgs)
		})
	}
}

func checkRoundTrip(t *testing.T, s *Session, folder string, msgs []lab.Msg) {
	ctx := t.Context()
	var calls []*AppendCall
	for part := range slices.Chunk(appends(msgs), 20) {
		call, err := s.Appender.SendAppend(ctx, folder, part)
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, call)
	}
	var uids []imap.UID
	for _, call := range calls {
		results, err := call.Wait(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if call.Pending() {
			t.Error("pending after Wait")
		}
		for _, r := range results {
			if r.Err != nil || r.UID == 0 || r.UIDValidity == 0 {
				t.Fatalf("%+v", r)
			}
			uids = append(uids, r.UID)
		}
	}
	sel, err := s.Opener.Examine(ctx, folder)
	if err != nil || int(sel.Messages) != len(msgs) || sel.UIDNext == 0 || sel.HighestModSeq == 0 {
		t.Fatalf("%+v %v", sel, err)
	}
	index := map[imap.UID]int{}
	for i, uid := range uids {
		index[uid] = i
	}
	n := 0
	err = s.Fetcher.ListMessages(ctx, imap.UIDSetNum(uids...), 0, func(m Message) error {
		n++
		want := msgs[index[m.UID]]
		if m.Size != int64(len(want.Body)) || !m.Date.Equal(want.Date.Truncate(time.Second)) || len(m.Flags) != len(want.Flags) {
			return fmt.Errorf("%+v is not %v %v %d", m, want.Date, want.Flags, len(want.Body))
		}
		return nil
	})
	if err != nil || n != len(msgs) {
		t.Fatalf("%d messages, %v", n, err)
	}
	n = 0
	err = s.Fetcher.Bodies(ctx, imap.UIDSetNum(uids...), func(uid imap.UID, size int64, r io.Reader) error {
		n++
		if n%7 == 0 {
			return nil // unread
		}
		body, err := io.ReadAll(r)
		if err != nil || int64(len(body)) != size || !bytes.Equal(body, msgs[index[uid]].Body) {
			return fmt.Errorf("UID %d: %d octets of %d, %v", uid, len(body), size, err)
		}
		return nil
	})
	if err != nil || n != len(msgs) {
		t.Fatalf("%d bodies, %v", n, err)
	}
	stop := errors.New("enough")
	if err := s.Fetcher.Bodies(ctx, imap.UIDSetNum(uids...), func(imap.UID, int64, io.Reader) error { return stop }); err != stop {
		t.Fatal(err)
	}
	n = 0
	err = s.Fetcher.Headers(ctx, imap.UIDSetNum(uids...), func(m Message, header []byte) error {
		n++
		if m.Size != int64(len(msgs[index[m.UID]].Body)) || len(header) == 0 {
			return fmt.Errorf("%+v %q", m, header)
		}
		return nil
	})
	if err != nil || n != len(msgs) {
		t.Fatalf("%d headers, %v", n, err)
	}
}

func TestDovecotFlagsSearchIdle(t *testing.T) {
	d := startDovecot(t)
	d.Append("ann", "INBOX", lab.Generate(2, 10, 500)...)
	s := dialDovecot(t, d.ImplicitTLS(), ann)
	ctx := t.Context()
	if _, err := s.Changer.Select(ctx, "INBOX"); err != nil {
		t.Fatal(err)
	}
	var changes []FlagChange
	for uid := imap.UID(1); uid <= 12; uid++ { // two of them are not there
		changes = append(changes, FlagChange{UID: uid, Add: []imap.Flag{`\Flagged`, "$Label1"}, Remove: []imap.Flag{`\Seen`}})
	}
	if err := s.Changer.StoreFlags(ctx, changes); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := s.Fetcher.ListFlags(ctx, imap.UIDSet{{Start: 1, Stop: 0}}, func(m Message) error {
		n++
		if !slices.Contains(m.Flags, "$Label1") || !slices.Contains(m.Flags, imap.FlagFlagged) || slices.Contains(m.Flags, imap.FlagSeen) {
			return fmt.Errorf("%+v", m)
		}
		return nil
	})
	if err != nil || n != 10 {
		t.Fatalf("%d %v", n, err)
	}
	found, err := s.Searcher.Search(ctx, "KEYWORD $Label1 UID 3:5")
	if err != nil || found.String() != "3:5" {
		t.Fatalf("%v %v", found, err)
	}
	if _, err := s.Searcher.Search(ctx, "NONSENSE"); link.ClassOf(err) != link.Refused {
		t.Fatal(err)
	}

	if changed, err := s.Watcher.Idle(ctx, 100*time.Millisecond); changed || err != nil {
		t.Fatalf("%v %v", changed, err)
	}
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if changed, err := s.Watcher.Idle(short, time.Minute); changed || err != nil {
		t.Fatalf("%v %v", changed, err)
	}
	go d.Append("ann", "INBOX", lab.Generate(3, 1, 500)...)
	if changed, err := s.Watcher.Idle(ctx, 20*time.Second); !changed || err != nil {
		t.Fatalf("%v %v", changed, err)
	}
	if err := s.Alive(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestDovecotReadOnly(t *testing.T) {
	d := startDovecot(t)
	d.Append("ann", "INBOX", lab.Generate(2, 2, 500)...)
	opt := testOptions(t)
	opt.ReadOnly = true
	s, err := Dial(t.Context(), d.ImplicitTLS(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := t.Context()
	if err := s.Login(ctx, ann); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Opener.Examine(ctx, "INBOX"); err != nil {
		t.Fatal(err)
	}
	_, selectErr := s.Changer.Select(ctx, "INBOX")
	_, appendErr := s.Appender.SendAppend(ctx, "INBOX", appends(lab.Generate(1, 1, 100)))
	for _, err := range []error{
		selectErr, appendErr, s.Maker.Create(ctx, "x", ""), s.Maker.Subscribe(ctx, []string{"x"}),
		s.Changer.StoreFlags(ctx, []FlagChange{{UID: 1, Add: []imap.Flag{imap.FlagSeen}}}),
	} {
		if !errors.Is(err, link.ErrReadOnly) || link.ClassOf(err) != link.Refused {
			t.Errorf("got %v", err)
		}
	}
	if err := s.Alive(ctx); err != nil {
		t.Fatal(err)
	}
}
