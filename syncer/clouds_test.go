package syncer

import (
	"strings"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/store"
)

// gmailCaps are Gmail's as a new server, as far as the odd server has them: no MULTIAPPEND.
const gmailCaps = "IMAP4rev1 UNSELECT NAMESPACE ID X-GM-EXT-1 UIDPLUS CONDSTORE LIST-EXTENDED LIST-STATUS APPENDLIMIT=35651584"

// TestNewServerUnites: Gmail keeps a message that is sent to a folder twice once. That is no reason
// to send it again, neither at once nor in a later pass, nor to complain.
func TestNewServerUnites(t *testing.T) {
	for name, caps := range map[string]string{"as Gmail": gmailCaps, "several in one APPEND": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newOddRigInMemoryWith(t, lab.OddOptions{}, lab.OddOptions{Caps: caps, Unites: true}, map[string]int{"INBOX": 12, "Work": 3})
				for range 3 {
					r.old.Deliver("INBOX", oddTwin, oddDay(1), `\Seen`)
				}
				r.start(false)
				if res := r.sync(); res.Problem != nil || !res.Pass.Complete {
					t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
				}
				appended := r.new.Count("APPEND INBOX")
				r.complete(0)
				r.old.Deliver("INBOX", oddTwin, oddDay(1), `\Seen`)
				r.sync()
				if n := r.new.Count("APPEND INBOX") - appended; n > 1 {
					t.Errorf("%d times APPEND for one message more", n)
				}
				r.complete(0)
				if q := r.quarantined(); len(q) > 0 {
					t.Errorf("in quarantine: %+v", q)
				}
				twins := 0
				for _, m := range r.new.Messages("INBOX") {
					if m.Body == oddTwin {
						twins++
					}
				}
				if n := len(r.new.Messages("INBOX")); twins != 1 || n != 13 {
					t.Errorf("%d messages, one of them %d times", n, twins)
				}
				r.untouched()
			})
		})
	}
}

// TestThrottledWhileWriting: Exchange as the new server says for how long it wants to be left alone.
// It is, and afterwards the rest is copied, once.
func TestThrottledWhileWriting(t *testing.T) {
	for _, words := range []string{"NO [UNAVAILABLE] Request is throttled. Suggested Backoff Time: 40000 milliseconds",
		"* BYE Request is throttled. Suggested Backoff Time: 40000 milliseconds"} {
		for name, caps := range map[string]string{"all at once": "", "one by one": "IMAP4rev1 UIDPLUS LITERAL+"} {
			t.Run(words[:5]+"/"+name, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					taken := 0
					r := newOddRigInMemoryWith(t, lab.OddOptions{}, lab.OddOptions{Caps: caps, Append: func(*lab.OddConn, *lab.OddMessage) string {
						if taken++; taken <= 7 {
							return ""
						}
						return words
					}}, map[string]int{"INBOX": 60})
					r.start(false)
					p := r.sync().Problem
					if p == nil || p.Kind != store.Throttled || p.Server != store.NewSide || !strings.Contains(p.Summary.String(), "asks for a pause of 40s") || p.Advice != store.RetryLater {
						t.Fatalf("problem %+v", p)
					}
					if wait := time.Until(p.Retry); wait < 38*time.Second || wait > 81*time.Second {
						t.Errorf("tried again after %v", wait)
					}
					if n := r.new.Count("APPEND"); n > 60 { // none again
						t.Errorf("%d times APPEND", n)
					}
					r.new.Change(func(opt *lab.OddOptions) { opt.Append = nil })
					r.engine.pools.endpoint(r.cfg.Domains[0].New, false).Pool.Note(nil) // it has rested
					if res := r.sync(); res.Problem != nil || !res.Pass.Complete {
						t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
					}
					r.arrived(nil)
				})
			})
		}
	}
}
