package transfer

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

// dateSlack is by how much the date of a copy may differ from what it was given.
const dateSlack = time.Minute

// checks is what a pull looks at of the copies it has made: of the first in a
// folder the date, which can't be mended later, and of the first with each flag
// whether the flag is there.
type checks struct {
	dated   bool
	proved  []imap.Flag // that the folder keeps
	dating  bool        // a look under way will show whether dates are kept
	proving []imap.Flag // what flags are, it will show
	// permanent is what the folder can keep of flags; nil as long as nobody asked.
	permanent *upstream.Selected
	// WrongDate says what became of the first copy's date, if that is wrong.
	WrongDate string
}

// readingBack is what a writer knows of copies that are to be looked at.
type readingBack struct {
	// waiting are copies that are to be looked at. They are not entered before, and
	// checkpoints wait for them as well.
	waiting   []*given
	news      int           // of them those that show something new
	lookedAt  time.Time     // when the last look was asked for
	lookTook  time.Duration // how long the new server was at it
	unentered int           // copies that are not entered yet, of those that have been answered
	looks     int           // under way
	unsure    int           // of them those that repeat a look that did not show what it should
	heldBack  []*given      // copies that have been looked at, but may lack what those will show
	// expect is the UID that the next message should get; 0 if that can't be told any more.
	expect imap.UID
	before imap.UID // what is below it was there before this pull; 0 if that isn't known
}

// given is a copy to be looked at, and what it was given.
type given struct {
	uid   imap.UID
	flags []imap.Flag
	date  time.Time
	sure  bool // it has that UID
	news  bool // it shows something that is not known of the folder's flags or dates

	entry *store.Entry     // to be entered once it has been looked at; nil as long as nothing is known of it
	of    *outgoing        // what it is the copy of; its body is gone
	lines message.LineEnds // of what was sent
}

// checkable tells whether a copy that has just been made can be looked at.
func (w *writer) checkable(r upstream.AppendResult) bool {
	return !w.Fleeting && r.UID != 0 && r.UIDValidity == w.Target.UIDValidity
}

// worthChecking tells whether the copy of a message shows something new.
func (w *writer) worthChecking(m *outgoing) bool {
	dated := w.checks.dated || w.checks.dating
	return !dated && w.First() && message.Holdable(m.msg.Date, time.Now()) || len(message.WithoutFlags(w.unproved(m.flags()), w.checks.proving)) > 0
}

// foresee notes the copies of a batch that is on its way, by the UIDs that they
// should get: far away, a look that begins with the answer ends a round trip later than
// the folder could. Those that got others are looked at as before.
func (w *writer) foresee(ctx context.Context, msgs []*outgoing) error {
	if w.expect == 0 {
		return nil
	}
	for _, m := range msgs {
		m.foreseen = w.give(m, w.expect)
		w.expect++
	}
	return w.lookIfDue(ctx)
}

// give makes a copy one to be looked at.
func (w *writer) give(m *outgoing, uid imap.UID) *given {
	c := &given{uid: uid, flags: m.flags(), date: m.msg.Date, of: m, lines: m.lines}
	if w.news < checksMost && w.worthChecking(m) {
		w.looksAt(c)
		w.news++
	}
	w.waiting = append(w.waiting, c)
	return c
}

// arrived notes where the copy of a message is, once that is known.
func (w *writer) arrived(m *outgoing, r upstream.AppendResult) {
	c := m.foreseen
	m.foreseen = nil
	e := w.Proof(m.intent, r.UIDValidity, r.UID)
	if !w.checkable(r) {
		w.enter(e)
		return
	}
	if foreseen := c; c == nil || c.uid != r.UID {
		c = w.give(m, r.UID)
		if foreseen != nil {
			if w.expect = 0; foreseen.news && !c.news { // that look won't show it
				w.looksAt(c)
				w.news++
			}
		}
	}
	c.sure, c.entry = true, &e
	w.unentered++
}

// unproved are those of flags of which it isn't known whether they arrive.
func (w *writer) unproved(flags []imap.Flag) []imap.Flag {
	return w.lost().Unknown(message.WithoutFlags(flags, w.checks.proved))
}

// lost is what the new server is known to lose.
func (w *writer) lost() *session.LostFlags { return &w.Pair.New.End.Pool.LostFlags }

// look is a look at copies that has been asked for.
type look struct {
	call       session.ReadBackCall
	copies     []*given
	again      bool              // what is missing has been asked for once more
	checkpoint *store.Checkpoint // that may be reached once it has been had
}

// looksAt notes what a look at a copy will show, so that it isn't asked for again.
func (w *writer) looksAt(c *given) {
	c.news = true
	w.checks.dating = w.checks.dating || message.Holdable(c.date, time.Now())
	w.checks.proving = append(w.checks.proving, c.flags...)
}

// lookIfDue asks for the copies that are waiting if they show anything new, or now and then.
func (w *writer) lookIfDue(ctx context.Context) error {
	if w.news == 0 && time.Since(w.lookedAt) < max(lookPause, lookShare*w.lookTook) && len(w.waiting) < lookMost {
		return nil
	}
	return w.lookAtWaiting(ctx)
}

// lookAtWaiting asks for the copies that are waiting. Before the answer has come they
// are not entered in the ledger: there a message has only the flags that its copy
// really has, so that the others are carried over like any change. Meanwhile
// messages are sent on.
func (w *writer) lookAtWaiting(ctx context.Context) error {
	w.news, w.lookedAt = 0, time.Now()
	if err := w.lookAgain(ctx, w.waiting, false); err != nil {
		return err
	}
	w.waiting = nil
	if l := w.lastLook(); l != nil && w.reached != nil {
		l.checkpoint, w.reached = w.reached, nil
	}
	return nil
}

