package transfer

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/upstream"
)

// What the new server has for the UIDs that it has told is compared in size with what it was
// given. A copy of another size than line ends explain is not entered: what it is, is found
// out before. It may be another message, if the server has told wrong UIDs; a part of it; or
// the message as the server likes it.

// countLines notes the line ends of a message that is sent from memory. Those of a stream
// are known when it has been read.
func (m *outgoing) countLines() {
	m.lines = message.LineEnds{}
	if m.stream == nil {
		m.lines.Count(m.body)
	}
}

const (
	// oddMost is how many copies of unexplained sizes are kept for the end of a pull.
	oddMost = 20
	// rewritesLeast is how many copies a server must have changed before that counts as its way.
	rewritesLeast = 3
)

// weighing is what a writer knows of the sizes of copies.
type weighing struct {
	odd     []oddCopy // of unexplained sizes, and not entered
	weighed int       // copies whose sizes were as they should be
	judging bool      // judgeEarly is at work
}

// oddCopy is a copy of unexplained size.
type oddCopy struct {
	*given
	found upstream.Message
}

// weigh tells whether a copy has the size of what was sent. One that hasn't is put off.
func (w *writer) weigh(c *given, m upstream.Message) bool {
	if c.entry == nil || m.Size < 0 || c.of == nil || w.changes().Own() {
		return true
	}
	if s := c.of.stream; s != nil {
		c.lines = s.lines
	}
	if c.lines.Explain(int64(c.entry.Size), m.Size) {
		w.weighed++
		return true
	}
	w.odd = append(w.odd, oddCopy{c, m})
	w.Log.Warn().Str("key", message.KeyText(c.entry.Key)).Uint32("uid", uint32(c.uid)).Uint32("sent", c.entry.Size).Int64("stored", m.Size).
		Msg("a copy has another size than what was sent")
	return false
}

// changes is what is known of how the new server changes messages.
func (w *writer) changes() *session.AlteredBodies { return &w.Pair.New.End.Pool.Altered }

// judgeEarly finds out about odd copies before there are too many, as far as their headers
// tell: a server that rewrites messages does so with all of them.
func (w *writer) judgeEarly(ctx context.Context) error {
	if len(w.odd) < oddMost || len(w.odd) <= w.weighed || w.judging || w.given() {
		return nil
	}
	w.judging = true // until others have come
	if err := w.settleAll(ctx); err != nil {
		return err
	}
	err := w.acceptRewritten(ctx)
	w.judging = false
	return err
}

// judgeOdd finds out what the copies of unexplained sizes are, at the end of a pull.
func (w *writer) judgeOdd(ctx context.Context) error {
	if len(w.odd) == 0 {
		return nil
	}
	if err := w.drain(ctx); err != nil {
		return err
	}
	given := w.given()
	if !given { // the old session is still at this folder
		if err := w.acceptSame(ctx); err != nil {
			return err
		}
	}
	if err := w.acceptElsewhere(ctx); err != nil {
		return err
	}
	if err := w.acceptRewritten(ctx); err != nil {
		return err
	}
	if given && len(w.odd) > 0 {
		w.leaveOdd()
		return session.ErrGiven // only the originals could tell
	}
	w.giveUpOdd()
	w.catchUp()
	return nil
}

// acceptSame enters those odd copies that say the same as their originals.
func (w *writer) acceptSame(ctx context.Context) error {
	places := make([]int, len(w.odd))
	uids := make([]imap.UID, len(w.odd))
	for i, c := range w.odd {
		places[i], uids[i] = i, c.uid
	}
	olds, err := w.OldContents(ctx, places, func(i int) (imap.UID, bool) { return w.Selected.Keys.UID(w.odd[i].entry.Key) })
	if err != nil {
		return err
	}
	news, err := w.readNew(ctx, uids)
	if err != nil {
		return err
	}
	at := 0
	w.acceptOdd(func(c oddCopy) bool {
		old, haveOld := olds[at]
		copied, haveNew := news[c.uid]
		at++
		return haveOld && haveNew && old.Says(copied)
	})
	return nil
}

