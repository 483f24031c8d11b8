package syncer

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream/link"
)

// A locked mailbox is a matter of patience, and says nothing of the server.
func TestPOP3InUse(t *testing.T) {
	r := newPOP3Rig(t, lab.POP3Oddities{Busy: "[IN-USE] Do you have another POP session running?"}, popMails(3)...)
	res := r.sync()
	if res.Problem == nil || res.Problem.Advice != store.RetryLater || !strings.Contains(res.Problem.Summary.String(), "is in use") ||
		time.Until(res.Problem.Retry) < 30*time.Second {
		t.Fatalf("%+v", res.Problem)
	}
	r.old.Change(func(odd *lab.POP3Oddities, _ *[]lab.POP3Mail) { odd.Busy = "" })
	r.pass(3)
}

// A session beside a pass waits for the mailbox.
func TestPOP3Patiently(t *testing.T) {
	old := lab.StartPOP3(t, lab.POP3Oddities{Busy: "[IN-USE] locked"}, popMails(1)...)
	tries := 0
	dial := session.Patiently(func(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Source, error) {
		if tries++; tries == 3 {
			old.Change(func(odd *lab.POP3Oddities, _ *[]lab.POP3Mail) { odd.Busy = "" })
		}
		return session.DialOld(ctx, server, c, opt)
	}, time.Millisecond)
	s, err := dial(t.Context(), old.Server(), store.Credentials{Login: "a", Password: "b"}, link.Options{Stall: 5 * time.Second})
	if err != nil || tries != 3 {
		t.Fatalf("%d tries, %v", tries, err)
	}
	s.Close()
}

// A login that finds the mailbox in use has the right password.
func TestPOP3Enrol(t *testing.T) {
	r := newPOP3Rig(t, lab.POP3Oddities{Busy: "[IN-USE] locked"})
	c := store.Credentials{Login: "new@example.com", Password: annasPassword}
	row := store.Account{Domain: "example.com", Login: c.Login, Old: c, New: c, Origin: store.Enrolled, State: store.Active}
	ctx, cancel := context.WithTimeout(t.Context(), 2*session.InUsePause) // the client waits: no time for trying again and again
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
	if len(bodies) < job.VisitShown || !slices.Contains(bodies, dated(2999)) {
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
		takes    time.Duration
		sessions int
	}{
		"slow": {time.Second, 2}, "quick": {0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newPOP3RigInMemory(t, lab.POP3Oddities{Capabilities: modernPOP3, Takes: tt.takes}, popMails(session.ListWindow+100)...)
				r.limit = 4 * session.ListWindow * time.Second
				r.pass(session.ListWindow + 100)
				verbs, _ := r.old.Commands()
				verbs = slices.DeleteFunc(verbs, func(v string) bool { return v != "PASS" })
				if len(verbs) != tt.sessions {
					t.Errorf("%d sessions, want %d", len(verbs), tt.sessions)
				}
				if n := len(r.pair.new.bodies("INBOX")); n != session.ListWindow+100 {
					t.Errorf("%d messages", n)
				}
				r.harmless()
			})
		})
	}
}

// There is an inbox and nothing else.
func TestPOP3OtherFolder(t *testing.T) {
	old := lab.StartPOP3(t, lab.POP3Oddities{}, popMails(2)...)
	s, err := session.DialOld(t.Context(), old.Server(), store.Credentials{Login: "a", Password: "b"}, link.Options{Stall: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Open(t.Context(), "Sent", session.OpenWith{}); link.ClassOf(err) != link.Refused {
		t.Errorf("%v", err)
	}
	f, err := s.Open(t.Context(), "inbox", session.OpenWith{})
	if err != nil || f.Messages != 2 || f.UIDNext != 3 || f.Keys.Key(1) != "uidl id0 " || f.Keys.Key(9) != "" {
		t.Errorf("%+v, %v", f, err)
	}
	if old.Server().Protocol != config.POP3 {
		t.Error("no POP3 server")
	}
}
