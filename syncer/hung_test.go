package syncer

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// What the new server was given and didn't answer is not judged before it is known that nothing more comes of it.

// appends is how many APPENDs the new server has got.
func (r *rig) appends() int {
	r.pair.new.mu.Lock()
	defer r.pair.new.mu.Unlock()
	n := 0
	for _, op := range r.pair.new.log {
		if op == "APPEND" {
			n++
		}
	}
	return n
}

// TestUnansweredIsJudgedWhenQuiet: the connection breaks at an APPEND, and the new server stores what it has read
// while it is looked at, one message after the other: nothing is given to it once more.
func TestUnansweredIsJudgedWhenQuiet(t *testing.T) {
	for _, messages := range []int{1, 6} {
		t.Run(fmt.Sprint(messages), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				for i := range messages {
					r.pair.old.deliver("INBOX", mail(i))
				}
				broken, looks := false, 0
				r.pair.new.fail(func(step string) error {
					switch {
					case step == "+APPEND" && !broken:
						broken = true
						return lostError("APPEND")
					case step == "+STATUS" && broken:
						if looks++; looks > 1 && looks < messages+2 { // the first is that of the opening
							r.pair.new.folders["INBOX"].append([]byte(mail(looks-2)), nil, time.Unix(1700000000, 0))
						}
					}
					return nil
				})
				r.start(false)
				r.sync()
				r.has("INBOX", mails(0, messages)...)
				if n := r.appends(); n != 1 {
					t.Errorf("%d APPENDs", n)
				}
			})
		})
	}
}

// TestHungSessionIsWaitedFor: the new server falls silent in the middle of an APPEND and stores what it has read long
// after. As long as its session may still be at work, nothing is given to it once more.
func TestHungSessionIsWaitedFor(t *testing.T) {
	for name, inTime := range map[string]bool{"until it goes on": true, "for as long as there is a bound": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				for i := range 3 {
					r.pair.old.deliver("INBOX", mail(i))
				}
				strike := true
				goesOn := func(ctx context.Context) bool {
					ctx, cancel := context.WithTimeout(ctx, 400*time.Millisecond)
					defer cancel()
					<-ctx.Done()
					return inTime
				}
				r.pair.new.fail(func(step string) error {
					if step == "+APPEND" && strike {
						strike = false
						return hungError(goesOn)
					}
					return nil
				})
				r.start(false)
				r.sync()
				r.has("INBOX", mails(0, 3)...)
				if n := r.appends(); (n == 1) != inTime {
					t.Errorf("%d APPENDs", n)
				}
			})
		})
	}
}
