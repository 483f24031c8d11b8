package writer

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
)

const (
	// Copies are looked at every lookPause, or as much more rarely as keeps the time for it to
	// one part in lookShare: in a large maildir each look takes a while. No more than lookMost wait.
	lookPause = 2 * time.Second
	lookShare = 40
	lookMost  = 20_000
	// checksMost is how many copies of a look are compared in flags and dates.
	checksMost = 10
)

// review is the look that is taken at copies which have just been made.
type review struct {
	job      *job.Job
	ledger   *Ledger
	checks   *copyChecks
	odd      *oddCopies
	pipeline *Pipeline

	// waiting are copies that are to be looked at. They are not entered before, and
	// checkpoints wait for them as well.
	waiting  []*given
	news     int               // of them those that show something new
	lookedAt time.Time         // when the last look was asked for
	lookTook time.Duration     // how long the new server was at it
	looks    int               // under way
	unsure   int               // of them those that repeat a look that did not show what it should
	heldBack []*given          // copies that have been looked at, but may lack what those will show
	reached  *store.Checkpoint // once those copies have been looked at that are waiting
	// expect is the UID that the next message should get; 0 if that can't be told any more.
	expect imap.UID
}

// checkable tells whether a copy that has just been made can be looked at.
func (v *review) checkable(r upstream.AppendResult) bool {
	return !v.job.Fleeting && r.UID != 0 && r.UIDValidity == v.job.Target.UIDValidity
}

// foresee notes the copies of a batch that is on its way, by the UIDs that they
// should get: far away, a look that begins with the answer ends a round trip later than
// the folder could. Those that got others are looked at as before.
func (v *review) foresee(ctx context.Context, msgs []*sending) error {
	if v.expect == 0 {
		return nil
	}
	for _, m := range msgs {
		m.foreseen = v.give(m, v.expect)
		v.expect++
	}
	return v.lookIfDue(ctx)
}

// give makes a copy one to be looked at.
func (v *review) give(m *sending, uid imap.UID) *given {
	c := &given{uid: uid, flags: m.flags(), date: m.Msg.Date, of: m, lines: m.lines}
	if v.news < checksMost && v.checks.worthChecking(m) {
		v.checks.looksAt(c)
		v.news++
	}
	v.waiting = append(v.waiting, c)
	return c
}

// arrived notes where the copy of a message is, once that is known.
func (v *review) arrived(m *sending, r upstream.AppendResult) {
	c := m.foreseen
	m.foreseen = nil
	e := v.job.Proof(m.Intent, r.UIDValidity, r.UID)
	if !v.checkable(r) {
		v.ledger.enter(e)
		return
	}
	if foreseen := c; c == nil || c.uid != r.UID {
		c = v.give(m, r.UID)
		if foreseen != nil {
			if v.expect = 0; foreseen.news && !c.news { // that look won't show it
				v.checks.looksAt(c)
				v.news++
			}
		}
	}
	c.sure, c.entry = true, &e
	v.ledger.unentered++
}

// copied notes a copy that the new server has made from another folder: the next message gets a UID above it.
func (v *review) copied(uid imap.UID) {
	if v.expect != 0 {
		v.expect = max(v.expect, uid+1)
	}
}

// lookIfDue asks for the copies that are waiting if they show anything new, or now and then.
func (v *review) lookIfDue(ctx context.Context) error {
	if v.news == 0 && time.Since(v.lookedAt) < max(lookPause, lookShare*v.lookTook) && len(v.waiting) < lookMost {
		return nil
	}
	return v.lookAtWaiting(ctx)
}

// lookAtWaiting asks for the copies that are waiting. Before the answer has come they
// are not entered in the ledger: there a message has only the flags that its copy
// really has, so that the others are carried over like any change. Meanwhile
// messages are sent on.
func (v *review) lookAtWaiting(ctx context.Context) error {
	v.news, v.lookedAt = 0, time.Now()
	if err := v.lookAgain(ctx, v.waiting, false); err != nil {
		return err
	}
	v.waiting = nil
	if l := v.pipeline.lastLook(); l != nil && v.reached != nil {
		l.checkpoint, v.reached = v.reached, nil
	}
	return nil
}

func (v *review) lookAgain(ctx context.Context, copies []*given, again bool) error {
	if len(copies) == 0 {
		return nil
	}
	var set, sizes imap.UIDSet
	for _, c := range copies {
		if c.news {
			set.AddNum(c.uid)
		} else {
			sizes.AddNum(c.uid)
		}
	}
	call, err := v.job.New.SendReadBack(ctx, v.job.Row.New, v.job.Target.UIDValidity, set, sizes)
	if err != nil {
		return err
	}
	v.pipeline.calls = append(v.pipeline.calls, under{look: &look{call: call, copies: copies, again: again}, sent: time.Now()})
	v.looks++
	return nil
}

// learn compares copies with what a look found of them; those that are as they should be may
// be entered. It returns those that it did not find, unless they have been asked for before: a
// server that is at several commands at once may have looked before it had stored them.
func (v *review) learn(l *look, found []upstream.Message, answered bool) (missing []*given) {
	shown := make(map[imap.UID]upstream.Message, len(found))
	for _, m := range found {
		shown[m.UID] = m
	}
	for _, c := range l.copies {
		m, ok := shown[c.uid]
		switch {
		case !c.sure:
		case ok && v.odd.weigh(c, m):
			if c.news {
				v.checks.compare(c, m)
			}
			v.heldBack = append(v.heldBack, c)
		case ok: // it is put off
		case answered && !l.again:
			missing = append(missing, c)
		default: // it is gone, or can't be seen
			v.heldBack = append(v.heldBack, c)
		}
	}
	return missing
}

// enterUnlooked enters the copies that nobody looks at any more: that a message was copied
// must not be lost for what isn't known of its copy.
func (v *review) enterUnlooked() {
	for _, u := range v.pipeline.calls {
		if u.look != nil {
			for _, c := range u.look.copies {
				v.ledger.enterLooked(c)
			}
		}
	}
	for _, c := range append(v.waiting, v.heldBack...) {
		v.ledger.enterLooked(c)
	}
	v.waiting, v.heldBack = nil, nil
}