func (w *writer) lookAgain(ctx context.Context, copies []*given, again bool) error {
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
	call, err := w.New.SendReadBack(ctx, w.Row.New, w.Target.UIDValidity, set, sizes)
	if err != nil {
		return err
	}
	w.calls = append(w.calls, under{look: &look{call: call, copies: copies, again: again}, sent: time.Now()})
	w.looks++
	return nil
}

// lastLook is the look asked for last, if it is under way.
func (w *writer) lastLook() *look {
	for _, u := range slices.Backward(w.calls) {
		if u.look != nil {
			return u.look
		}
	}
	return nil
}

// looked learns from a look.
func (w *writer) looked(ctx context.Context, u under) error {
	l, began := u.look, u.sent
	if w.settledAt.After(began) {
		began = w.settledAt
	}
	found, err := l.call.Wait(ctx)
	if err != nil && !upstream.Answered(err) {
		return err
	}
	w.settledAt = time.Now()
	w.lookTook = w.settledAt.Sub(began)
	if err != nil {
		w.Log.Warn().Err(err).Msg("the new server does not let copies be looked at")
	}
	missing := w.learn(l, found, err == nil)
	if w.looks--; w.looks == 0 && len(missing) == 0 {
		w.checks.dating, w.checks.proving = false, nil
	}
	if l.again {
		w.unsure--
	}
	if len(missing) > 0 {
		if err := w.lookAgain(ctx, missing, true); err != nil {
			return err
		}
		w.unsure++
	}
	if w.unsure == 0 {
		for _, c := range w.heldBack {
			w.enterLooked(c)
		}
		w.heldBack = nil
	}
	if last := w.lastLook(); last == nil || w.unsure == 0 {
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
func (w *writer) learn(l *look, found []upstream.Message, answered bool) (missing []*given) {
	shown := make(map[imap.UID]upstream.Message, len(found))
	for _, m := range found {
		shown[m.UID] = m
	}
	for _, c := range l.copies {
		m, ok := shown[c.uid]
		switch {
		case !c.sure:
		case ok && w.weigh(c, m):
			if c.news {
				w.compare(c, m)
			}
			w.heldBack = append(w.heldBack, c)
		case ok: // it is put off
		case answered && !l.again:
			missing = append(missing, c)
		default: // it is gone, or can't be seen
			w.heldBack = append(w.heldBack, c)
		}
	}
	return missing
}

// compare learns from one copy.
func (w *writer) compare(c *given, m upstream.Message) {
	keep, _ := w.keepable(c.flags)
	gone := message.WithoutFlags(keep, m.Flags)
	w.lost().Keeps(message.WithoutFlags(keep, gone))
	w.checks.proved = message.NormaliseFlags(append(slices.Clone(w.checks.proved), c.flags...))
	if news := message.WithoutFlags(gone, w.lost().All()); len(news) > 0 {
		w.Log.Warn().Str("flags", message.JoinFlags(news)).Msg("the new server loses flags when it is given a message; they are stored again")
		w.lost().Add(news)
	}
	if w.checks.dated || !message.Holdable(c.date, time.Now()) {
		return
	}
	w.checks.dated = true
	if !m.Date.IsZero() && m.Date.Sub(c.date).Abs() > dateSlack {
		const layout = "2006-01-02 15:04:05 -0700"
		w.checks.WrongDate = "given " + c.date.Format(layout) + ", it has " + m.Date.Format(layout)
		w.Log.Error().Time("given", c.date).Time("found", m.Date).Msg("the new server does not keep the dates of messages, which can't be mended later")
	}
}

// dropLost takes those flags from an entry that its copy lacks.
func (w *writer) dropLost(e *store.Entry) {
	if lost := w.lost().All(); len(lost) > 0 {
		if kept := message.WithoutFlags(e.Flags, lost); len(kept) < len(e.Flags) {
			e.Flags, w.Mending = kept, true
		}
	}
}

// keepable splits flags into those that the folder can keep and the others.
func (w *writer) keepable(flags []imap.Flag) (keep, dropped []imap.Flag) {
	if w.checks.permanent == nil {
		return message.PermittedFlags(flags, nil, false)
	}
	return message.PermittedFlags(flags, w.checks.permanent.PermanentFlags, w.checks.permanent.AnyFlag)
}

// learnPermanent asks, unless that is known, what flags the folder can keep. It is
// done before the first message with a keyword goes there; the system flags every
// folder is asked to keep.
func (w *writer) learnPermanent(ctx context.Context) error {
	if w.checks.permanent != nil {
		return nil
	}
	if err := w.AskPermanent(ctx); err != nil {
		return err
	}
	sel, err := w.Permanent.Wait(ctx)
	if err != nil && !upstream.Answered(err) {
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
	w.checks.permanent = sel
	return nil
}

func hasKeyword(flags []imap.Flag) bool {
	return slices.ContainsFunc(flags, func(f imap.Flag) bool { return !strings.HasPrefix(string(f), `\`) })
}

// checkProved is check for a server that does not say where it has put a message:
// now it is known.
func (w *writer) checkProved(ctx context.Context, proofs []store.Entry) error {
	var seen []imap.Flag
	for _, e := range proofs {
		keep, _ := w.keepable(e.Flags)
		if news := message.WithoutFlags(w.unproved(keep), seen); e.UID != 0 && len(news) > 0 && len(w.waiting) < checksMost {
			c := &given{uid: e.UID, flags: keep, sure: true}
			w.looksAt(c)
			w.waiting = append(w.waiting, c)
			seen = append(seen, news...)
		}
	}
	if err := w.lookAtWaiting(ctx); err != nil {
		return err
	}
	return w.drain(ctx)
}
