package syncer

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postferry/internal/lab"
	"postferry/store"
	"postferry/syncer/problem"
)

// TestNoRoom: an account whose mail can't fit is told of and not begun, by
// passes or visits, until there is room.
func TestNoRoom(t *testing.T) {
	for name, old := range map[string]lab.OddOptions{
		"sizes told": {Caps: capsWithout("LIST-STATUS") + " STATUS=SIZE"},
		"usage told": {Caps: lab.OddCaps + " QUOTA", Quota: 1 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newOddRig(t, old, lab.OddOptions{Caps: lab.OddCaps + " QUOTA", Quota: 4 << 10})
			r.start(false)
			res := r.sync()
			p := res.Problem
			if p == nil || p.Kind != store.OverQuota || p.Server != store.NewSide || p.Advice != store.RetryLater || time.Until(p.Retry) < problem.QuotaRetry/2 ||
				!strings.Contains(p.Summary.String(), "does not fit into its mailbox") || !strings.Contains(p.Summary.String(), "kB") {
				t.Fatalf("%+v, problem %+v", res.Pass, p)
			}
			r.engine.Connected(t.Context(), r.account.ID)
			r.engine.Visit(t.Context(), r.account.ID, "INBOX", nil)
			r.engine.Disconnected(r.account.ID)
			if n := r.new.Count("APPEND"); n > 0 {
				t.Errorf("%d messages were given to a mailbox without room", n)
			}
			r.new.Change(func(opt *lab.OddOptions) { opt.Quota = 1 << 20 })
			r.complete(oddTotal())
			r.arrived(nil)
		})
	}
}

// TestFullMailbox: a mailbox that gets full pauses its account, which goes on by
// itself once there is room. What can't be known before is not held against it.
func TestFullMailbox(t *testing.T) {
	r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{Caps: lab.OddCaps + " QUOTA", Quota: 12 << 10})
	r.start(false)
	p := r.sync().Problem
	if p == nil || p.Kind != store.OverQuota || p.Advice != store.RetryLater || time.Until(p.Retry) < problem.QuotaRetry/2 || !strings.Contains(p.Summary.String(), "is full") {
		t.Fatalf("problem %+v", p)
	}
	r.new.Change(func(opt *lab.OddOptions) { opt.Quota = 1 << 20 })
	if res := r.sync(); res.Problem != nil || !res.Pass.Complete {
		t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
	}
	r.arrived(nil)
}

// TestRoomComesBack: nobody has to ask for an account again that was paused because there
// was no room. While it is paused its servers are left alone; it is tried
// again in the background, and goes on once there is room.
func TestRoomComesBack(t *testing.T) {
	for name, tt := range map[string]struct {
		old, new lab.OddOptions
	}{
		"got full":  {new: lab.OddOptions{Caps: lab.OddCaps + " QUOTA", Quota: 12 << 10}},
		"in words":  {new: lab.OddOptions{Append: func(*lab.OddConn, *lab.OddMessage) string { return "NO You exceeded your mail quota." }}},
		"too small": {lab.OddOptions{Caps: lab.OddCaps + " QUOTA", Quota: 1 << 30}, lab.OddOptions{Caps: lab.OddCaps + " QUOTA", Quota: 4 << 10}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { roomComesBack(t, newOddRigInMemory(t, tt.old, tt.new)) })
		})
	}
}

func roomComesBack(t *testing.T, r *oddRig) {
	r.start(true)
	full := func() bool {
		p := r.row().Problem
		return p != nil && p.Kind == store.OverQuota && r.turn() != nil && !r.busy()
	}
	r.eventually("full", full)
	time.Sleep(10 * time.Minute) // the sessions are idle, and end
	heard := len(r.new.Heard())
	time.Sleep(problem.QuotaRetry / 2)
	if n := len(r.new.Heard()) - heard; n != 0 || !full() {
		t.Errorf("while it is paused the new server hears %d commands", n)
	}
	time.Sleep(problem.QuotaRetry)
	if len(r.new.Heard()) == heard || !full() {
		t.Error("it was not tried again")
	}
	r.new.Change(func(opt *lab.OddOptions) { opt.Quota, opt.Append = 0, nil })
	time.Sleep(2 * problem.QuotaRetry)
	if p := r.row().Problem; p != nil || !r.rig.complete() {
		t.Errorf("problem %+v", p)
	}
	r.arrived(nil)
}

// TestFullMailboxInWords: a server that says it without a response code.
func TestFullMailboxInWords(t *testing.T) {
	r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{Append: func(*lab.OddConn, *lab.OddMessage) string { return "NO [ALERT] You exceeded your mail quota." }})
	r.start(false)
	if p := r.sync().Problem; p == nil || p.Kind != store.OverQuota || p.Advice != store.RetryLater || time.Until(p.Retry) < problem.QuotaRetry/2 {
		t.Errorf("problem %+v", p)
	}
}

// TestAppendLimit: what is larger than the new server takes is not even asked for.
func TestAppendLimit(t *testing.T) {
	for name, new := range map[string]lab.OddOptions{
		"of the server": {Caps: lab.OddCaps + " APPENDLIMIT=1000"},
		"of each folder": {Caps: lab.OddCaps + " APPENDLIMIT", Answer: func(c *lab.OddConn) string {
			if c.Verb == "STATUS" {
				c.Tell("* STATUS " + c.Folder() + " (APPENDLIMIT 1000 MESSAGES 0 UIDNEXT 1 UIDVALIDITY " + c.Validity() + ")\r\n")
				return "OK done"
			}
			return ""
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newOddRig(t, lab.OddOptions{}, new)
			r.start(false)
			large := func(_, body string) bool { return len(body) > 1000 }
			n := 0
			for folder := range oddFolders {
				for _, m := range r.old.Messages(folder) {
					if large(folder, m.Body) {
						n++
					}
				}
			}
			res := r.sync()
			if res.Problem != nil || !res.Pass.Complete || res.Pass.Quarantined != uint64(n) || n == 0 {
				t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
			}
			r.arrived(large)
			for _, q := range r.quarantined() {
				if !strings.Contains(q.Reason.String(), "larger than the new server takes (1 kB)") || q.Again {
					t.Errorf("%+v", q)
				}
			}
		})
	}
}

// TestNoRoomForPOP3: what a POP3 server lists is held against the room, too.
func TestNoRoomForPOP3(t *testing.T) {
	r := newRig(t)
	old, new := lab.StartPOP3(t, lab.POP3Oddities{}, popMails(100)...), lab.StartOdd(t, lab.OddOptions{Caps: lab.OddCaps + " QUOTA", Quota: 2 << 10})
	r.pair, r.cfg.Domains[0].Old, r.cfg.Domains[0].New = nil, old.Server(), new.Server()
	r.start(false)
	p := r.sync().Problem
	if p == nil || p.Kind != store.OverQuota || !strings.Contains(p.Summary.String(), "does not fit into its mailbox") {
		t.Fatalf("problem %+v", p)
	}
	if n := new.Count("APPEND"); n > 0 {
		t.Errorf("%d messages were given to a mailbox without room", n)
	}
	new.Change(func(opt *lab.OddOptions) { opt.Quota = 1 << 20 })
	if res := r.sync(); res.Problem != nil || !res.Pass.Complete || res.Pass.Copied != 100 {
		t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
	}
}