// acceptElsewhere enters those that are there under another UID than the server has told.
func (w *writer) acceptElsewhere(ctx context.Context) error {
	if len(w.odd) == 0 {
		return nil
	}
	if err := w.commit(ctx); err != nil { // what has been entered must not be found
		return err
	}
	if err := w.ReadLedger(ctx); err != nil {
		return err
	}
	want, from := make([]message.Wanted, len(w.odd)), w.odd[0].of.intent.UIDNext
	for i, c := range w.odd {
		want[i] = message.Wanted{Fingerprint: c.entry.Fingerprint, Size: int64(c.entry.Size)}
		from = min(from, c.of.intent.UIDNext)
	}
	found, err := w.recovery.Copies.Newcomers(ctx, max(from, 1))
	if err != nil {
		return err
	}
	at, copies := 0, message.NewCandidates(found).TakeExact(want)
	w.acceptOdd(func(c oddCopy) bool {
		there := copies[at]
		at++
		if there.UID != 0 {
			w.Log.Warn().Uint32("told", uint32(c.uid)).Uint32("found", uint32(there.UID)).Msg("the new server tells wrong UIDs of the messages that it is given")
			w.SetUID(c.entry, w.Target.UIDValidity, there.UID)
		}
		return there.UID != 0
	})
	return nil
}

// acceptRewritten enters those odd copies that have their originals' headers and nothing
// missing: as far as can be told the server has changed them. From then on sizes say nothing.
func (w *writer) acceptRewritten(ctx context.Context) error {
	if len(w.odd) == 0 {
		return nil
	}
	own := map[imap.UID]bool{}
	sizes := map[imap.UID]oddCopy{}
	var set imap.UIDSet
	for _, c := range w.odd {
		sizes[c.uid] = c
		set.AddNum(c.uid)
	}
	if _, err := w.New.Examine(ctx, w.Row.New); err != nil {
		return w.Gone(err, recovery.ErrNewGone)
	}
	err := w.New.Headers(ctx, set, func(m upstream.Message, header []byte) error {
		c := sizes[m.UID]
		own[m.UID] = c.entry != nil && message.Fingerprint(header, int64(c.entry.Size)) == c.entry.Fingerprint
		return nil
	})
	if err != nil && !recovery.AboutMessages(err) {
		return err
	}
	always := len(w.odd) >= rewritesLeast && len(w.odd) > w.weighed
	n := w.acceptOdd(func(c oddCopy) bool {
		sent := int64(c.entry.Size)
		return own[c.uid] && (c.found.Size >= sent || always && c.found.Size >= sent-sent/10)
	})
	if n >= rewritesLeast && n > w.weighed {
		w.Log.Warn().Int("copies", n).Msg("the new server changes the messages that it is given; their sizes are not compared any more")
		w.changes().Learn()
	}
	return nil
}

// acceptOdd enters odd copies that ok says yes to, and returns how many. What the look showed
// of their flags and dates counts, unless they are elsewhere.
func (w *writer) acceptOdd(ok func(oddCopy) bool) (n int) {
	var left, taken []oddCopy
	for _, c := range w.odd {
		if !ok(c) {
			left = append(left, c)
			continue
		}
		if taken = append(taken, c); c.news && c.entry.UID == c.uid {
			w.compare(c.given, c.found)
		}
	}
	for _, c := range taken { // once all is known of the flags
		w.enterLooked(c.given)
	}
	w.odd = left
	return len(taken)
}

// giveUpOdd puts the messages into quarantine whose copies are not what was sent.
func (w *writer) giveUpOdd() {
	for _, c := range w.odd {
		w.unentered--
		w.quarantine(notAsGiven(c.entry.Key, c.entry.Size, c.found.Size))
	}
	w.odd = nil
}
