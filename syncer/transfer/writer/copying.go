package writer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
)

// A message that the new server has in another folder already is copied there (RFC 9051 section 6.4.7) instead of being
// sent again. What is to be copied is looked at before; what the server says of the copies (COPYUID, RFC 4315)
// afterwards. What it does not say is found out as after a connection that broke: by what is in the folder.

// copier has the new server copy messages.
type copier struct {
	job     *job.Job
	tally   *job.Tally
	trouble *job.CopyTrouble
	before  Before
	ledger  *Ledger
	review  *review
}

// copyAll copies messages, unless err is set: it is what went wrong before. Nothing else is under way.
func (c *copier) copyAll(ctx context.Context, all *job.Copying, err error) error {
	for _, from := range all.From {
		rest := from.Messages
		if err == nil && !c.trouble.Off() {
			rest, err = c.copyFrom(ctx, from)
		}
		for _, m := range rest {
			all.Left = append(all.Left, m.Msg)
		}
	}
	all.End(err)
	return err
}

// copying is a COPY on its way.
type copying struct {
	messages []job.CopyOf
	there    []upstream.Message // what is copied, as the new server tells it; one for each
	intents  []store.Intent     // likewise
	set      imap.UIDSet
}

// copyFrom copies messages from one folder, and returns those that could not be copied.
func (c *copier) copyFrom(ctx context.Context, from job.CopyFrom) (left []job.CopyOf, err error) {
	there, err := c.lookAtCopies(ctx, from)
	if err != nil {
		return nil, err
	}
	cmd := &copying{}
	slices.SortFunc(from.Messages, func(a, b job.CopyOf) int { return cmp.Compare(a.Line.UID, b.Line.UID) }) // as they will be
	for _, m := range from.Messages {
		if found, ok := there[m.Line.UID]; ok && isCopy(m, found) {
			cmd.messages, cmd.there = append(cmd.messages, m), append(cmd.there, found.Message)
			cmd.set.AddNum(m.Line.UID)
		} else {
			left = append(left, m)
		}
	}
	if len(cmd.messages) == 0 {
		return left, nil
	}
	c.intendCopies(cmd)
	if err := c.before.Enter(ctx, c.ledger); err != nil {
		return nil, err
	}
	copied, told, err := c.job.New.CopyUIDs(ctx, cmd.set, c.job.Row.New)
	switch {
	case recovery.Refusal(err) && !uncertain(err):
		return append(left, cmd.messages...), c.copyRefused(ctx, cmd, err)
	case err != nil:
		c.trouble.GiveUp()
		return nil, uncertainCopies(err)
	case told && copied.UIDValidity != c.job.Target.UIDValidity:
		return nil, fmt.Errorf("%w: the new server has copied messages under UIDVALIDITY %d, the folder had %d", recovery.ErrNewGone, copied.UIDValidity, c.job.Target.UIDValidity)
	}
	if !told {
		copied = upstream.Moved{}
	}
	return left, c.copied(ctx, cmd, copied)
}

