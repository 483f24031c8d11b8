package syncer

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// dateSlack is by how much the date of a copy may differ from what it was given.
const dateSlack = time.Minute

// losses are what a new server loses of messages although it took them:
// Exchange loses \Flagged on APPEND. What is known of one account's messages
// holds for all. Safe for concurrent use.
type losses struct {
	mu    sync.Mutex
	flags []imap.Flag
	kept  []imap.Flag // system flags that were seen to arrive
}

// keeps notes that flags arrive. Of keywords that says nothing of other folders.
func (l *losses) keeps(flags []imap.Flag) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range flags {
		if containsFlag(systemFlags, f) && !containsFlag(l.kept, f) {
			l.kept = append(l.kept, f)
		}
	}
}

func (l *losses) unknown(flags []imap.Flag) []imap.Flag {
	l.mu.Lock()
	defer l.mu.Unlock()
	return without(without(flags, l.flags), l.kept)
}

func (l *losses) add(flags []imap.Flag) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flags = normalise(append(slices.Clone(l.flags), flags...))
}

func (l *losses) all() []imap.Flag {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flags
}

// checks is what a pull looks at of the copies it has made: of the first in a
// folder the date, which can't be mended later, and of the first with each flag
// whether the flag is there.
type checks struct {
	dated   bool
	proved  []imap.Flag // that the folder keeps
	mending bool        // copies lack flags; carryFlags adds them
	dating  bool        // a look under way will show whether dates are kept
	proving []imap.Flag // what flags are, it will show
	// permanent is what the folder can keep of flags; nil as long as nobody asked.
	permanent *upstream.Selected
	// wrongDate says what became of the first copy's date, if that is wrong.
	wrongDate string
}

// given is a copy to be looked at, and what it was given.
type given struct {
	uid   imap.UID
	flags []imap.Flag
	date  time.Time
	sure  bool // it has that UID
}

// checkable tells whether a copy that has just been made can be looked at.
func (w *writer) checkable(r upstream.AppendResult) bool {
	return !w.fleeting && r.UID != 0 && r.UIDValidity == w.target.UIDValidity
}

// worthChecking tells whether the copy of a message shows something new.
func (w *writer) worthChecking(it *item) bool {
	dated := w.checks.dated || w.checks.dating
	return !dated && w.first() && holdable(it.msg.Date, time.Now()) || len(without(w.unproved(it.flags()), w.checks.proving)) > 0
}

// foresee asks for the copies of a batch that is on its way, by the UIDs that they
// should get: far away, a look that begins with the answer ends a round trip later than
// the folder could. Those that got others are looked at as before.
func (w *writer) foresee(ctx context.Context, items []*item) error {
	if w.expect == 0 {
		return nil
	}
	var copies []*given
	for _, it := range items {
		if !it.sendable() {
			continue
		}
		if len(copies) < checksMost && w.worthChecking(it) {
			it.foreseen = w.looksAt(&given{uid: w.expect, flags: it.flags(), date: it.msg.Date})
			copies = append(copies, it.foreseen)
		}
		w.expect++
	}
	return w.lookAt(ctx, copies)
}

// copied returns the look at a copy that has to be asked for, if any.
func (w *writer) copied(it *item, r upstream.AppendResult, others int) *given {
	foreseen := it.foreseen
	it.foreseen = nil
	if foreseen != nil && foreseen.uid == r.UID && w.checkable(r) {
		foreseen.sure = true
		return nil
	}
	if foreseen != nil {
		w.expect = 0
	}
	if others >= checksMost || !w.checkable(r) || foreseen == nil && !w.worthChecking(it) {
		return nil
	}
	return w.looksAt(&given{uid: r.UID, flags: it.flags(), date: it.msg.Date, sure: true})
}

// unproved are those of flags of which it isn't known whether they arrive.
func (w *writer) unproved(flags []imap.Flag) []imap.Flag {
	return w.lost().unknown(without(flags, w.checks.proved))
}

// lost is what the new server is known to lose.
func (p *pull) lost() *losses { return &p.lane.new.end.pool.losses }

// look is a look at copies that has been asked for.
type look struct {
	call   readBackCall
	copies []*given
	again  bool // what is missing has been asked for once more
}

// looksAt notes what a look at a copy will show, so that it isn't asked for again.
func (w *writer) looksAt(c *given) *given {
	w.checks.dating = w.checks.dating || holdable(c.date, time.Now())
	w.checks.proving = append(w.checks.proving, c.flags...)
	return c
}

// lookAt asks for copies that have just been made. Before the answer has come they
// are not entered in the ledger: there a message has only the flags that its copy
// really has, so that the others are carried over like any change. Meanwhile
// messages are sent on.
func (w *writer) lookAt(ctx context.Context, copies []*given) error {
	return w.lookAgain(ctx, copies, false)
}

func (w *writer) lookAgain(ctx context.Context, copies []*given, again bool) error {
	if len(copies) > 0 {
		call, err := w.new.SendReadBack(ctx, w.folder.New, w.target.UIDValidity, setOf(copies))
		if err != nil {
			return err
		}
		w.calls = append(w.calls, under{look: &look{call, copies, again}, sent: time.Now()})
		w.looks++
	}
	w.enterChecked()
	return nil
}

