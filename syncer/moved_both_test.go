package syncer

import (
	"context"
	"testing"
)

// bothServers is a mailbox whose owner does the same on both servers.
type bothServers struct {
	*rig
	body string // of the messages that are the same
}

// move moves one of the messages on both servers.
func (b bothServers) move(from, to string) {
	b.pair.old.moveMail(from, to, b.body)
	b.pair.new.moveMail(from, to, b.body)
}

// come delivers messages to the old server.
func (b bothServers) come(name string, count int) {
	for range count {
		b.pair.old.deliver(name, b.body)
	}
}

// pass wants a pass that leaves nothing behind.
func (b bothServers) pass() {
	b.t.Helper()
	if res := b.sync(); res.Problem != nil || !res.Pass.Complete {
		b.t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
	}
}

// look is a visit of a folder: nobody looks at the others.
func (b bothServers) look(name string) {
	ctx := context.Background()
	b.engine.Connected(ctx, b.account.ID)
	b.engine.Visit(ctx, b.account.ID, name, nil)
	b.engine.Disconnected(b.account.ID)
}

// sameMoved is what is done with messages that are the same, how many there are in INBOX when it begins, and how many
// are to be on the new server in the end.
var sameMoved = map[string]struct {
	first, want int
	do          func(b bothServers)
}{
	"moved, two come to where it is": {1, 3, func(b bothServers) {
		b.move("INBOX", "Work")
		b.come("Work", 2)
	}},
	"moved, two come to where it was": {1, 3, func(b bothServers) {
		b.move("INBOX", "Work")
		b.come("INBOX", 2)
	}},
	"moved, one comes to either": {1, 3, func(b bothServers) {
		b.move("INBOX", "Work")
		b.come("INBOX", 1)
		b.come("Work", 1)
	}},
	"moved and looked at, one comes to either": {1, 3, func(b bothServers) {
		b.move("INBOX", "Work")
		b.look("Work")
		b.come("INBOX", 1)
		b.come("Work", 1)
	}},
	"moved, one comes to where it was, looked at": {1, 2, func(b bothServers) {
		b.move("INBOX", "Work")
		b.come("INBOX", 1)
		b.look("INBOX")
	}},
	"moved and looked at": {1, 1, func(b bothServers) {
		b.move("INBOX", "Work")
		b.look("Work")
	}},
	"two moved, one comes": {2, 3, func(b bothServers) {
		b.move("INBOX", "Work")
		b.move("INBOX", "Work")
		b.come("Work", 1)
	}},
	"one of two moved, two come": {2, 4, func(b bothServers) {
		b.move("INBOX", "Work")
		b.come("Work", 1)
		b.come("INBOX", 1)
	}},
	"moved and moved back, one comes": {1, 2, func(b bothServers) {
		b.move("INBOX", "Work")
		b.come("Work", 1)
		b.pass()
		b.move("Work", "INBOX")
	}},
	"moved back before anybody looked, one comes": {1, 2, func(b bothServers) {
		b.move("INBOX", "Work")
		b.move("Work", "INBOX")
		b.come("INBOX", 1)
	}},
	"one moved, the other removed on the old server, one comes": {2, 2, func(b bothServers) {
		b.move("INBOX", "Work")
		b.pair.old.remove("INBOX", b.body)
		b.come("Work", 1)
	}},
	"one moved, the other removed on the new server, one comes": {2, 2, func(b bothServers) {
		b.move("INBOX", "Work")
		b.pair.new.remove("INBOX", b.body)
		b.come("Work", 1)
	}},
	"moved on the new server, copied on the old one": {1, 2, func(b bothServers) {
		b.pair.new.moveMail("INBOX", "Work", b.body)
		b.come("Work", 1)
	}},
	"moved on one server after the other, one comes": {1, 2, func(b bothServers) {
		b.pair.old.moveMail("INBOX", "Work", b.body)
		b.pass()
		b.pair.new.moveMail("INBOX", "Work", b.body)
		b.come("Work", 1)
	}},
	"moved on one server after the other way round, one comes": {1, 2, func(b bothServers) {
		b.pair.new.moveMail("INBOX", "Work", b.body)
		b.pass()
		b.pair.old.moveMail("INBOX", "Work", b.body)
		b.come("Work", 1)
	}},
	"moved to a folder that is made for it, one comes": {1, 2, func(b bothServers) {
		b.pair.old.add("Later")
		b.pair.new.add("Later")
		b.move("INBOX", "Later")
		b.come("Later", 1)
	}},
	"moved on, one comes": {1, 2, func(b bothServers) {
		b.pair.old.add("Later")
		b.pair.new.add("Later")
		b.pass()
		b.move("INBOX", "Work")
		b.pass()
		b.move("Work", "Later")
		b.come("Later", 1)
	}},
	"moved into a folder with another UIDVALIDITY on the new server, one comes": {1, 2, func(b bothServers) {
		b.move("INBOX", "Work")
		b.pair.new.renumber("Work")
		b.come("Work", 1)
	}},
	"moved into a folder with another UIDVALIDITY on the old server, one comes": {1, 2, func(b bothServers) {
		b.move("INBOX", "Work")
		b.pair.old.renumber("Work")
		b.come("Work", 1)
	}},
	"moved out of a folder with another UIDVALIDITY on the new server, one comes": {1, 2, func(b bothServers) {
		b.move("INBOX", "Work")
		b.pair.new.renumber("INBOX")
		b.come("Work", 1)
	}},
	"moved out of a folder with another UIDVALIDITY on the old server, one comes": {1, 2, func(b bothServers) {
		b.move("INBOX", "Work")
		b.pair.old.renumber("INBOX")
		b.come("INBOX", 1)
	}},
	"moved into a folder that is renamed on both servers, one comes": {1, 2, func(b bothServers) {
		b.move("INBOX", "Work")
		b.pair.old.rename("Work", "Project")
		b.pair.new.rename("Work", "Project")
		b.come("Project", 1)
	}},
	"moved, removed where it is, one comes": {1, 1, func(b bothServers) {
		b.move("INBOX", "Work")
		b.pass()
		b.pair.new.remove("Work", b.body)
		b.come("Work", 1)
	}},
	"delivered to both servers, moved, delivered to both again": {0, 2, func(b bothServers) {
		b.come("INBOX", 1)
		b.pair.new.deliver("INBOX", b.body)
		b.pass()
		b.move("INBOX", "Work")
		b.come("Work", 1)
		b.pair.new.deliver("Work", b.body)
	}},
}

// TestSameMovedOnBothServers: of messages that are the same, some are moved on both servers, and others come before anybody looks:
// each copy stands for one of them, wherever it has been moved. Nothing is lost and nothing doubled. It is the same where the
// new server says nothing of the UIDs that it gives.
func TestSameMovedOnBothServers(t *testing.T) {
	for name, c := range sameMoved {
		for kind, plain := range map[string]bool{"": false, "without UIDPLUS": true, "UIDs don't last": false} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				r := newRigIn(t, inMemory(t))
				r.silent = true
				r.pair.new.uidplus, r.pair.new.fleeting = !plain, kind == "UIDs don't last"
				b := bothServers{r, mail(3)}
				for _, s := range []*fakeServer{r.pair.old, r.pair.new} {
					s.add("Work")
				}
				r.pair.old.deliver("INBOX", mail(1))
				r.pair.old.deliver("Work", mail(2))
				b.come("INBOX", c.first)
				r.start(false)
				b.pass()
				c.do(b)
				b.pass()
				b.pass()
				want := []string{mail(1), mail(2)}
				for range c.want {
					want = append(want, b.body)
				}
				r.once(want...)
			})
		}
	}
}
