package syncer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// labelledRig is Gmail with messages in one to three folders.
func labelledRig(t *testing.T) *allMailRig {
	t.Helper()
	r := newGmailRig(t, "")
	r.cfg.Sync.OldConnections, r.cfg.Sync.NewConnections = 1, 1
	r.arrives(1, "INBOX", "Trips", "Work")
	r.arrives(2, "INBOX")
	r.arrives(3, "Work")
	r.arrives(4, "INBOX", "Work")
	r.arrives(6, "INBOX", "Work")
	r.arrives(5, "Trips", "Work")
	return r
}

// labelledEverywhere are the messages of labelledRig.
var labelledEverywhere = map[string][]int{"INBOX": {1, 2, 4, 6}, "Trips": {1, 5}, "Work": {1, 3, 4, 6, 5}}

// hasLabelled compares both servers: each message is in each of its folders once, with its flags and date.
func (r *allMailRig) hasLabelled(folders map[string][]int) {
	r.t.Helper()
	for name, want := range folders {
		r.has(name, want...)
		for _, n := range want {
			old, new := r.pair.old.message(name, mail(n)), r.pair.new.message(name, mail(n))
			if new.uid != 0 && (!slices.Equal(old.flags, new.flags) || !old.date.Equal(new.date)) {
				r.t.Errorf("%s: %d has flags %v, date %v; want %v, %v", name, n, new.flags, new.date, old.flags, old.date)
			}
		}
	}
}

// message is one of a folder; nothing if it isn't there.
func (f *fakeServer) message(folder, body string) (found fakeMessage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.folders[folder].messages {
		if string(m.body) == body {
			found = *m
		}
	}
	return found
}

// TestLabelledOnce: a message with several labels is downloaded and appended once, and copied from folder to folder on
// the new server, in the order of the old folder.
func TestLabelledOnce(t *testing.T) {
	r := labelledRig(t)
	for _, name := range []string{"INBOX", "Trips", "Work"} {
		r.pair.old.setFlags(name, mail(1), imap.FlagSeen, "$Label1")
	}
	r.pair.new.fail(func(step string) error {
		if step == "+COPY" && len(r.ledger("Trips").Intents)+len(r.ledger("Work").Intents) == 0 {
			t.Error("COPY without an intent")
		}
		return nil
	})
	r.start(false)
	r.pass(11)
	if bodies, copies := r.pair.old.count("BODY"), r.pair.new.count("COPY"); bodies != 6 || copies != 4 {
		t.Errorf("%d bodies were downloaded, want 6; %d times COPY, want 4", bodies, copies)
	}
	r.hasLabelled(labelledEverywhere)
	if got := r.pair.new.bodies("Work"); !slices.Equal(got, []string{mail(1), mail(3), mail(4), mail(6), mail(5)}) {
		t.Errorf("the order of Work: %q", got)
	}
	r.pass(0)
	r.pair.old.setFlags("Work", mail(1), imap.FlagFlagged)
	r.pass(0)
	r.hasLabelled(labelledEverywhere)
}