func setOf(copies []*given) (set imap.UIDSet) {
	for _, c := range copies {
		set.AddNum(c.uid)
	}
	return set
}

// looked learns from a look.
func (w *writer) looked(ctx context.Context, l *look) error {
	found, err := l.call.Wait(ctx)
	if err != nil && !upstream.Answered(err) {
		return err
	}
	if err != nil {
		w.log.Warn().Err(err).Msg("the new server does not let the first copies be looked at")
	}
	var missing []*given
	if err == nil {
		missing = w.learn(l, found)
	}
	if w.looks--; w.looks == 0 && len(missing) == 0 {
		w.checks.dating, w.checks.proving = false, nil
	}
	if err := w.lookAgain(ctx, missing, true); err != nil {
		return err
	}
	w.tell()
	w.catchUp()
	return nil
}

// learn compares copies with what a look found of them. It returns those that it did not
// find, unless they have been asked for before: a server that is at several commands at
// once may have looked before it had stored them.
func (w *writer) learn(l *look, found []upstream.Message) (missing []*given) {
	for _, c := range l.copies {
		if !c.sure {
			continue
		}
		i := slices.IndexFunc(found, func(m upstream.Message) bool { return m.UID == c.uid })
		switch {
		case i >= 0:
			w.compare(c, found[i])
		case !l.again:
			missing = append(missing, c)
		}
	}
	return missing
}

// compare learns from one copy.
func (w *writer) compare(c *given, m upstream.Message) {
	keep, _ := w.keepable(c.flags)
	gone := without(keep, m.Flags)
	w.lost().keeps(without(keep, gone))
	w.checks.proved = normalise(append(slices.Clone(w.checks.proved), c.flags...))
	if news := without(gone, w.lost().all()); len(news) > 0 {
		w.log.Warn().Str("flags", joinFlags(news)).Msg("the new server loses flags when it is given a message; they are stored again")
		w.lost().add(news)
	}
	if w.checks.dated || !holdable(c.date, time.Now()) {
		return
	}
	w.checks.dated = true
	if !m.Date.IsZero() && m.Date.Sub(c.date).Abs() > dateSlack {
		const layout = "2006-01-02 15:04:05 -0700"
		w.checks.wrongDate = "given " + c.date.Format(layout) + ", it has " + m.Date.Format(layout)
		w.log.Error().Time("given", c.date).Time("found", m.Date).Msg("the new server does not keep the dates of messages, which can't be mended later")
	}
}

// dropLost takes those flags from an entry that its copy lacks.
func (w *writer) dropLost(e *store.Entry) {
	if lost := w.lost().all(); len(lost) > 0 {
		if kept := without(e.Flags, lost); len(kept) < len(e.Flags) {
			e.Flags, w.checks.mending = kept, true
		}
	}
}

// keepable splits flags into those that the folder can keep and the others.
func (p *pull) keepable(flags []imap.Flag) (keep, dropped []imap.Flag) {
	if p.checks.permanent == nil {
		return permitted(flags, nil, false)
	}
	return permitted(flags, p.checks.permanent.PermanentFlags, p.checks.permanent.AnyFlag)
}

// askPermanent asks what flags the folder can keep, unless it has been asked.
func (p *pull) askPermanent(ctx context.Context) (err error) {
	if p.asked == nil {
		p.asked, err = p.new.SendPermanent(ctx, p.folder.New)
	}
	return err
}

// learnPermanent asks, unless that is known, what flags the folder can keep. It is
// done before the first message with a keyword goes there; the system flags every
// folder is asked to keep.
func (w *writer) learnPermanent(ctx context.Context) error {
	if w.checks.permanent != nil {
		return nil
	}
	if err := w.askPermanent(ctx); err != nil {
		return err
	}
	sel, err := w.asked.Wait(ctx)
	if err != nil && !upstream.Answered(err) {
		return err
	}
	if err != nil || len(sel.PermanentFlags) == 0 && !sel.AnyFlag { // it says that it keeps nothing, which can't be meant
		sel = &upstream.Selected{PermanentFlags: systemFlags, AnyFlag: true}
	}
	if sel.AnyFlag {
		// Who takes any new keyword takes the system flags too; some servers list
		// only those that are in use.
		all := normalise(append(slices.Clone(sel.PermanentFlags), systemFlags...))
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
	var copies []*given
	var seen []imap.Flag
	for _, e := range proofs {
		keep, _ := w.keepable(e.Flags)
		if news := without(w.unproved(keep), seen); e.UID != 0 && len(news) > 0 && len(copies) < checksMost {
			copies = append(copies, &given{uid: e.UID, flags: keep, sure: true})
			seen = append(seen, news...)
		}
	}
	if len(copies) == 0 {
		return nil
	}
	if err := w.lookAt(ctx, copies); err != nil {
		return err
	}
	return w.drain(ctx)
}
