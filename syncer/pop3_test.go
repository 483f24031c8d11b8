package syncer

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
	"postferry/upstream"
)

// modernPOP3 is what servers of today announce.
var modernPOP3 = []string{"TOP", "UIDL", "PIPELINING", "RESP-CODES", "USER"}

func dated(n int) string {
	return fmt.Sprintf("Received: by old; %s\r\n%s", time.Unix(1_600_000_000+int64(n), 0).UTC().Format(time.RFC1123Z), mail(n))
}

func popMail(n int) lab.POP3Mail {
	return lab.POP3Mail{UID: fmt.Sprintf("id%d", n), Body: []byte(dated(n))}
}

func popMails(n int) []lab.POP3Mail {
	mails := make([]lab.POP3Mail, n)
	for i := range mails {
		mails[i] = popMail(i)
	}
	return mails
}

// pop3Rig is an engine between an odd POP3 server and a fake new one.
type pop3Rig struct {
	*rig
	old *lab.POP3Server
}

func newPOP3Rig(t *testing.T, odd lab.POP3Oddities, mails ...lab.POP3Mail) *pop3Rig {
	t.Helper()
	r := newRig(t)
	old := lab.StartPOP3(t, odd, mails...)
	r.cfg.Domains[0].Old = old.Server()
	r.dialOld = dialOld
	r.start(false)
	return &pop3Rig{r, old}
}

// pass makes a pass that has to be complete and copy so many messages.
func (r *pop3Rig) pass(copied int) Result {
	r.t.Helper()
	res := r.sync()
	if res.Problem != nil || !res.Pass.Complete || res.Pass.Copied != uint64(copied) {
		r.t.Errorf("%+v, problem %+v; want %d copied", res.Pass, res.Problem, copied)
	}
	return res
}

// harmless wants the old server to have heard nothing that changes it.
func (r *pop3Rig) harmless() {
	r.t.Helper()
	verbs, most := r.old.Commands()
	for _, verb := range verbs {
		if !slices.Contains([]string{"CAPA", "USER", "PASS", "APOP", "STAT", "LIST", "UIDL", "TOP", "RETR", "NOOP"}, verb) {
			r.t.Errorf("the old server was told %s", verb)
		}
	}
	if most > 1 {
		r.t.Errorf("%d sessions of one account at the same time", most)
	}
}

func (r *pop3Rig) wantBodies(want ...string) {
	r.t.Helper()
	if got := r.pair.new.bodies("INBOX"); !slices.Equal(got, want) {
		r.t.Errorf("%d messages on the new server, want %d:\n%.2000q\n%.2000q", len(got), len(want), got, want)
	}
}

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

// The date of arrival is that of the server's own Received field.
func TestPOP3Date(t *testing.T) {
	r := newPOP3Rig(t, lab.POP3Oddities{}, popMail(5))
	r.pass(1)
	if got := r.pair.new.folders["INBOX"].messages[0].date; got.Unix() != 1_600_000_005 {
		t.Errorf("arrived %v", got)
	}
}

// TestPOP3NewIDs: a server that was moved gives all messages other ids, and
// may change a little about each. Nothing is copied again, and what was deleted stays so.
func TestPOP3NewIDs(t *testing.T) {
	for name, odd := range map[string]lab.POP3Oddities{
		"exact sizes": {Capabilities: modernPOP3}, "other sizes": {LFSizes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mails := popMails(60)
			for i := range 10 { // without Message-ID, some alike
				mails = append(mails, lab.POP3Mail{UID: fmt.Sprintf("no%d", i), Body: fmt.Appendf(nil, "Subject: %d\r\n\r\n%d\r\n", i/3, i)})
			}
			r := newPOP3Rig(t, odd, mails...)
			r.pass(70)
			r.pair.new.remove("INBOX", dated(3))
			before := r.pair.new.bodies("INBOX")
			r.old.Change(func(_ *lab.POP3Oddities, mails *[]lab.POP3Mail) {
				for i := range *mails {
					m := &(*mails)[i]
					m.UID = fmt.Sprintf("new%d", i)
					if i < 20 {
						m.Body = append([]byte("X-Moved: yes\r\n"), m.Body...)
					}
				}
				*mails = append(*mails, popMail(500))
			})
			r.pass(1)
			r.wantBodies(append(before, dated(500))...)
			r.pass(0)
		})
	}
}

