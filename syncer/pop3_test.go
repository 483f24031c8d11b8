package syncer

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
	"postferry/store"
	"postferry/syncer/session"
)

// TestPOP3Passes copies an inbox, then what is late, at servers of all kinds.
// What the user deletes on the new server stays deleted, what goes from the
// old one stays, and flags are the user's alone.
func TestPOP3Passes(t *testing.T) {
	for name, odd := range map[string]lab.POP3Oddities{
		"modern":           {Capabilities: modernPOP3},
		"no CAPA":          {},
		"no UIDL":          {Capabilities: []string{"TOP", "PIPELINING"}, NoUIDL: true},
		"no TOP":           {NoTOP: true},
		"neither":          {NoTOP: true, NoUIDL: true},
		"APOP":             {APOPOnly: true},
		"sizes count LF":   {Capabilities: modernPOP3, LFSizes: true},
		"sizes, no UIDL":   {LFSizes: true, NoUIDL: true},
		"TOP gives little": {Capabilities: modernPOP3, TopLimit: 60},
		"slow greeting":    {GreetingDelay: 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newPOP3Rig(t, odd, popMails(150)...)
			r.pass(150)
			if len(r.pair.new.bodies("INBOX")) != 150 || r.pair.new.bodies("INBOX")[149] != dated(149) {
				t.Fatalf("%.300q", r.pair.new.bodies("INBOX"))
			}
			r.pass(0)
			r.pair.new.remove("INBOX", dated(7))
			r.pair.new.setFlags("INBOX", dated(8), imap.FlagSeen)
			r.old.Change(func(_ *lab.POP3Oddities, mails *[]lab.POP3Mail) {
				*mails = append(slices.Delete(*mails, 0, 3), popMail(1000), popMail(1001))
			})
			r.pass(2)
			r.pass(0)
			bodies := r.pair.new.bodies("INBOX")
			if len(bodies) != 151 || bodies[0] != dated(0) || slices.Contains(bodies, dated(7)) || bodies[150] != dated(1001) {
				t.Errorf("%d messages", len(bodies))
			}
			if got := r.pair.new.flags("INBOX", dated(8)); !slices.Equal(got, []imap.Flag{imap.FlagSeen}) {
				t.Errorf("flags are %v", got)
			}
			if got := r.pair.new.flags("INBOX", dated(9)); len(got) != 0 {
				t.Errorf("flags are %v", got)
			}
			r.harmless()
		})
	}
}

// TestPOP3Messages: how many messages an account has is known when its inbox has been read for the first time.
func TestPOP3Messages(t *testing.T) {
	t.Parallel()
	r := newPOP3Rig(t, lab.POP3Oddities{Capabilities: modernPOP3}, popMails(3)...)
	r.pass(3)
	r.old.Change(func(_ *lab.POP3Oddities, mails *[]lab.POP3Mail) { *mails = append(*mails, popMail(3)) })
	for _, want := range []uint64{3, 4} {
		s, err := r.store.Summary(t.Context(), r.account.ID)
		if err != nil || s.Messages != want {
			t.Errorf("%d messages, %v, want %d", s.Messages, err, want)
		}
		r.sync()
	}
}

// The date of arrival is that of the server's own Received field.
func TestPOP3Date(t *testing.T) {
	r := newPOP3Rig(t, lab.POP3Oddities{}, popMail(5))
	r.pass(1)
	if got := r.pair.new.folders["INBOX"].messages[0].date; got.Unix() != 1_600_000_005 {
		t.Errorf("arrived %v", got)
	}
}

// TestPOP3Cut loses the connection with the old server after any number of
// octets, again and again: nothing is lost, nothing comes twice, no message is cut.
func TestPOP3Cut(t *testing.T) {
	for _, odd := range []lab.POP3Oddities{{Capabilities: modernPOP3}, {NoUIDL: true, LFSizes: true}} {
		t.Run(fmt.Sprint(odd.Capabilities), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				old := lab.POP3InMemory(t, "old.example:110", odd, popMails(40)...)
				line := &breakingLine{dial: old.Dial, plan: func(conn int) lab.Plan {
					return lab.Plan{ToClient: lab.Fault{Kind: lab.Cut, At: int64(400 + conn*53)}}
				}}
				r.cfg.Domains[0].Old = old.Server()
				r.dialOld = through(session.DialOld, line.Dial)
				r.start(false)
				for range 60 {
					if res := r.sync(); res.Pass.Complete {
						break
					}
				}
				var want []string
				for i := range 40 {
					want = append(want, dated(i))
				}
				got := r.pair.new.bodies("INBOX")
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("%d messages", len(got))
				}
			})
		})
	}
}

