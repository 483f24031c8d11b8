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

// copyChecks compares the flags and dates of copies with what they were given.
type copyChecks struct {
	*Checks
	job *job.Job
}

// worthChecking tells whether the copy of a message shows something new.
func (cc *copyChecks) worthChecking(m *sending) bool {
	dated := cc.dated || cc.dating
	return !dated && cc.job.First() && message.Holdable(m.Msg.Date, time.Now()) || len(message.WithoutFlags(cc.unproved(m.flags()), cc.proving)) > 0
}

// unproved are those of flags of which it isn't known whether they arrive.
func (cc *copyChecks) unproved(flags []imap.Flag) []imap.Flag {
	return cc.lost().Unknown(message.WithoutFlags(flags, cc.proved))
}

// lost is what the new server is known to lose.
func (cc *copyChecks) lost() *session.LostFlags { return &cc.job.Pair.New.End.Pool.LostFlags }

// looksAt notes what a look at a copy will show, so that it isn't asked for again.
func (cc *copyChecks) looksAt(c *given) {
	c.news = true
	cc.dating = cc.dating || message.Holdable(c.date, time.Now())
	cc.proving = append(cc.proving, c.flags...)
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