// When only some ids change, messages that are exactly those of former ids are not copied again.
func TestPOP3SomeNewIDs(t *testing.T) {
	r := newPOP3Rig(t, lab.POP3Oddities{}, popMails(20)...)
	r.pass(20)
	r.old.Change(func(_ *lab.POP3Oddities, mails *[]lab.POP3Mail) {
		for i := range 10 {
			(*mails)[i].UID = fmt.Sprintf("new%d", i)
		}
		// Not the same for all its Message-ID: a copy by way of a list.
		(*mails)[11] = lab.POP3Mail{UID: "list", Body: []byte("List-Id: x\r\n" + dated(11))}
	})
	r.pass(1)
	if n := len(r.pair.new.bodies("INBOX")); n != 21 {
		t.Errorf("%d messages", n)
	}
	r.pass(0)
}

// TestPOP3SameIDs: ids that several messages have, against the RFC.
func TestPOP3SameIDs(t *testing.T) {
	mails := popMails(10)
	for i := 4; i < 8; i++ {
		mails[i].UID = "same"
	}
	mails[7].Body = mails[6].Body // the very same message twice
	r := newPOP3Rig(t, lab.POP3Oddities{}, mails...)
	r.pass(10)
	r.old.Change(func(_ *lab.POP3Oddities, mails *[]lab.POP3Mail) {
		*mails = slices.Delete(*mails, 4, 5)
		again := popMail(50)
		again.UID = "same"
		twin := popMail(51)
		twin.UID = "id0" // from now on two messages have that
		*mails = append(*mails, again, twin)
	})
	r.pass(2)
	r.pass(0)
	r.old.Change(func(_ *lab.POP3Oddities, mails *[]lab.POP3Mail) {
		*mails = (*mails)[:5] // one "same" is left, and one "id0"
	})
	r.pass(0)
	if n := len(r.pair.new.bodies("INBOX")); n != 12 {
		t.Errorf("%d messages", n)
	}
}

// The inbox is the same whether it was read by IMAP or by POP3.
func TestPOP3AfterIMAP(t *testing.T) {
	r := newRig(t)
	for i := range 50 {
		r.pair.old.deliver("INBOX", dated(i), imap.FlagSeen)
	}
	r.start(false)
	if res := r.sync(); res.Pass.Copied != 50 {
		t.Fatalf("%+v", res)
	}
	r.stop()
	r.pair.new.remove("INBOX", dated(10))
	old := lab.StartPOP3(t, lab.POP3Oddities{}, popMails(52)...)
	imapServer := r.cfg.Domains[0].Old
	r.cfg.Domains[0].Old = old.Server()
	r.dialOld = dialOld
	r.start(false)
	if res := r.sync(); res.Pass.Copied != 2 || res.Pass.Adopted != 50 {
		t.Fatalf("by POP3: %+v, %+v", res.Pass, res.Problem)
	}
	r.stop()
	r.pair.old.deliver("INBOX", dated(50))
	r.pair.old.deliver("INBOX", dated(51))
	r.pair.old.deliver("INBOX", dated(52))
	r.cfg.Domains[0].Old = imapServer
	r.dialOld = nil
	r.start(false)
	if res := r.sync(); res.Pass.Copied != 1 {
		t.Errorf("by IMAP again: %+v, %+v", res.Pass, res.Problem)
	}
	if n := len(r.pair.new.bodies("INBOX")); n != 52 {
		t.Errorf("%d messages", n)
	}
}

