package syncer

import (
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
)

// shortLived are worlds in which UIDs don't last on one server or on both.
var shortLived = map[string]func(p *fakePair){
	"old server": func(p *fakePair) { p.old.fleeting, p.old.condstor = true, false },
	"new server": func(p *fakePair) { p.new.fleeting = true },
	"both servers": func(p *fakePair) {
		p.old.fleeting, p.old.condstor, p.new.fleeting = true, false, true
	},
	"old server, untold": func(p *fakePair) { p.old.fleeting, p.old.unsaid, p.old.condstor = true, true, false },
	"new server, untold": func(p *fakePair) { p.new.fleeting, p.new.unsaid = true, true },
	"both servers, untold": func(p *fakePair) {
		p.old.fleeting, p.old.unsaid, p.old.condstor, p.new.fleeting, p.new.unsaid = true, true, false, true, true
	},
}

// sinceBackup is a mailbox whose ledger is about to be put back to an earlier state.
type sinceBackup struct {
	*rig
	same string // body of messages that are the same
}

// come delivers so many of them to the old server, and has them copied.
func (b sinceBackup) come(count int) {
	for range count {
		b.pair.old.deliver("INBOX", b.same)
	}
	b.sync()
}

// fleetingPutBack is what happens after that state, in which INBOX has mails 0 to 4 and one of the same ones, until it is put back; what comes before
// anybody looks; and what there has to be more in the end than that, or not any more.
var fleetingPutBack = map[string]struct {
	since, then func(b sinceBackup)
	more        func(same string) []string
	gone        []string
}{
	"nothing": {},
	"mail comes": {
		since: func(b sinceBackup) { b.pair.old.deliver("INBOX", mail(10)); b.sync() },
		more:  func(string) []string { return []string{mail(10)} },
	},
	"more of the same come": {
		since: func(b sinceBackup) { b.come(3) },
		more:  func(same string) []string { return []string{same, same, same} },
	},
	"more of the same come, and again": {
		since: func(b sinceBackup) { b.come(2) },
		then: func(b sinceBackup) {
			b.pair.old.deliver("INBOX", b.same)
			b.pair.old.deliver("INBOX", b.same)
		},
		more: func(same string) []string { return []string{same, same, same, same} },
	},
	"people have their own": {
		since: func(b sinceBackup) {
			b.pair.new.deliver("INBOX", mail(30))
			b.pair.old.deliver("INBOX", mail(10))
			b.sync()
			b.pair.new.deliver("INBOX", mail(31))
		},
		more: func(string) []string { return []string{mail(10), mail(30), mail(31)} },
	},
	"delivered to both": {
		since: func(b sinceBackup) {
			b.pair.new.deliver("INBOX", mail(10))
			b.pair.old.deliver("INBOX", mail(10))
			b.sync()
		},
		then: func(b sinceBackup) {
			b.pair.new.deliver("INBOX", mail(11))
			b.pair.old.deliver("INBOX", mail(11))
		},
		more: func(string) []string { return []string{mail(10), mail(11)} },
	},
	"removed by their user": {
		since: func(b sinceBackup) {
			b.pair.new.remove("INBOX", mail(2))
			b.come(1)
			b.pair.new.remove("INBOX", mail(3))
		},
		more: func(same string) []string { return []string{same} },
		gone: []string{mail(2), mail(3)},
	},
	"moved by their user": {
		since: func(b sinceBackup) {
			b.pair.new.moveMail("INBOX", "Work", mail(2))
			b.pair.old.deliver("INBOX", mail(10))
			b.sync()
			b.pair.new.moveMail("INBOX", "Work", mail(3))
		},
		then: func(b sinceBackup) { b.pair.old.deliver("Work", mail(12)) },
		more: func(string) []string { return []string{mail(10), mail(12)} },
	},
}

