package syncer

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// brokenOff is a rig in which the new server breaks off once it has stored a batch for INBOX, but
// before it could say so. Then somebody does something there.
func brokenOff(t *testing.T, n int, meanwhile func(new *fakeServer)) *rig {
	r := newRig(t)
	for i := range n {
		r.pair.old.deliver("INBOX", mail(i))
	}
	done := false
	r.pair.new.fail(func(step string) error {
		if step != "+WAIT" && step != "-WAIT" || done || len(r.pair.new.folders["INBOX"].messages) < n {
			return nil
		}
		done = true
		meanwhile(r.pair.new)
		return lostError("APPEND")
	})
	return r
}

// take takes messages out of a folder and puts them into another; "" for none. The caller holds the lock.
func (f *fakeServer) take(from, to string, places ...int) {
	box := f.folders[from]
	if to != "" && f.folders[to] == nil {
		f.addLocked(to)
	}
	slices.Sort(places)
	for _, at := range places {
		if to != "" {
			m := box.messages[at]
			f.folders[to].append(m.body, m.flags, m.date)
		}
	}
	for _, at := range slices.Backward(places) {
		box.messages = slices.Delete(box.messages, at, at+1)
	}
}

// TestMovedWhileInDoubt: messages whose arrival the new server could not tell any more, and
// which their user has moved or deleted before we were back, are neither stored twice nor back.
func TestMovedWhileInDoubt(t *testing.T) {
	const n = 90
	all := func(from, to int) (places []int) {
		for i := from; i < to; i++ {
			places = append(places, i)
		}
		return places
	}
	tests := map[string]struct {
		folders   []string // that both servers have
		meanwhile func(new *fakeServer)
		together  []string // of a command with several messages: what comes back
		single    []string // of commands with one message each
	}{
		"deleted in the middle":     {meanwhile: func(new *fakeServer) { new.take("INBOX", "", 40, 41, 60) }},
		"deleted at the end":        {meanwhile: func(new *fakeServer) { new.take("INBOX", "", 88, 89) }, single: mails(88, 90)},
		"deleted at the beginning":  {meanwhile: func(new *fakeServer) { new.take("INBOX", "", 0) }, single: mails(0, 1)},
		"moved at both ends":        {meanwhile: func(new *fakeServer) { new.take("INBOX", "Mine", 0, 1, 50, 88, 89) }},
		"all but one moved":         {meanwhile: func(new *fakeServer) { new.take("INBOX", "Mine", all(1, n)...) }},
		"all moved":                 {meanwhile: func(new *fakeServer) { new.take("INBOX", "Mine", all(0, n)...) }},
		"moved to a folder of both": {folders: []string{"Trash"}, meanwhile: func(new *fakeServer) { new.take("INBOX", "Trash", 70, 89) }},
		"moved to several folders":  {meanwhile: func(new *fakeServer) { new.take("INBOX", "Mine", 89); new.take("INBOX", "Hers", 0) }},
		"moved beside a few of her own": {meanwhile: func(new *fakeServer) {
			new.addLocked("Mine").append([]byte(mail(500)), nil, time.Unix(1700000000, 0))
			new.take("INBOX", "Mine", 89)
		}},
		"copied elsewhere, not moved": {meanwhile: func(new *fakeServer) {
			box := new.addLocked("Mine")
			box.append([]byte(mail(3)), nil, time.Unix(1700000000, 0))
		}},
	}
	for name, tt := range tests {
		for _, single := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, single %v", name, single), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					var before []string
					r := brokenOff(t, n, func(new *fakeServer) {
						tt.meanwhile(new)
						for _, box := range new.folders {
							for _, m := range box.messages {
								before = append(before, string(m.body))
							}
						}
					})
					for _, folder := range tt.folders {
						r.pair.old.add(folder)
					}
					r.pair.new.single = single
					r.start(false)
					if res := r.sync(); !res.Pass.Complete || before == nil {
						t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
					}
					back := tt.together
					if single {
						back = tt.single
					}
					r.once(append(before, back...)...)
					r.copies(0)
				})
			})
		}
	}
}

// TestMovedElsewhereIsNoExcuse: a message that is in another folder as well, as that one's own, has
// not been moved there.
func TestMovedElsewhereIsNoExcuse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const n = 10
		r := brokenOff(t, n, func(new *fakeServer) {
			box := new.folders["INBOX"]
			box.messages = box.messages[:n-4] // as if the last four had not come, and others had come and gone
		})
		r.pair.new.single = true
		r.pair.old.add("Work")
		for i := n - 4; i < n; i++ {
			r.pair.old.deliver("Work", mail(i))
		}
		r.start(false)
		r.sync()
		r.copies(0)
		r.once(append(mails(0, n), mails(n-4, n)...)...)
	})
}