// TestLabelledBroughtAgain: what can't be copied from folder to folder is downloaded for each of its folders, and nothing
// is lost or doubled.
func TestLabelledBroughtAgain(t *testing.T) {
	other := strings.Replace(mail(1), "<1@", "<x@", 1)
	for name, tt := range map[string]struct {
		change func(r *allMailRig)
		before func(r *allMailRig, step string) // a step of the new server
		bodies int
		copies int      // COPYs; 0 for any number
		inbox  []string // of the new server; nil for all
	}{
		"no UIDPLUS":           {change: func(r *allMailRig) { r.pair.new.uidplus = false }, bodies: 11},
		"UIDs that don't last": {change: func(r *allMailRig) { r.pair.new.fleeting = true }, bodies: 11},
		"no COPYUID":           {change: func(r *allMailRig) { saysNothing(r.pair.new) }, bodies: 9},
		"COPYUID of others": {change: tellsCopies(func(m upstream.Moved) upstream.Moved {
			for i := range m.To {
				m.To[i] = 1
			}
			return m
		}), bodies: 7},
		"COPYUID of some": {change: tellsCopies(func(m upstream.Moved) upstream.Moved {
			if n := len(m.To); n > 1 {
				m.From, m.To = m.From[:n-1], m.To[:n-1]
			}
			return m
		}), bodies: 7},
		"full":            {change: refusesCopy(imap.ResponseCodeOverQuota), bodies: 11, copies: 3},
		"no such folder":  {change: refusesCopy(imap.ResponseCodeTryCreate), bodies: 11, copies: 3},
		"another refusal": {change: refusesCopy(""), bodies: 11, copies: 3},
		"breaks at each": {change: func(r *allMailRig) {
			r.pair.new.fail(func(step string) error {
				if step == "+COPY" {
					return lostError("UID COPY")
				}
				return nil
			})
		}, bodies: 11, copies: 2},
		"deleted by its user": {before: func(r *allMailRig, step string) {
			if step == "+EXAMINE" {
				r.pair.new.dropLocked("INBOX", mail(1))
			}
		}, bodies: 7, inbox: []string{mail(2), mail(4), mail(6)}},
		"deleted just before": {before: func(r *allMailRig, step string) {
			if step == "+COPY" {
				r.pair.new.dropLocked("INBOX", mail(1))
			}
		}, bodies: 8, inbox: []string{mail(2), mail(4), mail(6)}},
		"marked as deleted": {before: func(r *allMailRig, step string) {
			for _, m := range r.pair.new.folders["INBOX"].messages {
				if step == "+EXAMINE" && string(m.body) == mail(1) {
					m.flags = []imap.Flag{imap.FlagDeleted}
				}
			}
		}, bodies: 7},
		"another one in its place": {before: func(r *allMailRig, step string) {
			for _, m := range r.pair.new.folders["INBOX"].messages {
				if step == "+EXAMINE" && string(m.body) == mail(1) {
					m.body = []byte(other)
				}
			}
		}, bodies: 7, inbox: []string{other, mail(2), mail(4), mail(6), mail(1)}},
		"numbered anew": {before: func(r *allMailRig, step string) {
			if f := r.pair.new.folders["INBOX"]; step == "+EXAMINE" {
				f.validity = 77
			}
		}, bodies: 9},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := labelledRig(t)
				if tt.change != nil {
					tt.change(r)
				}
				if tt.before != nil {
					r.pair.new.fail(func(step string) error {
						if f := r.pair.new.folders["Trips"]; f != nil && len(r.pair.new.folders["INBOX"].messages) == 4 {
							tt.before(r, step)
						}
						return nil
					})
				}
				r.start(false)
				r.pass(11)
				if n := r.pair.old.count("BODY"); n != tt.bodies {
					t.Errorf("%d bodies were downloaded, want %d", n, tt.bodies)
				}
				if n := r.pair.new.count("COPY"); tt.copies > 0 && n != tt.copies {
					t.Errorf("%d times COPY, want %d", n, tt.copies)
				}
				r.sync()
				r.pass(0)
				for name, want := range labelledEverywhere {
					if name != "INBOX" || tt.inbox == nil {
						r.has(name, want...)
					}
				}
				if got := r.pair.new.bodies("INBOX"); tt.inbox != nil && !slices.Equal(got, tt.inbox) {
					t.Errorf("INBOX has %q", got)
				}
			})
		})
	}
}

// tellsCopies has the new server say something else of copies.
func tellsCopies(told func(upstream.Moved) upstream.Moved) func(*allMailRig) {
	return func(r *allMailRig) { r.pair.new.tellCopies = told }
}

// refusesCopy has the new server refuse each COPY.
func refusesCopy(code imap.ResponseCode) func(*allMailRig) {
	return func(r *allMailRig) { r.pair.new.refuseCopy = func() error { return refusedError("UID COPY", code) } }
}

// dropLocked removes a message. The caller holds the lock.
func (f *fakeServer) dropLocked(folder, body string) {
	b := f.folders[folder]
	b.messages = slices.DeleteFunc(b.messages, func(m *fakeMessage) bool { return string(m.body) == body })
}

// TestLabelledAgain: what was copied in an earlier run of the program is known again where much is to be saved.
func TestLabelledAgain(t *testing.T) {
	r := newGmailRig(t, "")
	large := func(n int) string { return mail(n) + strings.Repeat("some text, some text\r\n", 100) }
	for n := range 20 {
		r.pair.old.deliver("INBOX", large(n))
	}
	r.start(false)
	r.pass(20)
	r.stop()
	r.pair.old.add("Work")
	for n := range 10 {
		r.pair.old.deliver("Work", large(n))
	}
	r.start(false)
	r.pass(10)
	if n := r.pair.old.count("BODY"); n != 20 {
		t.Errorf("%d bodies were downloaded", n)
	}
	if got := r.pair.new.bodies("Work"); len(got) != 10 || got[9] != large(9) {
		t.Errorf("Work has %d messages", len(got))
	}
	r.pass(0)
}

