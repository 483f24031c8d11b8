package syncer

import (
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// rigOfTwo has ten messages in INBOX and five in Work, all of them copied.
func rigOfTwo(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.pair.old.add("Work")
	for i := range 10 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	for i := range 5 {
		r.pair.old.deliver("Work", mail(100+i))
	}
	r.start(false)
	r.copies(15)
	return r
}

// once wants each of these messages exactly once on the new server, in whatever folder.
func (r *rig) once(want ...string) {
	r.t.Helper()
	var got []string
	for name := range r.pair.new.folders {
		got = append(got, r.pair.new.bodies(name)...)
	}
	if got, want = sorted(got), sorted(slices.Clone(want)); !slices.Equal(got, want) {
		r.t.Errorf("the new server has %d messages, want %d:\n%s", len(got), len(want), difference(want, got))
	}
}

// all15 are the messages of rigOfTwo.
func all15() []string { return append(mails(0, 10), mails(100, 105)...) }

// TestMovedOnOldServer moves copied messages on the old server: none is copied again, and none
// comes back whose copy its user has removed.
func TestMovedOnOldServer(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(old *fakeServer, pass func())
		want []string // besides those that were there
	}{
		"to a known folder": {do: func(old *fakeServer, _ func()) { old.moveMail("INBOX", "Work", mail(1)) }},
		"to a new folder": {do: func(old *fakeServer, _ func()) {
			old.add("Later")
			old.moveMail("INBOX", "Later", mail(1))
		}},
		"there and back": {do: func(old *fakeServer, pass func()) {
			old.moveMail("INBOX", "Work", mail(1))
			pass()
			old.moveMail("Work", "INBOX", mail(1))
		}},
		"on and on": {do: func(old *fakeServer, pass func()) {
			for i := range 4 {
				to := fmt.Sprint("F", i)
				old.add(to)
				old.moveMail([]string{"INBOX", "F0", "F1", "F2"}[i], to, mail(1))
				pass()
			}
		}},
		"several, with late mail": {
			do: func(old *fakeServer, _ func()) {
				for i := range 5 {
					old.moveMail("INBOX", "Work", mail(i))
					old.moveMail("Work", "INBOX", mail(100+i))
					old.deliver("INBOX", mail(200+i))
				}
			},
			want: mails(200, 205),
		},
		"seen in two passes": {do: func(old *fakeServer, pass func()) {
			old.mu.Lock()
			from := old.folders["INBOX"]
			moved := from.messages[1]
			from.messages = slices.Delete(slices.Clone(from.messages), 1, 2)
			from.modseq++
			old.mu.Unlock()
			pass()
			old.deliver("Work", string(moved.body))
		}},
		"a folder that is deleted then": {do: func(old *fakeServer, _ func()) {
			for i := range 5 {
				old.moveMail("Work", "INBOX", mail(100+i))
			}
			old.mu.Lock()
			delete(old.folders, "Work")
			old.mu.Unlock()
		}},
		"copied there, not moved": {
			do:   func(old *fakeServer, _ func()) { old.deliver("Work", mail(1)) },
			want: mails(1, 2),
		},
		"moved, and another like it has come": {
			do: func(old *fakeServer, _ func()) {
				old.moveMail("INBOX", "Work", mail(1))
				old.deliver("Work", mail(1))
			},
			want: mails(1, 2),
		},
		"one of two that are the same": {
			do: func(old *fakeServer, pass func()) {
				old.deliver("INBOX", mail(1))
				pass()
				old.moveMail("INBOX", "Work", mail(1))
			},
			want: mails(1, 2),
		},
		"both that are the same": {
			do: func(old *fakeServer, pass func()) {
				old.deliver("INBOX", mail(1))
				pass()
				old.moveMail("INBOX", "Work", mail(1))
				old.moveMail("INBOX", "Work", mail(1))
			},
			want: mails(1, 2),
		},
		"renamed": {do: func(old *fakeServer, _ func()) { old.rename("Work", "Project") }},
		"renamed, with another UIDVALIDITY": {do: func(old *fakeServer, _ func()) {
			old.rename("Work", "Project")
			old.renumber("Project")
		}},
		"renamed to what another was": {do: func(old *fakeServer, pass func()) {
			old.rename("Work", "Project")
			old.add("Work")
		}},
		"two that are swapped": {do: func(old *fakeServer, pass func()) {
			old.add("Other")
			old.moveMail("INBOX", "Other", mail(1))
			pass()
			old.rename("Work", "tmp")
			old.rename("Other", "Work")
			old.rename("tmp", "Other")
		}},
	} {
		for _, removed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, removed %t", name, removed), func(t *testing.T) {
				t.Parallel()
				r := rigOfTwo(t)
				want := append(all15(), c.want...)
				if removed {
					r.pair.new.remove("INBOX", mail(3))
					r.pair.new.remove("Work", mail(103))
					want = slices.DeleteFunc(want, func(b string) bool { return b == mail(3) || b == mail(103) })
				}
				c.do(r.pair.old, func() {
					if res := r.sync(); !res.Pass.Complete {
						t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
					}
				})
				for range 2 {
					if res := r.sync(); !res.Pass.Complete {
						t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
					}
				}
				r.once(want...)
				r.quietPass()
			})
		}
	}
}