// uncertainCopies is what a pull ends with where a server failed inside.
func uncertainCopies(err error) error {
	if recovery.Refusal(err) {
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return err
}

// seen is a message of the new server.
type seen struct {
	upstream.Message
	header bool // its header was told as well, and is that of the line
}

// lookAtCopies opens a folder and looks at those of its messages that are to be copied.
func (c *copier) lookAtCopies(ctx context.Context, from job.CopyFrom) (map[imap.UID]seen, error) {
	sel, err := c.job.New.Examine(ctx, from.Name)
	if err != nil {
		return nil, unlessAnswered(err)
	}
	lines := map[imap.UID]*store.Entry{}
	var set imap.UIDSet
	for i := range from.Messages {
		if line := &from.Messages[i].Line; line.UIDValidity == sel.UIDValidity && !recovery.Fleeting(sel) {
			lines[line.UID] = line
			set.AddNum(line.UID)
		}
	}
	if len(set) == 0 {
		return nil, nil
	}
	there := map[imap.UID]seen{}
	err = c.job.New.ListMessages(ctx, set, 0, func(m upstream.Message) error {
		there[m.UID] = seen{Message: m}
		return nil
	})
	if err != nil {
		return nil, unlessAnswered(err)
	}
	err = c.job.New.Headers(ctx, set, func(m upstream.Message, header []byte) error {
		if line := lines[m.UID]; line != nil && message.IsCopy(line, m, header) {
			s := there[m.UID]
			s.header = true
			there[m.UID] = s
		}
		return nil
	})
	if err != nil {
		return nil, unlessAnswered(err)
	}
	return there, nil
}

// unlessAnswered is nil for a refusal: then the messages are brought instead.
func unlessAnswered(err error) error {
	if recovery.Refusal(err) {
		return nil
	}
	return err
}

// isCopy tells whether what was found is the copy that is to be copied, as it is to be: its date stays, and what is marked as
// deleted may be gone before that is taken back.
func isCopy(m job.CopyOf, found seen) bool {
	return found.header && found.UID == m.Line.UID && found.Date.Sub(m.Msg.Date).Abs() <= dateSlack &&
		(!message.ContainsFlag(found.Flags, imap.FlagDeleted) || message.ContainsFlag(m.Msg.Flags, imap.FlagDeleted))
}

// intendCopies notes that messages are about to be copied, with the flags that they have where they are.
func (c *copier) intendCopies(cmd *copying) {
	l := c.ledger
	l.batches++
	for i, m := range cmd.messages {
		in := store.Intent{
			Key: m.Key, Fingerprint: m.Line.Fingerprint, Size: m.Line.Size, Flags: message.NormaliseFlags(cmd.there[i].Flags),
			UIDValidity: c.job.Target.UIDValidity, UIDNext: c.job.Target.UIDNext, Written: time.Now(), Batch: l.batches, Place: uint32(i),
		}
		cmd.intents = append(cmd.intents, in)
		l.Pending.Intents = append(l.Pending.Intents, in)
	}
}

// copyRefused notes that nothing was copied. The messages are brought, and the server says then whether it does not take them either.
func (c *copier) copyRefused(ctx context.Context, cmd *copying, why error) error {
	c.job.Log.Info().Err(why).Int("messages", len(cmd.messages)).Msg("the new server does not copy messages from another folder; they are given to it again")
	c.trouble.Refused()
	for _, in := range cmd.intents {
		c.ledger.Pending.Drop = append(c.ledger.Pending.Drop, in.Key)
	}
	return c.ledger.Commit(ctx)
}

// copied enters what the new server says that it has copied. If it does not say that of all, the attempt ends, and
// what became of the others is found out.
func (c *copier) copied(ctx context.Context, cmd *copying, copied upstream.Moved) error {
	at := c.placesOf(cmd, copied)
	found, err := c.lookAtNewOnes(ctx, at)
	if err != nil {
		return err
	}
	unknown := 0
	for i, in := range cmd.intents {
		uid, ok := at[cmd.messages[i].Line.UID]
		now, shown := found[uid]
		if !ok || shown && now.Size >= 0 && cmd.there[i].Size >= 0 && now.Size != cmd.there[i].Size {
			unknown++
			continue
		}
		if shown {
			in.Flags = message.NormaliseFlags(now.Flags)
		}
		c.enterCopy(cmd.messages[i], in, uid)
	}
	if err := c.ledger.Commit(ctx); err != nil {
		return err
	}
	c.tally.Tell()
	if unknown == 0 {
		return nil
	}
	c.trouble.GiveUp()
	return fmt.Errorf("%w: it does not say where %d of %d messages are that it was told to copy", ErrUncertain, unknown, len(cmd.messages))
}

// placesOf are the UIDs of copies, by those of what was copied, as far as they can be true.
func (c *copier) placesOf(cmd *copying, copied upstream.Moved) map[imap.UID]imap.UID {
	at, taken := map[imap.UID]imap.UID{}, map[imap.UID]bool{}
	for i, from := range copied.From {
		to := copied.To[i]
		if _, twice := at[from]; twice || taken[to] || !c.job.Fresh(to) || !cmd.set.Contains(from) {
			continue
		}
		at[from], taken[to] = to, true
	}
	return at
}

// lookAtNewOnes looks at copies.
func (c *copier) lookAtNewOnes(ctx context.Context, at map[imap.UID]imap.UID) (map[imap.UID]upstream.Message, error) {
	var set imap.UIDSet
	for _, uid := range at {
		set.AddNum(uid)
	}
	found := map[imap.UID]upstream.Message{}
	if len(set) == 0 {
		return found, nil
	}
	call, err := c.job.New.SendReadBack(ctx, c.job.Row.New, c.job.Target.UIDValidity, set, nil)
	if err != nil {
		return nil, err
	}
	list, err := call.Wait(ctx)
	if err != nil && !recovery.Refusal(err) {
		return nil, err
	}
	for _, m := range list {
		found[m.UID] = m
	}
	return found, nil
}

// enterCopy enters a copy. Flags in which it differs from the message are carried over like any change.
func (c *copier) enterCopy(m job.CopyOf, in store.Intent, uid imap.UID) {
	e := c.job.Proof(in, c.job.Target.UIDValidity, uid)
	if add, remove := message.FlagChanges(e.Flags, m.Msg.Flags); len(add)+len(remove) > 0 {
		c.job.Mending = true
	}
	c.ledger.Pending.Proofs = append(c.ledger.Pending.Proofs, e)
	c.job.Placed(c.job.Target.UIDValidity, uid)
	c.review.copied(uid)
	c.tally.Done.Copied.Add(1)
	c.tally.Dealt(1, uint64(e.Size))
}