// TestPOP3Cut loses the connection with the old server after any number of
// octets, again and again: nothing is lost, nothing comes twice, no message is cut.
func TestPOP3Cut(t *testing.T) {
	for _, odd := range []lab.POP3Oddities{{Capabilities: modernPOP3}, {NoUIDL: true, LFSizes: true}} {
		t.Run(fmt.Sprint(odd.Capabilities), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			old := lab.StartPOP3(t, odd, popMails(40)...)
			line := lab.FaultLine(t, old.Addr, func(conn int) lab.Plan {
				return lab.Plan{ToClient: lab.Fault{Kind: lab.Cut, At: int64(400 + conn*53)}}
			})
			r.cfg.Domains[0].Old = lab.At(old.Server(), line.Addr)
			r.dialOld = dialOld
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
	}
}

// A locked mailbox is a matter of patience, and says nothing of the server.
func TestPOP3InUse(t *testing.T) {
	r := newPOP3Rig(t, lab.POP3Oddities{Busy: "[IN-USE] Do you have another POP session running?"}, popMails(3)...)
	res := r.sync()
	if res.Problem == nil || res.Problem.Advice != store.RetryLater || !strings.Contains(res.Problem.Summary, "is in use") ||
		time.Until(res.Problem.Retry) < inUseRetry/2 {
		t.Fatalf("%+v", res.Problem)
	}
	r.old.Change(func(odd *lab.POP3Oddities, _ *[]lab.POP3Mail) { odd.Busy = "" })
	r.pass(3)
}

// A session beside a pass waits for the mailbox.
func TestPOP3Patiently(t *testing.T) {
	old := lab.StartPOP3(t, lab.POP3Oddities{Busy: "[IN-USE] locked"}, popMails(1)...)
	tries := 0
	dial := patiently(func(ctx context.Context, server config.Server, c store.Credentials, opt upstream.Options) (oldSession, error) {
		if tries++; tries == 3 {
			old.Change(func(odd *lab.POP3Oddities, _ *[]lab.POP3Mail) { odd.Busy = "" })
		}
		return dialOld(ctx, server, c, opt)
	}, time.Millisecond)
	s, err := dial(t.Context(), old.Server(), store.Credentials{Login: "a", Password: "b"}, upstream.Options{Stall: 5 * time.Second})
	if err != nil || tries != 3 {
		t.Fatalf("%d tries, %v", tries, err)
	}
	s.Close()
}

// A login that finds the mailbox in use has the right password.
func TestPOP3Enrol(t *testing.T) {
	r := newPOP3Rig(t, lab.POP3Oddities{Busy: "[IN-USE] locked"})
	c := store.Credentials{Login: "new@example.com", Password: "secret"}
	row := store.Account{Domain: "example.com", Login: c.Login, Old: c, New: c, Origin: store.Enrolled, State: store.Active}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // as the proxy bounds it
	defer cancel()
	if _, err := r.engine.Enrol(ctx, row); err != nil {
		t.Errorf("in use: %v", err)
	}
	r.old.Change(func(odd *lab.POP3Oddities, _ *[]lab.POP3Mail) { odd.Busy = "" })
	row.Login, row.Old.Password = "other@example.com", "wrong"
	if _, err := r.engine.Enrol(t.Context(), row); err == nil {
		t.Error("a wrong password is good enough")
	}
}

// TestPOP3Refused: a message that the server lists and does not give goes to
// quarantine once a new session has seen it, too; one that another program has
// deleted meanwhile does not.
func TestPOP3Refused(t *testing.T) {
	r := newPOP3Rig(t, lab.POP3Oddities{Capabilities: modernPOP3, Refused: []string{"id3"}}, popMails(6)...)
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
			large := lab.POP3Mail{UID: "large", Body: []byte("Subject: large\r\n\r\n" + strings.Repeat("..\r\n.x\r\n"+strings.Repeat("y", 100_000)+"\r\n", 30))}
			larger := lab.POP3Mail{UID: "larger", Body: []byte("Subject: larger\r\n\r\n" + strings.Repeat(".\r\n", 900_000))}
			r := newPOP3Rig(t, odd, popMail(1), large, popMail(2), larger, popMail(3))
			r.pass(5)
			r.wantBodies(dated(1), string(large.Body), dated(2), string(larger.Body), dated(3))
			r.harmless()
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

// TestPOP3Visit: the newest messages of a large inbox come first, and the
// visit takes the mailbox over from a pass.
func TestPOP3Visit(t *testing.T) {
	r := newPOP3Rig(t, lab.POP3Oddities{Capabilities: modernPOP3}, popMails(3000)...)
	r.engine.Connected(t.Context(), r.account.ID)
	defer r.engine.Disconnected(r.account.ID)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r.engine.Visit(ctx, r.account.ID, "INBOX", nil)
	bodies := r.pair.new.bodies("INBOX")
	if len(bodies) < visitNewest || !slices.Contains(bodies, dated(2999)) {
		t.Errorf("%d messages are shown", len(bodies))
	}
	r.sync()
	if n := len(r.pair.new.bodies("INBOX")); n != 3000 {
		t.Errorf("%d messages", n)
	}
	r.harmless()
}

// TestPOP3Pause: a session that has lasted long leaves the mailbox to others for a
// moment, and what is missing comes in the next. Here each command takes a second,
// and so the first window of the listing more than a session's time.
func TestPOP3Pause(t *testing.T) {
	for name, tt := range map[string]struct {
		tick     time.Duration
		sessions int
	}{
		"slow": {time.Second, 2}, "quick": {0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newPOP3Rig(t, lab.POP3Oddities{Capabilities: modernPOP3}, popMails(listWindow+100)...)
			r.engine.shared.clock = func() time.Time {
				verbs, _ := r.old.Commands()
				return time.Unix(0, 0).Add(time.Duration(len(verbs)) * tt.tick)
			}
			r.pass(listWindow + 100)
			verbs, _ := r.old.Commands()
			verbs = slices.DeleteFunc(verbs, func(v string) bool { return v != "PASS" })
			if len(verbs) != tt.sessions {
				t.Errorf("%d sessions, want %d", len(verbs), tt.sessions)
			}
			if n := len(r.pair.new.bodies("INBOX")); n != listWindow+100 {
				t.Errorf("%d messages", n)
			}
			r.harmless()
		})
	}
}

// TestPOP3SessionTime: a session lasts long enough for its listing to be worth it.
func TestPOP3SessionTime(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, tt := range []struct {
		pop3          bool
		listing, last time.Duration
	}{
		{true, time.Second, 2 * time.Minute}, {true, time.Minute, 4 * time.Minute}, {false, time.Minute, 0},
	} {
		p := &pull{quiet: settleQuiet, clock: func() time.Time { return now }, listing: tt.listing, selected: &oldFolder{pop3: tt.pop3}}
		p.limitSession()
		for after, want := range map[time.Duration]error{tt.last: nil, tt.last + 1: errPause} {
			if tt.last == 0 {
				after, want = 24*time.Hour, nil
			}
			p.clock = func() time.Time { return now.Add(after) }
			if got := p.yielded(); got != want {
				t.Errorf("%+v after %v: %v", tt, after, got)
			}
		}
	}
}

// The keys of messages without an id don't depend on what servers and
// programs write into the header of a stored message.
func TestPOP3HeaderKey(t *testing.T) {
	plain := headerKey("", []byte("Subject: a\r\n b\r\nFrom: c\r\n\r\n"))
	for _, same := range []string{
		"Subject: a b\r\nFrom: c\r\nStatus: RO\r\n\r\n", "X-UIDL: 5\nsubject:  a\n b\nFrom: c\nX-Mozilla-Status: 0001\n\n",
	} {
		if headerKey("", []byte(same)) != plain {
			t.Errorf("%q has another key", same)
		}
	}
	for _, other := range []string{"Subject: a b\r\nFrom: d\r\n\r\n", "From: c\r\nSubject: a b\r\n\r\n", ""} {
		if headerKey("", []byte(other)) == plain {
			t.Errorf("%q has the same key", other)
		}
	}
	for _, uid := range []string{"abc", "x", strings.Repeat("u", 70), strings.Repeat("u", 5000), "a\xff"} {
		if k := uidlKey(uid); len(k) == imapKeyLength || len(k) > 255 || headerKey(uid, nil) == k || len(headerKey(uid, nil)) > 240 {
			t.Errorf("%.20q: %q", uid, k)
		}
	}
}

// There is an inbox and nothing else.
func TestPOP3OtherFolder(t *testing.T) {
	old := lab.StartPOP3(t, lab.POP3Oddities{}, popMails(2)...)
	s, err := dialOld(t.Context(), old.Server(), store.Credentials{Login: "a", Password: "b"}, upstream.Options{Stall: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Open(t.Context(), "Sent", ahead{}); upstream.ClassOf(err) != upstream.Refused {
		t.Errorf("%v", err)
	}
	f, err := s.Open(t.Context(), "inbox", ahead{})
	if err != nil || f.Messages != 2 || f.UIDNext != 3 || f.keys.key(1) != "uidl id0 " || f.keys.key(9) != "" {
		t.Errorf("%+v, %v", f, err)
	}
	if old.Server().Protocol != config.POP3 {
		t.Error("no POP3 server")
	}
}
