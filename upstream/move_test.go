package upstream

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
	"postferry/upstream/link"
)

// TestMoveWithinAFolder: both servers put messages behind the others, keep what is known
// of them, and say where they are.
func TestMoveWithinAFolder(t *testing.T) {
	t.Parallel()
	user := lab.User{Login: "anna@example.com", Password: "x"}
	tests := map[string]func(*testing.T) config.Server{
		"dovecot": func(t *testing.T) config.Server {
			return lab.StartDovecot(t, lab.DovecotOptions{Users: []lab.User{user}}).Insecure()
		},
		"cyrus": func(t *testing.T) config.Server {
			return lab.StartCyrus(t, lab.CyrusOptions{Users: []lab.User{user}}).Insecure()
		},
	}
	for name, start := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := dialDovecot(t, start(t), store.Credentials{Login: user.Login, Password: store.Secret(user.Password)})
			ctx := t.Context()
			for i := range 6 {
				m := fmt.Sprintf("Message-ID: <%d@example.com>\r\nFrom: a@example.com\r\nSubject: %d\r\n\r\nText\r\n", i, i)
				call, err := s.Appender.SendAppend(ctx, "INBOX", []Append{{Size: int64(len(m)), Body: strings.NewReader(m), Date: time.Unix(1700000000+int64(i), 0), Flags: []imap.Flag{imap.FlagSeen, imap.Flag(fmt.Sprintf("k%d", i))}}})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := call.Wait(ctx); err != nil {
					t.Fatal(err)
				}
			}
			sel, err := s.Changer.Select(ctx, "INBOX")
			if err != nil || !s.Changer.CanMove() {
				t.Fatalf("%v; can move: %v", err, s.Changer.CanMove())
			}
			first := sel.UIDNext - 6
			moved, told, err := s.Changer.MoveUIDs(ctx, imap.UIDSet{imap.UIDRange{Start: first, Stop: first + 1}, imap.UIDRange{Start: first + 3, Stop: first + 3}}, "INBOX")
			t.Logf("%+v, %v, %v", moved, told, err)
			if err != nil || !told || moved.UIDValidity != sel.UIDValidity || len(moved.To) != 3 || !slices.IsSorted(moved.To) || moved.To[0] < sel.UIDNext {
				t.Fatalf("%+v, told: %v, %v", moved, told, err)
			}
			want := []imap.UID{first + 2, first + 4, first + 5, moved.To[0], moved.To[1], moved.To[2]}
			order := []int{2, 4, 5, 0, 1, 3}
			i := 0
			if err := s.Fetcher.ListMessages(ctx, imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}, 0, func(m Message) error {
				if at := order[i]; m.UID != want[i] || !m.Date.Equal(time.Unix(1700000000+int64(at), 0)) || !slices.Contains(m.Flags, imap.Flag(fmt.Sprintf("k%d", at))) {
					t.Errorf("message %d: %+v", i, m)
				}
				i++
				return nil
			}); err != nil || i != 6 {
				t.Errorf("%d messages, %v", i, err)
			}
			if moved, told, err := s.Changer.MoveUIDs(ctx, imap.UIDSet{imap.UIDRange{Start: first, Stop: first}}, "INBOX"); err != nil || told {
				t.Errorf("what is gone was moved: %+v, %v, %v", moved, told, err)
			}
			copiesToAnotherFolder(t, s, moved.To)
		})
	}
}

// copiesToAnotherFolder copies messages of the open INBOX, and one that is gone: what is known of them stays.
func copiesToAnotherFolder(t *testing.T, s *Session, uids []imap.UID) {
	t.Helper()
	ctx := t.Context()
	const folder = "INBOX.Copies" // as Cyrus wants it
	if err := s.Maker.Create(ctx, folder, ""); err != nil {
		t.Fatal(err)
	}
	was := map[imap.UID]Message{}
	if err := s.Fetcher.ListMessages(ctx, imap.UIDSetNum(uids...), 0, func(m Message) error { was[m.UID] = m; return nil }); err != nil || len(was) != len(uids) {
		t.Fatalf("%d messages, %v", len(was), err)
	}
	copied, told, err := s.Changer.CopyUIDs(ctx, imap.UIDSetNum(append(uids, 1000)...), folder)
	if err != nil || !told || !slices.Equal(copied.From, uids) || len(copied.To) != len(uids) {
		t.Fatalf("%+v, told: %v, %v", copied, told, err)
	}
	if _, told, err := s.Changer.CopyUIDs(ctx, imap.UIDSetNum(1000), folder); err != nil || told {
		t.Errorf("what is gone was copied: %v, %v", told, err)
	}
	if _, _, err := s.Changer.CopyUIDs(ctx, imap.UIDSetNum(uids...), "Nowhere"); link.ClassOf(err) != link.Refused || !link.Answered(err) {
		t.Errorf("copied to a folder that isn't there: %v", err)
	}
	sel, err := s.Opener.Examine(ctx, folder)
	if err != nil || sel.UIDValidity != copied.UIDValidity || int(sel.Messages) != len(uids) {
		t.Fatalf("%+v, %v", sel, err)
	}
	if err := s.Fetcher.ListMessages(ctx, imap.UIDSetNum(copied.To...), 0, func(m Message) error {
		of := was[copied.From[slices.Index(copied.To, m.UID)]]
		if !m.Date.Equal(of.Date) || m.Size != of.Size || !slices.Equal(sortedFlags(m.Flags), sortedFlags(of.Flags)) {
			t.Errorf("copied %+v of %+v", m, of)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// sortedFlags are flags but for \Recent, which COPY sets.
func sortedFlags(flags []imap.Flag) []imap.Flag {
	flags = slices.DeleteFunc(slices.Clone(flags), func(f imap.Flag) bool { return f == `\Recent` })
	slices.Sort(flags)
	return flags
}

func TestParseCopyUID(t *testing.T) {
	tests := map[string]struct {
		args string
		ok   bool
		to   []imap.UID
	}{
		"one":              {"7 1 9", true, []imap.UID{9}},
		"ranges":           {"7 1:3 9:10,12", true, []imap.UID{9, 10, 12}},
		"backwards":        {"7 3:1 9:11", true, []imap.UID{9, 10, 11}},
		"too many":         {"7 1:4 9:12", false, nil},
		"unequal":          {"7 1:3 9:10", false, nil},
		"far too many":     {"7 1:4294967295 1:4294967295", false, nil},
		"no sets":          {"7", false, nil},
		"empty sets":       {"7 , ,", false, nil},
		"no UIDVALIDITY":   {"0 1 9", false, nil},
		"twice the same":   {"7 1,1 9,10", false, nil},
		"star":             {"7 1:* 9", false, nil},
		"something behind": {"7 1 9 x", false, nil},
	}
	for name, tt := range tests {
		m, ok := parseCopyUID(tt.args, 3)
		if ok != tt.ok || ok && !slices.Equal(m.To, tt.to) {
			t.Errorf("%s: %+v, %v", name, m, ok)
		}
	}
}
