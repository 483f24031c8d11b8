package syncer

import (
	"fmt"
	"testing"
)

// afterwards are what befalls a mailbox after it was copied; before is called with fewer messages in it.
var afterwards = map[string]struct {
	before func(r *rig) (after func())
	unseen bool // that the account can't be recognised by what is known as long as it hasn't been looked at since, but by its login
}{
	"the new server was put back": {before: func(r *rig) func() { return r.pair.new.keep("INBOX") }},
	"the old server was put back": {before: func(r *rig) func() { return r.pair.old.keep("INBOX") }},
	"both were put back": {before: func(r *rig) func() {
		old, new := r.pair.old.keep("INBOX"), r.pair.new.keep("INBOX")
		return func() { old(); new() }
	}},
	"the old server was put back, and mail has come": {before: func(r *rig) func() {
		putBack := r.pair.old.keep("INBOX")
		return func() {
			putBack()
			for i := range 9 {
				r.pair.old.deliver("INBOX", mail(100+i))
			}
		}
	}},
	"the new server has numbered INBOX anew": {before: func(r *rig) func() { return func() { r.pair.new.renumber("INBOX") } }},
	"the old server has numbered INBOX anew": {unseen: true, before: func(r *rig) func() { return func() { r.pair.old.renumber("INBOX") } }},
}

// TestSecondLoginAfterAccident: a second login of a mailbox comes after a server was put back to an earlier state, or has numbered INBOX anew.
// It is recognised all the same, whether the first one has been looked at since or not, and whether the engine has been started anew
// or not: nothing is copied twice.
func TestSecondLoginAfterAccident(t *testing.T) {
	for name, accident := range afterwards {
		for _, login := range []string{"anna", "sales@example.com"} {
			for _, seen := range []bool{false, true} {
				if accident.unseen && !seen && login != "anna" {
					continue
				}
				for _, restarted := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s/seen %t/restarted %t", name, login, seen, restarted), func(t *testing.T) {
						t.Parallel()
						inBubble(t, func(t *testing.T) {
							r := newRigIn(t, inMemory(t))
							r.silent = true
							for i := range 14 {
								r.pair.old.deliver("INBOX", mail(i))
							}
							r.start(false)
							r.copies(14)
							after := accident.before(r)
							for i := range 6 {
								r.pair.old.deliver("INBOX", mail(14+i))
							}
							r.copies(6)
							after()
							if seen {
								r.sync()
							}
							if restarted {
								r.stop()
								r.start(false)
							}
							second := r.second(login, annasPassword)
							r.syncAll(second)
							if of := r.rowOf(second).Alias; of != r.account.ID {
								t.Errorf("the second login leads to %d; %+v", of, r.rowOf(second).Problem)
							}
							r.syncAll(r.account.ID)
							r.syncAll(r.account.ID)
							want := mails(0, 20)
							for i := range 9 {
								if body := mail(100 + i); r.pair.old.highest("INBOX", body) != 0 {
									want = append(want, body)
								}
							}
							if name == "both were put back" {
								want = mails(0, 14)
							}
							r.has("INBOX", want...)
						})
					})
				}
			}
		}
	}
}