// TestLabelledFlags: what its user has done with the copy that is copied is not done with the new one: that is as the old
// server's message.
func TestLabelledFlags(t *testing.T) {
	r := labelledRig(t)
	r.pair.old.setFlags("INBOX", mail(4), imap.FlagFlagged)
	r.pair.old.setFlags("Work", mail(4), imap.FlagFlagged)
	read := false
	r.pair.new.fail(func(step string) error {
		if f := r.pair.new.folders["INBOX"]; step == "+EXAMINE" && !read && len(f.messages) == 4 {
			for _, m := range f.messages {
				m.flags = []imap.Flag{imap.FlagSeen}
			}
			read = true
		}
		return nil
	})
	r.start(false)
	r.pass(11)
	r.hasLabelled(map[string][]int{"Trips": {1, 5}, "Work": {1, 3, 4, 6, 5}})
	if n := r.pair.old.count("BODY"); n != 6 || !read {
		t.Errorf("%d bodies were downloaded", n)
	}
	if got := r.pair.new.flags("INBOX", mail(1)); !slices.Equal(got, []imap.Flag{imap.FlagSeen}) {
		t.Errorf("INBOX: flags %v", got)
	}
}

// sameIDs is a server that tells one id of all its messages.
type sameIDs struct{ gmailSession }

func (s sameIDs) Labels(ctx context.Context, set imap.UIDSet, fn func(upstream.Labelled) error) error {
	return s.gmailSession.Labels(ctx, set, func(l upstream.Labelled) error {
		l.ID = 7
		return fn(l)
	})
}

// TestLabelledIDsThatLie: ids are the old server's word; messages that have one id and are different ones are both copied.
func TestLabelledIDsThatLie(t *testing.T) {
	r := newGmailRig(t, "")
	r.dialOld = func(_ context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Source, error) {
		s, err := r.pair.dial(server, c, opt)
		return session.IMAPSource{IMAPReader: sameIDs{gmailSession{s, ""}}}, err
	}
	r.arrives(1, "INBOX")
	r.arrives(2, "Work")
	r.start(false)
	r.pass(2)
	r.has("INBOX", 1)
	r.has("Work", 2)
	if n := r.pair.new.count("COPY"); n != 0 {
		t.Errorf("%d times COPY", n)
	}
}

// TestLabelledOneAfterTheOther: however long a folder takes, no other one is pulled beside it, where both would download what
// they have in common. Where nothing can be copied from folder to folder, they are pulled at the same time.
func TestLabelledOneAfterTheOther(t *testing.T) {
	for name, tt := range map[string]struct {
		uidplus bool
		bodies  int
	}{"copied": {true, 6}, "no UIDPLUS": {false, 11}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := labelledRig(t)
				r.pair.new.uidplus = tt.uidplus
				r.cfg.Sync.OldConnections, r.cfg.Sync.NewConnections = 6, 6
				var begun, together atomic.Int64
				r.pair.old.slow(func(op string) time.Duration {
					if op != "BODIES" {
						return 0
					}
					if begun.Add(1) > int64(r.pair.old.count(op))+1 {
						together.Add(1)
					}
					return widenAfter * 3 / 2
				})
				r.start(false)
				r.pass(11)
				if n := r.pair.old.count("BODY"); n != tt.bodies || together.Load() > 0 == tt.uidplus {
					t.Errorf("%d bodies were downloaded, want %d; %d times while others were", n, tt.bodies, together.Load())
				}
				r.hasLabelled(labelledEverywhere)
			})
		})
	}
}

// TestLabelledForgotten: what is remembered of messages goes with the end of a pass that is not to go on at once, complete or
// not: people stay connected for days, and there may be many.
func TestLabelledForgotten(t *testing.T) {
	for name, tt := range map[string]struct {
		options passOptions
		change  func(r *allMailRig)
	}{
		"complete":   {},
		"INBOX only": {options: passOptions{inboxOnly: true}},
		"with a problem": {change: func(r *allMailRig) {
			r.pair.new.refuse = func([]byte) error {
				return &link.Error{Server: "fake", Op: "APPEND", Class: link.Fix, Code: imap.ResponseCodeOverQuota, Text: "full", Err: errors.New("NO")}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := labelledRig(t)
				if tt.change != nil {
					tt.change(r)
				}
				r.start(false)
				a, leave, err := r.engine.registry.acquire(t.Context(), r.account.ID)
				if err != nil {
					t.Fatal(err)
				}
				defer leave()
				if _, err := r.engine.scheduler.passOver(t.Context(), r.account.ID, tt.options); err != nil {
					t.Fatal(err)
				}
				if r.pair.old.count("LABELS") == 0 {
					t.Error("nothing was asked for")
				}
				if place, known := a.labelled.Of(gmailID([]byte(mail(1)))); known {
					t.Errorf("it is remembered at %+v", place)
				}
			})
		})
	}
}
