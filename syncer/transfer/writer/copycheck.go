package writer

import (
	"context"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
	"postferry/upstream/link"
)

// dateSlack is by how much the date of a copy may differ from what it was given.
const dateSlack = time.Minute

// Checks is what a pull looks at of the copies it has made: of the first in a
// folder the date, which can't be mended later, and of the first with each flag
// whether the flag is there.
type Checks struct {
	dated   bool
	proved  []imap.Flag // that the folder keeps
	dating  bool        // a look under way will show whether dates are kept
	proving []imap.Flag // what flags are, it will show
	// permanent is what the folder can keep of flags; nil as long as nobody asked.
	permanent *upstream.Selected
	// WrongDate says what became of the first copy's date, if that is wrong.
	WrongDate string
}

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

// copyChecks compares the flags and dates of copies with what they were given.
type copyChecks struct {
	*Checks
	job *job.Job
}

// given is a copy to be looked at, and what it was given.
type given struct {
	uid   imap.UID
	flags []imap.Flag
	date  time.Time
	sure  bool // it has that UID
	news  bool // it shows something that is not known of the folder's flags or dates

	entry *store.Entry     // to be entered once it has been looked at; nil as long as nothing is known of it
	of    *sending         // what it is the copy of; its body is gone
	lines message.LineEnds // of what was sent
}

// checkable tells whether a copy that has just been made can be looked at.
func (v *review) checkable(r upstream.AppendResult) bool {
	return !v.job.Fleeting && r.UID != 0 && r.UIDValidity == v.job.Target.UIDValidity
}