// TestPutBackWhereUIDsDontLast: the ledger is put back to an earlier state, where UIDs don't last. What was copied since is recognised: each message of the
// old server is there once, people's own mail as often as they have it, and what they had removed of what that state knows stays so.
func TestPutBackWhereUIDsDontLast(t *testing.T) {
	for world, set := range shortLived {
		for name, c := range fleetingPutBack {
			same := []string{mail(6), oddTwin}
			if c.more == nil {
				same = same[:1]
			}
			for n, body := range same {
				t.Run(fmt.Sprintf("%s, %s, %d", world, name, n), func(t *testing.T) {
					t.Parallel()
					b := sinceBackup{newRigIn(t, inMemory(t)), body}
					set(b.pair)
					want := append(b.begin(), mail(20))
					putBack := b.keepLedger("INBOX")
					if c.since != nil {
						c.since(b)
					}
					b.stop()
					putBack()
					b.start(false)
					if c.then != nil {
						c.then(b)
					}
					b.pair.old.deliver("INBOX", mail(20))
					for range 2 {
						b.sync()
					}
					if c.more != nil {
						want = append(want, c.more(body)...)
					}
					want = slices.DeleteFunc(want, func(body string) bool { return slices.Contains(c.gone, body) })
					got := sorted(slices.Concat(b.pair.new.bodies("INBOX"), b.pair.new.bodies("Work")))
					if !slices.Equal(got, sorted(want)) {
						t.Errorf("%d messages, want %d: %q", len(got), len(want), got)
					}
					b.stop()
				})
			}
		}
	}
}

// begin copies the mail that is there at first.
func (b sinceBackup) begin() (want []string) {
	b.silent = true
	b.pair.old.add("Work")
	b.pair.new.add("Work")
	b.pair.old.deliver("Work", mail(7))
	b.pair.old.deliver("INBOX", b.same)
	for n := range 5 {
		b.pair.old.deliver("INBOX", mail(n))
		want = append(want, mail(n))
	}
	b.start(false)
	b.copies(7)
	return append(want, b.same, mail(7))
}

// TestPOP3PutBack: so it is where the old server has no ids: POP3 without UIDL. Two of the messages are the same.
func TestPOP3PutBack(t *testing.T) {
	for name, odd := range map[string]lab.POP3Oddities{"UIDL": {}, "no UIDL": {NoUIDL: true}, "no UIDL, other sizes": {NoUIDL: true, LFSizes: true}} {
		for _, fleeting := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, new UIDs last: %t", name, !fleeting), func(t *testing.T) {
				t.Parallel()
				r := newPOP3Rig(t, odd, popMails(5)...)
				r.pair.new.fleeting = fleeting
				r.pass(5)
				putBack := r.keepLedger("INBOX")
				twin := popMail(6)
				twin.UID = "twin"
				more := []lab.POP3Mail{popMail(6), twin, popMail(8)}
				r.old.Change(func(_ *lab.POP3Oddities, mails *[]lab.POP3Mail) { *mails = append(*mails, more...) })
				r.pass(3)
				r.pair.new.remove("INBOX", dated(2))
				r.stop()
				putBack()
				r.start(false)
				r.old.Change(func(_ *lab.POP3Oddities, mails *[]lab.POP3Mail) { *mails = append(*mails, popMail(9)) })
				r.pass(1)
				r.wantBodies(dated(0), dated(1), dated(3), dated(4), dated(6), dated(6), dated(8), dated(9))
				r.pass(0)
			})
		}
	}
}

// TestPutBackWithNumbersNoted: the new server's UIDs don't last, and a pass that had nothing to copy has noted how a folder was numbered at
// one opening. The ledger is put back to that, and the new server counts changes anew: what was copied since is recognised.
func TestPutBackWithNumbersNoted(t *testing.T) {
	r := newRig(t)
	r.pair.new.fleeting = true
	r.pair.new.deliver("INBOX", mail(99))
	for n := range 3 {
		r.pair.old.deliver("INBOX", mail(n))
	}
	r.start(false)
	r.copies(3)
	r.pair.old.setFlags("INBOX", mail(0), imap.FlagSeen)
	r.copies(0)
	r.aDayLater()
	r.copies(0)
	if cp := r.folderRow("INBOX").Checkpoint; cp.NewUIDValidity == 0 {
		t.Fatalf("nothing was noted: %+v", cp)
	}
	putBack := r.keepLedger("INBOX")
	r.pair.old.deliver("INBOX", mail(3))
	r.pair.old.deliver("INBOX", mail(4))
	r.copies(2)
	r.stop()
	putBack()
	r.pair.new.setModSeq("INBOX", 1)
	r.start(false)
	r.copies(0)
	r.has("INBOX", append(mails(0, 5), mail(99))...)
}
