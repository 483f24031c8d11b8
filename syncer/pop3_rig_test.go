package syncer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/syncer/session"
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
	return startPOP3Rig(t, lab.StartPOP3(t, odd, mails...))
}

// newPOP3RigInMemory is for bubbles of synctest: the old server is reached without the network.
func newPOP3RigInMemory(t *testing.T, odd lab.POP3Oddities, mails ...lab.POP3Mail) *pop3Rig {
	t.Helper()
	return startPOP3Rig(t, lab.POP3InMemory(t, "old.example:110", odd, mails...))
}

func startPOP3Rig(t *testing.T, old *lab.POP3Server) *pop3Rig {
	t.Helper()
	r := newRig(t)
	r.cfg.Domains[0].Old = old.Server()
	if r.dialOld = session.DialOld; old.Dial != nil {
		r.dialOld = through(session.DialOld, old.Dial)
	}
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
