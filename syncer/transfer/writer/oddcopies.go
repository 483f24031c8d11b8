package writer

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
)

// What the new server has for the UIDs that it has told is compared in size with what it was
// given. A copy of another size than line ends explain is not entered: what it is, is found
// out before. It may be another message, if the server has told wrong UIDs; a part of it; or
// the message as the server likes it.

const (
	// oddMost is how many copies of unexplained sizes are kept for the end of a pull.
	oddMost = 20
	// rewritesLeast is how many copies a server must have changed before that counts as its way.
	rewritesLeast = 3
)

// oddCopies are copies of unexplained sizes.
type oddCopies struct {
	job     *job.Job
	ledger  *Ledger
	checks  *copyChecks
	copies  []oddCopy // not entered
	weighed int       // copies whose sizes were as they should be
	judging bool      // judgeEarly is at work
	told    job.Told  // those that the next attempt has to judge
}

// oddCopy is a copy of unexplained size.
type oddCopy struct {
	*given
	found upstream.Message
}

// weigh tells whether a copy has the size of what was sent. One that hasn't is put off.
func (o *oddCopies) weigh(c *given, m upstream.Message) bool {
	if c.entry == nil || m.Size < 0 || c.of == nil || o.changes().Own() {
		return true
	}
	if s := c.of.Stream; s != nil {
		c.lines = s.Lines
	}
	if c.lines.Explain(int64(c.entry.Size), m.Size) {
		o.weighed++
		return true
	}
	o.copies = append(o.copies, oddCopy{c, m})
	o.job.Log.Warn().Str("key", message.KeyText(c.entry.Key)).Uint32("uid", uint32(c.uid)).Uint32("sent", c.entry.Size).Int64("stored", m.Size).
		Msg("a copy has another size than what was sent")
	return false
}

// changes is what is known of how the new server changes messages.
func (o *oddCopies) changes() *session.AlteredBodies { return &o.job.Pair.New.End.Pool.Altered }

// acceptSame enters those odd copies that say the same as their originals.
func (o *oddCopies) acceptSame(ctx context.Context) error {
	places := make([]int, len(o.copies))
	uids := make([]imap.UID, len(o.copies))
	for i, c := range o.copies {
		places[i], uids[i] = i, c.uid
	}
	olds, err := o.job.OldContents(ctx, places, func(i int) (imap.UID, bool) { return o.job.Selected.Keys.UID(o.copies[i].entry.Key) })
	if err != nil {
		return err
	}
	news, err := o.job.ReadNew(ctx, uids)
	if err != nil {
		return err
	}
	at := 0
	o.acceptOdd(func(c oddCopy) bool {
		old, haveOld := olds[at]
		copied, haveNew := news[c.uid]
		at++
		return haveOld && haveNew && old.Says(copied)
	})
	return nil
}

// acceptElsewhere enters those that are there under another UID than the server has told.
func (o *oddCopies) acceptElsewhere(ctx context.Context) error {
	if len(o.copies) == 0 {
		return nil
	}
	if err := o.ledger.Commit(ctx); err != nil { // what has been entered must not be found
		return err
	}
	if err := o.job.ReadLedger(ctx); err != nil {
		return err
	}
	want, from := make([]message.Wanted, len(o.copies)), o.copies[0].of.Intent.UIDNext
	for i, c := range o.copies {
		want[i] = message.Wanted{Fingerprint: c.entry.Fingerprint, Size: int64(c.entry.Size)}
		from = min(from, c.of.Intent.UIDNext)
	}
	found, err := o.job.Recovery.Copies.Newcomers(ctx, max(from, 1))
	if err != nil {
		return err
	}
	at, copies := 0, message.NewCandidates(found).TakeExact(want)
	o.acceptOdd(func(c oddCopy) bool {
		there := copies[at]
		at++
		if there.UID != 0 {
			o.job.Log.Warn().Uint32("told", uint32(c.uid)).Uint32("found", uint32(there.UID)).Msg("the new server tells wrong UIDs of the messages that it is given")
			o.job.SetUID(c.entry, o.job.Target.UIDValidity, there.UID)
		}
		return there.UID != 0
	})
	return nil
}

// acceptRewritten enters those odd copies that have their originals' headers and nothing
// missing: as far as can be told the server has changed them. From then on sizes say nothing.
func (o *oddCopies) acceptRewritten(ctx context.Context) error {
	if len(o.copies) == 0 {
		return nil
	}
	own := map[imap.UID]bool{}
	sizes := map[imap.UID]oddCopy{}
	var set imap.UIDSet
	for _, c := range o.copies {
		sizes[c.uid] = c
		set.AddNum(c.uid)
	}
	if _, err := o.job.New.Examine(ctx, o.job.Row.New); err != nil {
		return o.job.Gone(err, recovery.ErrNewGone)
	}
	err := o.job.New.Headers(ctx, set, func(m upstream.Message, header []byte) error {
		c := sizes[m.UID]
		own[m.UID] = c.entry != nil && message.Fingerprint(header, int64(c.entry.Size)) == c.entry.Fingerprint
		return nil
	})
	if err != nil && !recovery.AboutMessages(err) {
		return err
	}
	always := len(o.copies) >= rewritesLeast && len(o.copies) > o.weighed
	n := o.acceptOdd(func(c oddCopy) bool {
		sent := int64(c.entry.Size)
		return own[c.uid] && (c.found.Size >= sent || always && c.found.Size >= sent-sent/10)
	})
	if n >= rewritesLeast && n > o.weighed {
		o.job.Log.Warn().Int("copies", n).Msg("the new server changes the messages that it is given; their sizes are not compared any more")
		o.changes().Learn()
	}
	return nil
}

// acceptOdd enters odd copies that ok says yes to, and returns how many. What the look showed
// of their flags and dates counts, unless they are elsewhere.
func (o *oddCopies) acceptOdd(ok func(oddCopy) bool) (n int) {
	var left, taken []oddCopy
	for _, c := range o.copies {
		if !ok(c) {
			left = append(left, c)
			continue
		}
		if taken = append(taken, c); c.news && c.entry.UID == c.uid {
			o.checks.compare(c.given, c.found)
		}
	}
	for _, c := range taken { // once all is known of the flags
		o.ledger.enterLooked(c.given)
	}
	o.copies = left
	return len(taken)
}

// giveUpOdd puts the messages into quarantine whose copies are not what was sent.
func (o *oddCopies) giveUpOdd() {
	for _, c := range o.copies {
		o.ledger.unentered--
		o.ledger.quarantine(job.NotAsGiven(c.entry.Key, c.entry.Size, c.found.Size))
	}
	o.copies = nil
}

// leaveOdd keeps the odd copies for the next attempt.
func (o *oddCopies) leaveOdd() {
	for _, c := range o.copies {
		o.told[c.entry.Key] = job.ToldCopy{UIDValidity: o.job.Target.UIDValidity, UID: c.uid, Size: c.found.Size}
	}
}
