package syncer

import (
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
	"postferry/syncer/session"
)

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
	r.dialOld = session.DialOld
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
