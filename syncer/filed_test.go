package syncer

import (
	"slices"
	"strings"
	"testing"
)

// filing lets the new server move what is appended to INBOX, if it is one of some messages, into another folder as it comes: a script
// or a plugin does that. The UIDs that it tells are those which the messages had for a moment.
func filing(s *fakeServer, to string, which func(body string) bool) {
	s.fail(func(step string) error {
		if step != "-APPEND" {
			return nil
		}
		from := s.folders["INBOX"]
		if s.folders[to] == nil {
			s.addLocked(to)
		}
		from.messages = slices.DeleteFunc(from.messages, func(m *fakeMessage) bool {
			if !which(string(m.body)) {
				return false
			}
			s.folders[to].append(m.body, m.flags, m.date)
			return true
		})
		return nil
	})
}

// TestFiledAsTheyCome: what a script of the new server files elsewhere has come, once: nothing is sent again for it, in later
// passes neither, whether or not the server says where it put it, and also if the answer is lost. Where the old server has the same
// messages in that folder, too, they are there twice.
func TestFiledAsTheyCome(t *testing.T) {
	every := func(string) bool { return true }
	third := func(body string) bool { return strings.Contains(body, "Subject: 3\r\n") }
	for name, which := range map[string]func(string) bool{"all": every, "one": third} {
		for _, uidplus := range []bool{true, false} {
			for _, as := range []string{"as it is", "the same there", "the answer is lost", "a known folder"} {
				t.Run(name+" "+as, func(t *testing.T) {
					t.Parallel()
					inBubble(t, func(t *testing.T) {
						r := newRigIn(t, inMemory(t))
						r.silent = true
						r.pair.new.uidplus = uidplus
						want := mails(0, 10)
						for n := range 10 {
							r.pair.old.deliver("INBOX", mail(n))
						}
						switch as {
						case "the same there":
							r.pair.old.add("Lists")
							for n := range 10 {
								r.pair.old.deliver("Lists", mail(n))
							}
							want = append(want, want...)
						case "a known folder":
							r.pair.old.add("Lists")
							r.pair.new.add("Lists")
							r.pair.old.deliver("Lists", mail(20))
							want = append(want, mail(20))
						}
						filing(r.pair.new, "Lists", which)
						if as == "the answer is lost" {
							filed, once := r.pair.new.fault, false
							r.pair.new.fail(func(step string) error {
								if err := filed(step); err != nil || step != "-APPEND" || once {
									return err
								}
								once = true
								return lostError(step)
							})
						}
						r.start(false)
						for range 3 {
							if res := r.sync(); res.Problem != nil || !res.Pass.Complete {
								t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
							}
						}
						r.once(want...)
						r.pair.old.deliver("INBOX", mail(3)+"more\r\n")
						r.copies(1)
						r.once(append(want, mail(3)+"more\r\n")...)
						r.quietPass()
					})
				})
			}
		}
	}
}
