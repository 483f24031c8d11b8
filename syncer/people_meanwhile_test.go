package syncer

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// meanwhileAct is what somebody does to a server, whose lock is held.
type meanwhileAct struct {
	onNew bool   // at the new server
	in    string // the folder; INBOX if it is empty
	do    func(s *fakeServer)
	told  bool // that there is trouble may still be told afterwards
	// check looks at the end whether all is as it should be; all are the messages that there were.
	check func(r *rig, all []string)
}

// moveHalf moves every second message of INBOX to Work.
func moveHalf(s *fakeServer) {
	n := 0
	inbox, work := s.folders["INBOX"], s.folders["Work"]
	if work == nil {
		return
	}
	inbox.messages = slices.DeleteFunc(inbox.messages, func(m *fakeMessage) bool {
		if n++; n%2 == 0 {
			return false
		}
		work.append(m.body, m.flags, m.date)
		return true
	})
	inbox.modseq++
}

// empty removes all that is in INBOX.
func empty(s *fakeServer) {
	s.folders["INBOX"].messages = nil
	s.folders["INBOX"].modseq++
}

// reverse gives the messages of INBOX each other's UIDs, and nobody loses the connection.
func reverse(s *fakeServer) {
	box := s.folders["INBOX"]
	slices.Reverse(box.messages)
	for i, m := range box.messages {
		m.uid = imap.UID(i + 1)
	}
}

// shift gives them higher UIDs.
func shift(s *fakeServer) {
	box := s.folders["INBOX"]
	for _, m := range box.messages {
		m.uid += 3
	}
	box.next += 3
}

// replace puts another folder of the same name and UIDVALIDITY in the place of Work.
func replace(s *fakeServer) {
	was := s.folders["Work"]
	was.void = true
	now := &fakeFolder{validity: was.validity, next: 1, modseq: was.modseq + 1}
	for i := range len(was.messages) + 3 {
		now.append([]byte(mail(500+i)), nil, time.Unix(1700000000, 0))
	}
	s.folders["Work"] = now
}

// copyHalf copies every second message of INBOX to Work.
func copyHalf(s *fakeServer) {
	for n, m := range s.folders["INBOX"].messages {
		if n%2 == 0 {
			s.folders["Work"].append(m.body, m.flags, m.date)
		}
	}
}

// renameWork gives Work another name, and whoever has it open keeps it.
func renameWork(s *fakeServer) {
	if s.folders["Work"] != nil {
		s.folders["Project"] = s.folders["Work"]
		delete(s.folders, "Work")
	}
}

// numberAnew gives INBOX another UIDVALIDITY.
func numberAnew(s *fakeServer) { s.renumberLocked("INBOX") }

// inAll counts the messages of a server, by body.
func inAll(s *fakeServer) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := map[string]int{}
	for _, box := range s.folders {
		for _, m := range box.messages {
			count[string(m.body)]++
		}
	}
	return count
}

// asOften wants each message as often as the old server has it.
func asOften(r *rig, all []string) {
	r.t.Helper()
	old, count := inAll(r.pair.old), inAll(r.pair.new)
	for _, body := range all {
		if count[body] != old[body] {
			r.t.Errorf("%d times at the new server, %d times at the old one: %.40q", count[body], old[body], body)
		}
	}
}

func eachOnce(r *rig, all []string) {
	r.t.Helper()
	count := inAll(r.pair.new)
	for _, body := range all {
		if count[body] != 1 {
			r.t.Errorf("%d times at the new server: %.40q", count[body], body)
		}
	}
}

func noneTwice(r *rig, all []string) {
	r.t.Helper()
	count := inAll(r.pair.new)
	for _, body := range all {
		if count[body] > 1 {
			r.t.Errorf("%d times at the new server: %.40q", count[body], body)
		}
	}
}

func noneLost(r *rig, all []string) {
	r.t.Helper()
	count := inAll(r.pair.new)
	for _, body := range all {
		if count[body] == 0 {
			r.t.Errorf("not at the new server: %.40q", body)
		}
	}
}