// TestPOP3Refused: a message that the server lists and does not give goes to
// quarantine once a new session has seen it, too; one that another program has
// deleted meanwhile does not.
func TestPOP3Refused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newPOP3RigInMemory(t, lab.POP3Oddities{Capabilities: modernPOP3, Refused: []string{"id3"}}, popMails(6)...)
		if res := r.pass(5); res.Pass.Quarantined != 1 {
			t.Errorf("%+v", res.Pass)
		}
		r.pass(0)
		folders, err := r.store.Folders(t.Context(), r.account.ID)
		if err != nil {
			t.Fatal(err)
		}
		ledger, err := r.store.Ledger(t.Context(), r.account.ID, folders[0].ID)
		if err != nil || len(ledger.Quarantine) != 1 || KeyText(ledger.Quarantine[0].Key) != "uidl id3" {
			t.Fatalf("%+v, %v", ledger.Quarantine, err)
		}
		keys := []store.Key{ledger.Quarantine[0].Key}
		r.old.Change(func(odd *lab.POP3Oddities, _ *[]lab.POP3Mail) { odd.Refused = nil })
		fetched := ""
		err = r.engine.Fetch(t.Context(), r.account.ID, folders[0].ID, keys, func(key store.Key, size int64, body io.Reader) error {
			b, err := io.ReadAll(body)
			fetched = string(b)
			return err
		})
		if err != nil || fetched != dated(3) {
			t.Errorf("exported %q, %v", fetched, err)
		}
		if err := r.engine.Retry(t.Context(), r.account.ID, folders[0].ID, keys); err != nil {
			t.Error(err)
		}
		r.pass(1)
	})
}

// A message that the server can't read at the moment holds up no other, and
// comes when it can.
func TestPOP3Unwell(t *testing.T) {
	r := newPOP3Rig(t, lab.POP3Oddities{Capabilities: modernPOP3, Unwell: []string{"id3"}}, popMails(60)...)
	if res := r.sync(); res.Pass.Copied != 59 || res.Pass.Quarantined != 1 {
		t.Fatalf("%+v, %+v", res.Pass, res.Problem)
	}
	r.old.Change(func(odd *lab.POP3Oddities, _ *[]lab.POP3Mail) { odd.Unwell = nil })
	r.pass(1)
}

// TestPOP3Large streams messages that are larger than what may be in memory,
// by sizes that can be trusted and by those that can't.
func TestPOP3Large(t *testing.T) {
	for name, odd := range map[string]lab.POP3Oddities{
		"exact": {Capabilities: modernPOP3}, "inexact": {Capabilities: modernPOP3, LFSizes: true},
		"cut TOP": {Capabilities: modernPOP3, TopLimit: 1 << 20}, "old": {NoTOP: true, LFSizes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				large := lab.POP3Mail{UID: "large", Body: []byte("Subject: large\r\n\r\n" + strings.Repeat("..\r\n.x\r\n"+strings.Repeat("y", 100_000)+"\r\n", 30))}
				larger := lab.POP3Mail{UID: "larger", Body: []byte("Subject: larger\r\n\r\n" + strings.Repeat(".\r\n", 900_000))}
				r := newPOP3RigInMemory(t, odd, popMail(1), large, popMail(2), larger, popMail(3))
				r.limit = 6 * passLimit
				r.pass(5)
				r.wantBodies(dated(1), string(large.Body), dated(2), string(larger.Body), dated(3))
				r.harmless()
			})
		})
	}
}

// Bare LFs, NUL, a missing line end and dots arrive as they were sent.
func TestPOP3Raw(t *testing.T) {
	var mails []lab.POP3Mail
	var want []string
	for i, body := range []string{
		"Subject: 1\n\n.\n..\nx\n", "Subject: 2\r\n\r\na\x00b\xff\r\n.", "Subject: 3\r\n\r\n" + strings.Repeat("z", 100_000), "", "\r\n", ".", "\n",
	} {
		mails = append(mails, lab.POP3Mail{UID: fmt.Sprint(i), Body: []byte(body)})
		if body != "" && !strings.HasSuffix(body, "\n") {
			body += "\r\n"
		}
		want = append(want, body)
	}
	r := newPOP3Rig(t, lab.POP3Oddities{Raw: true, Capabilities: modernPOP3}, mails...)
	r.pass(len(mails))
	r.wantBodies(want...)
}