// worthChecking tells whether the copy of a message shows something new.
func (cc *copyChecks) worthChecking(m *sending) bool {
	dated := cc.dated || cc.dating
	return !dated && cc.job.First() && message.Holdable(m.Msg.Date, time.Now()) || len(message.WithoutFlags(cc.unproved(m.flags()), cc.proving)) > 0
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

// unproved are those of flags of which it isn't known whether they arrive.
func (cc *copyChecks) unproved(flags []imap.Flag) []imap.Flag {
	return cc.lost().Unknown(message.WithoutFlags(flags, cc.proved))
}

// lost is what the new server is known to lose.
func (cc *copyChecks) lost() *session.LostFlags { return &cc.job.Pair.New.End.Pool.LostFlags }

// look is a look at copies that has been asked for.
type look struct {
	call       session.ReadBackCall
	copies     []*given
	again      bool              // what is missing has been asked for once more
	checkpoint *store.Checkpoint // that may be reached once it has been had
}

// looksAt notes what a look at a copy will show, so that it isn't asked for again.
func (cc *copyChecks) looksAt(c *given) {
	c.news = true
	cc.dating = cc.dating || message.Holdable(c.date, time.Now())
	cc.proving = append(cc.proving, c.flags...)
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

// lastLook is the look asked for last, if it is under way.
func (p *Pipeline) lastLook() *look {
	for _, u := range slices.Backward(p.calls) {
		if u.look != nil {
			return u.look
		}
	}
	return nil
}

// looked learns from a look.
func (w *Writer) looked(ctx context.Context, u under) error {
	l, began := u.look, u.sent
	if w.Pipeline.settledAt.After(began) {
		began = w.Pipeline.settledAt
	}
	found, err := l.call.Wait(ctx)
	if err != nil && !link.Answered(err) {
		return err
	}
	w.Pipeline.settledAt = time.Now()
	w.review.lookTook = w.Pipeline.settledAt.Sub(began)
	if err != nil {
		w.Log.Warn().Err(err).Msg("the new server does not let copies be looked at")
	}
	missing := w.review.learn(l, found, err == nil)
	if w.review.looks--; w.review.looks == 0 && len(missing) == 0 {
		w.checks.dating, w.checks.proving = false, nil
	}
	if l.again {
		w.review.unsure--
	}
	if len(missing) > 0 {
		if err := w.review.lookAgain(ctx, missing, true); err != nil {
			return err
		}
		w.review.unsure++
	}
	if w.review.unsure == 0 {
		for _, c := range w.review.heldBack {
			w.Ledger.enterLooked(c)
		}
		w.review.heldBack = nil
	}
	if last := w.Pipeline.lastLook(); last == nil || w.review.unsure == 0 {
		w.reach(l.checkpoint)
	} else if l.checkpoint != nil {
		last.checkpoint = l.checkpoint
	}
	w.Tell()
	w.catchUp()
	return w.judgeEarly(ctx)
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

// compare learns from one copy.
func (cc *copyChecks) compare(c *given, m upstream.Message) {
	keep, _ := cc.keepable(c.flags)
	gone := message.WithoutFlags(keep, m.Flags)
	cc.lost().Keeps(message.WithoutFlags(keep, gone))
	cc.proved = message.NormaliseFlags(append(slices.Clone(cc.proved), c.flags...))
	if news := message.WithoutFlags(gone, cc.lost().All()); len(news) > 0 {
		cc.job.Log.Warn().Str("flags", message.JoinFlags(news)).Msg("the new server loses flags when it is given a message; they are stored again")
		cc.lost().Add(news)
	}
	if cc.dated || !message.Holdable(c.date, time.Now()) {
		return
	}
	cc.dated = true
	if !m.Date.IsZero() && m.Date.Sub(c.date).Abs() > dateSlack {
		const layout = "2006-01-02 15:04:05 -0700"
		cc.WrongDate = "given " + c.date.Format(layout) + ", it has " + m.Date.Format(layout)
		cc.job.Log.Error().Time("given", c.date).Time("found", m.Date).Msg("the new server does not keep the dates of messages, which can't be mended later")
	}
}

// dropLost takes those flags from an entry that its copy lacks.
func (cc *copyChecks) dropLost(e *store.Entry) {
	if lost := cc.lost().All(); len(lost) > 0 {
		if kept := message.WithoutFlags(e.Flags, lost); len(kept) < len(e.Flags) {
			e.Flags, cc.job.Mending = kept, true
		}
	}
}

// keepable splits flags into those that the folder can keep and the others.
func (cc *copyChecks) keepable(flags []imap.Flag) (keep, dropped []imap.Flag) {
	if cc.permanent == nil {
		return message.PermittedFlags(flags, nil, false)
	}
	return message.PermittedFlags(flags, cc.permanent.PermanentFlags, cc.permanent.AnyFlag)
}

// learnPermanent asks, unless that is known, what flags the folder can keep. It is
// done before the first message with a keyword goes there; the system flags every
// folder is asked to keep.
func (cc *copyChecks) learnPermanent(ctx context.Context) error {
	if cc.permanent != nil {
		return nil
	}
	if err := cc.job.AskPermanent(ctx); err != nil {
		return err
	}
	sel, err := cc.job.Permanent.Wait(ctx)
	if err != nil && !link.Answered(err) {
		return err
	}
	if err != nil || len(sel.PermanentFlags) == 0 && !sel.AnyFlag { // it says that it keeps nothing, which can't be meant
		sel = &upstream.Selected{PermanentFlags: message.SystemFlags, AnyFlag: true}
	}
	if sel.AnyFlag {
		// Who takes any new keyword takes the system flags too; some servers list
		// only those that are in use.
		all := message.NormaliseFlags(append(slices.Clone(sel.PermanentFlags), message.SystemFlags...))
		sel = &upstream.Selected{PermanentFlags: all, AnyFlag: true}
	}
	cc.permanent = sel
	return nil
}

// checkProved is check for a server that does not say where it has put a message:
// now it is known.
func (w *Writer) checkProved(ctx context.Context, proofs []store.Entry) error {
	var seen []imap.Flag
	for _, e := range proofs {
		keep, _ := w.checks.keepable(e.Flags)
		if news := message.WithoutFlags(w.checks.unproved(keep), seen); e.UID != 0 && len(news) > 0 && len(w.review.waiting) < checksMost {
			c := &given{uid: e.UID, flags: keep, sure: true}
			w.checks.looksAt(c)
			w.review.waiting = append(w.review.waiting, c)
			seen = append(seen, news...)
		}
	}
	if err := w.review.lookAtWaiting(ctx); err != nil {
		return err
	}
	return w.drain(ctx)
}