// TestMovedMailThatIsRemoved: what was removed on the new server does not come back when its original is moved.
func TestMovedMailThatIsRemoved(t *testing.T) {
	r := rigOfTwo(t)
	r.pair.new.remove("INBOX", mail(1))
	r.pair.old.moveMail("INBOX", "Work", mail(1))
	r.copies(0)
	r.pair.old.add("Third")
	r.pair.old.moveMail("Work", "Third", mail(1))
	r.copies(0)
	r.once(slices.DeleteFunc(all15(), func(b string) bool { return b == mail(1) })...)
}

// TestOldServerGivesOtherUIDs under the same UIDVALIDITY, higher ones than before or lower ones: nothing
// is copied again, what its user had removed stays so, and flags go on being carried over.
func TestOldServerGivesOtherUIDs(t *testing.T) {
	reversed := func(a, b *fakeMessage) int { return int(b.uid) - int(a.uid) }
	for _, from := range []imap.UID{1, 5, 21, 100} {
		for _, order := range []string{"the same", "the opposite"} {
			for _, condStore := range []bool{true, false} {
				t.Run(fmt.Sprintf("from %d, order %s, CONDSTORE %t", from, order, condStore), func(t *testing.T) {
					t.Parallel()
					r := newRig(t)
					r.pair.old.condstor = condStore
					for i := range 20 {
						r.pair.old.deliver("INBOX", mail(i))
					}
					r.start(false)
					r.copies(20)
					for i := range 5 {
						r.pair.new.remove("INBOX", mail(2*i))
					}
					var by func(a, b *fakeMessage) int
					if order != "the same" {
						by = reversed
					}
					r.pair.old.setFlags("INBOX", mail(1), imap.FlagSeen)
					r.pair.old.number("INBOX", from, by)
					r.pair.old.deliver("INBOX", mail(20))
					r.copies(1)
					want := append(mails(9, 21), mail(1), mail(3), mail(5), mail(7))
					r.has("INBOX", want...)
					for i := range 21 {
						r.pair.old.setFlags("INBOX", mail(i), imap.FlagFlagged)
					}
					r.copies(0)
					r.has("INBOX", want...)
					for _, body := range want {
						if got := r.pair.new.flags("INBOX", body); !slices.Equal(got, []imap.Flag{imap.FlagFlagged}) {
							t.Errorf("%q has %v", body, got)
						}
					}
					r.quietPass()
				})
			}
		}
	}
}

// TestKnownMessageComesBack: what a restored old server lacked is known when it is put back there.
func TestKnownMessageComesBack(t *testing.T) {
	for _, fresh := range []int{0, 1, 3, 5} {
		t.Run(fmt.Sprint(fresh), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for i := range 4 {
				r.pair.old.deliver("INBOX", mail(i))
			}
			putBack := r.pair.old.keep("INBOX")
			for i := range 3 {
				r.pair.old.deliver("INBOX", mail(4+i))
			}
			r.start(false)
			r.copies(7)
			putBack()
			for i := range fresh {
				r.pair.old.deliver("INBOX", mail(100+i))
			}
			r.pair.old.setFlags("INBOX", mail(0), imap.FlagSeen)
			r.copies(fresh)
			for i := range 3 {
				r.pair.old.deliver("INBOX", mail(4+i))
			}
			r.copies(0)
			r.has("INBOX", append(mails(0, 7), mails(100, 100+fresh)...)...)
			r.quietPass()
		})
	}
}

// TestCopiedFromNumberedFolder: a message that lies in two folders of the old server is in both on the new one, although the server
// has given other UIDs to those of the first since that was pulled: nothing was moved.
func TestCopiedFromNumberedFolder(t *testing.T) {
	reversed := func(a, b *fakeMessage) int { return int(b.uid) - int(a.uid) }
	for name, number := range map[string]func(old *fakeServer){
		"higher UIDs":                   func(old *fakeServer) { old.number("Work", old.folder("Work").next, nil) },
		"higher UIDs, in another order": func(old *fakeServer) { old.number("Work", old.folder("Work").next, reversed) },
		"much higher UIDs":              func(old *fakeServer) { old.number("Work", 100, nil) },
		"lower UIDs": func(old *fakeServer) {
			old.remove("Work", mail(104))
			old.number("Work", 1, reversed)
			old.remove("Work", mail(102))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rigOfTwo(t)
			number(r.pair.old)
			r.pair.old.deliver("INBOX", mail(101))
			r.pair.old.moveMail("Work", "INBOX", mail(103))
			r.pair.old.deliver("Work", mail(105))
			for range 2 {
				if res := r.sync(); !res.Pass.Complete {
					t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
				}
			}
			r.has("INBOX", append(mails(0, 10), mail(101))...)
			r.has("Work", mails(100, 106)...)
		})
	}
}