// sameFlags wants the flags of INBOX's messages on their copies.
func sameFlags(r *rig, all []string) {
	r.t.Helper()
	noneLost(r, all)
	of := map[string][]imap.Flag{}
	for _, name := range []string{"INBOX", "Work"} {
		for body, flags := range r.pair.old.flagsIn(name) {
			of[body] = flags
		}
	}
	for body, flags := range r.pair.new.flagsIn("INBOX") {
		if was, there := of[body]; there && !slices.Equal(was, flags) {
			r.t.Errorf("flags %v, at the old server %v: %.40q", flags, was, body)
		}
	}
}

// movedAtOld shows at some moments only.
const movedAtOld = "half is moved at the old server"

var peopleActs = map[string]meanwhileAct{
	movedAtOld:                                           {do: moveHalf, check: eachOnce},
	"half is moved at the new server":                    {do: moveHalf, onNew: true, check: eachOnce},
	"half is copied at the old server":                   {do: copyHalf, check: asOften},
	"the old folder is renamed":                          {in: "Work", do: renameWork, told: true, check: asOften},
	"the new folder is renamed":                          {in: "Work", do: renameWork, onNew: true, check: asOften},
	"the old server numbers anew":                        {do: numberAnew, check: asOften},
	"the new server numbers anew":                        {do: numberAnew, onNew: true, check: asOften},
	"the old folder is emptied":                          {do: empty, check: noneTwice},
	"the new folder is emptied":                          {do: empty, onNew: true, check: noneTwice},
	"the old server gives UIDs to each other's messages": {do: reverse, check: sameFlags},
	"the old server gives higher UIDs":                   {do: shift, check: sameFlags},
	"another old folder takes its place": {in: "Work", do: replace, check: func(r *rig, _ []string) {
		r.t.Helper()
		eachOnce(r, r.pair.old.bodies("Work"))
	}},
}

// TestPeopleMeanwhile: whatever people and administrators do to a folder while it is copied, at whatever moment of the pass, is got over
// with the passes that follow: nothing is lost for good, and nothing is copied twice but what has got another UID meanwhile.
func TestPeopleMeanwhile(t *testing.T) {
	for name, act := range peopleActs {
		for _, later := range []bool{false, true} { // in a later pass, for which there is mail as well
			for _, plain := range []bool{false, true} { // servers without extensions
				steps := runMeanwhile(t, act, later, plain, 0)
				moments := 3
				if name == movedAtOld {
					moments = 10
				}
				for at := 1; at <= steps; at += max(1, steps/moments) {
					t.Run(fmt.Sprintf("%s/later %t/plain %t/%d", name, later, plain, at), func(t *testing.T) {
						t.Parallel()
						inBubble(t, func(t *testing.T) {
							runMeanwhile(t, act, later, plain, at)
						})
					})
				}
			}
		}
	}
}

// runMeanwhile has something done at that step of a pass, and returns how many there are; 0 for never.
func runMeanwhile(t *testing.T, act meanwhileAct, later, plain bool, at int) (steps int) {
	t.Helper()
	r := newRigIn(t, inMemory(t))
	r.silent = true
	r.pair.old.condstor, r.pair.new.uidplus, r.pair.new.single = !plain, !plain, plain
	all := mails(0, 12)
	for _, s := range []*fakeServer{r.pair.old, r.pair.new} {
		s.add("Work")
	}
	folder, flags := cmp.Or(act.in, "INBOX"), [][]imap.Flag{{imap.FlagSeen}, {imap.FlagFlagged}, nil}
	for i, body := range all {
		r.pair.old.deliver(folder, body, flags[i%3]...)
	}
	r.start(false)
	if later {
		r.copies(len(all))
		for i := range 12 {
			all = append(all, mail(12+i))
			r.pair.old.deliver(folder, mail(12+i), flags[i%3]...)
		}
	}
	s := r.pair.old
	if act.onNew {
		s = r.pair.new
	}
	s.fail(func(string) error { // with its lock held
		if steps++; steps == at {
			act.do(s)
		}
		return nil
	})
	r.sync()
	s.fail(noFault)
	took := steps
	if at > 0 {
		for range 4 {
			if res := r.sync(); res.Problem != nil || !res.Pass.Complete {
				t.Logf("%+v, problem %+v", res.Pass, res.Problem)
			}
		}
		if res := r.sync(); !act.told && (res.Problem != nil || !res.Pass.Complete) {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
		act.check(r, all)
	}
	r.stop()
	return took
}
