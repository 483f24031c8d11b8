package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

// repairLargest is the size up to which a message that was streamed is fetched
// again to be repaired, which needs all of it in memory. Octets.
const repairLargest = 32 << 20

// momentsMost is how many times a pull waits for a moment before it sends a message once
// more: a refusal that nothing explains may be the server's own trouble, gone soon. Cyrus
// 3.6 says "System I/O error" at times when a new person's first folders get mail at once.
const momentsMost = 3

// mending is what an item is marked with that the new server refused.
type mending struct {
	twice    bool            // it has been sent once more as it is
	keep     []imap.Flag     // what the new folder can keep of the flags
	refusal  error           // of the message as it is
	repaired *store.Repaired // set once it is tried repaired
	kept     []imap.Flag     // the repaired copy's flags
	lighter  bool            // only flags were left out so far: there may be more to mend
	aside    bool            // it was put off until nothing else is under way
	redated  bool            // its date was replaced

	refusedBefore bool   // the new server has refused it
	since         uint64 // messages that had been taken when it did so first
	said          error  // its last refusal, if that is about this message alone
}

// settleRefused decides about one message that the new server refused standing alone.
func (w *writer) settleRefused(ctx context.Context, it *item, why error) error {
	if it.stream == nil && it.unexplained(why) {
		return w.onceMore(ctx, it, why)
	}
	if again, err := w.mend(ctx, it, why); again {
		return err
	}
	w.giveUp(it, why)
	return nil
}

// unexplained tells whether a refusal says nothing of what is wrong with the message, so
// that it is worth sending it once more as it is.
func (it *item) unexplained(why error) bool {
	e, ok := errors.AsType[*upstream.Error](why)
	return ok && e.Class == upstream.Refused && e.Code == "" && !it.twice && it.repaired == nil && it.intent.Size > 0 &&
		!message.ContainsAny(strings.ToLower(e.Text), "nul", "newline", "header", "flag", "keyword")
}

// onceMore sends a refused message again as it is, after a moment.
func (w *writer) onceMore(ctx context.Context, it *item, why error) error {
	it.twice = true
	w.Log.Info().Str("key", KeyText(it.key)).Str("cause", why.Error()).Msg("message refused without a reason, trying it once more")
	if w.moments++; w.moments <= momentsMost {
		if err := session.Pause(ctx, w.Quiet/6); err != nil {
			w.release([]*item{it})
			return err
		}
	}
	return w.resend(ctx, it)
}

// resend sends a message for which an intent may have to be written anew.
func (w *writer) resend(ctx context.Context, it *item) error {
	w.intend([]*item{it})
	if err := w.commit(ctx); err != nil {
		w.release([]*item{it})
		return err
	}
	return w.send(ctx, []*item{it}, true)
}

// mend tries a refused message again, repaired. It returns false if there is
// nothing more to try. The intent is written anew before, with what the
// repaired copy is recognised by: the refusal is proof that there is no other.
func (w *writer) mend(ctx context.Context, it *item, why error) (bool, error) {
	if it.repaired != nil && !it.lighter && len(it.flags()) == 0 || hopeless(why) {
		return false, nil
	}
	if it.stream != nil || w.mayBeThere() && !it.aside {
		return w.putOff(it, why), nil
	}
	fixed, ok := it.redate(serverWords(why))
	if !ok {
		fixed, ok = message.RepairMessage(it.body, it.flags(), serverWords(why))
	}
	if !ok {
		return false, nil
	}
	it.lighter = len(fixed.Body) == len(it.body) && (fixed.Dated || len(fixed.Flags) < len(it.flags()))
	it.kept = fixed.Flags // of it.flags(), which it.repaired has a say in
	if it.repaired == nil {
		it.refusal = why
		it.repaired = &store.Repaired{Key: it.key, What: fixed.String(),
			Fingerprint: it.intent.Fingerprint, Size: it.intent.Size, When: time.Now()}
	} else {
		it.repaired.What += ", " + fixed.String()
	}
	it.intent.Flags = message.WithoutFlags(it.msg.Flags, message.WithoutFlags(it.keep, it.kept))
	if more := int64(len(fixed.Body)) - int64(len(it.body)); more > 0 && w.Memory.TryAcquire(more) {
		it.held += more
	}
	it.body = fixed.Body
	size := int64(len(it.body))
	it.intent.Fingerprint, it.intent.Size = message.Fingerprint(message.Header(it.body), size), clampSize(size)
	if adopted, err := w.adoptRepaired(ctx, it); adopted || err != nil {
		return true, err
	}
	w.pending.Repaired = append(w.pending.Repaired, *it.repaired)
	w.Log.Info().Str("key", KeyText(it.key)).Str("repair", it.repaired.What).Str("cause", why.Error()).Msg("message refused, trying it repaired")
	return true, w.resend(ctx, it)
}

// hopeless tells whether no repair can help.
func hopeless(why error) bool {
	e, ok := errors.AsType[*upstream.Error](why)
	return ok && (e.Class == upstream.Later || e.Code == imap.ResponseCodeTooBig || e.Code == "APPENDLIMIT")
}

// serverWords are what the server said.
func serverWords(why error) string {
	if e, ok := errors.AsType[*upstream.Error](why); ok {
		return e.Text
	}
	return ""
}

// putOff keeps a message for mendLarge: a large one, as its body went by, or one of which
// a repaired copy may be there already. The checkpoint doesn't pass it until then.
func (w *writer) putOff(it *item, why error) bool {
	if int64(it.intent.Size) > min(repairLargest, w.Limit/4) {
		return false
	}
	w.release([]*item{it})
	it.refusal, it.aside = why, true
	w.pending.Drop = append(w.pending.Drop, it.key)
	w.large = append(w.large, it)
	return true
}

// mendLarge fetches the large messages that were refused and tries them
// repaired. The reader has ended, so the old session is free.
func (w *writer) mendLarge(ctx context.Context) error {
	for len(w.large) > 0 {
		if err := w.Yielded(); err != nil {
			return err // the checkpoint lies before them: the next pull comes by again
		}
		it := w.large[0]
		if err := w.mendOne(ctx, it); err != nil {
			return err
		}
		if err := w.drain(ctx); err != nil {
			return err
		}
		w.large = w.large[1:]
	}
	w.catchUp()
	return nil
}

func (w *writer) mendOne(ctx context.Context, it *item) error {
	why := it.refusal
	it.stream = nil
	if err := w.fetchAgain(ctx, it); err != nil {
		w.release([]*item{it})
		return err
	}
	if it.body != nil {
		return w.settleRefused(ctx, it, why)
	}
	w.giveUp(it, why)
	return nil
}

// fetchAgain brings a message's body, unless the old server does not deliver it.
func (w *writer) fetchAgain(ctx context.Context, it *item) error {
	size := int64(it.intent.Size)
	if err := w.Memory.Acquire(ctx, size); err != nil {
		return err
	}
	it.held = size
	err := w.old.Bodies(ctx, imap.UIDSetNum(it.msg.UID), func(uid imap.UID, n int64, body io.Reader) error {
		if uid != it.msg.UID || n != size {
			return nil
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(body, b); err != nil {
			return err
		}
		it.body = b
		return nil
	})
	if upstream.ClassOf(err) == upstream.Refused {
		return nil
	}
	return err
}

// giveUp puts a message that the new server refuses into quarantine.
func (w *writer) giveUp(it *item, why error) {
	size := it.intent.Size
	w.release([]*item{it})
	q := newQuarantined(it.key, "The new server refuses this message.", serverSays(why))
	if it.twice {
		q.Attempts++
	}
	switch {
	case it.repaired != nil:
		q.Reason = fmt.Sprintf("The new server refuses this message, also after a repair (%s).", it.repaired.What)
		q.Cause = fmt.Sprintf("as it is: %s; repaired: %s", serverSays(it.refusal), serverSays(why))
		q.Attempts++
	case session.AboutOne(why):
		w.unavailable++
		q.Reason, q.Again = "The new server can't take this message at the moment.", true
	case size == 0:
		q.Reason = "The message is empty, and the new server takes no empty messages."
	}
	w.hold(it, q, why)
}

func serverSays(why error) string { return strings.TrimSpace(why.Error()) }

// storeLeftOut stores the flags with which the new server did not take messages, now that it
// has them.
func (p *Pull) storeLeftOut(ctx context.Context) error {
	if len(p.bare) == 0 {
		return nil
	}
	entries, err := p.Store.Entries(ctx, p.Account, p.Folder.ID, slices.Sorted(maps.Keys(p.bare)))
	if err != nil {
		return err
	}
	var changed []flagged
	for _, e := range entries {
		if add, _ := message.FlagChanges(e.Flags, p.bare[e.Key]); len(add) > 0 {
			changed = append(changed, flagged{entry: e, now: p.bare[e.Key], add: add})
		}
	}
	p.bare = nil
	return p.applyFlags(ctx, changed)
}

// bared notes that a message is on the new server without flags that it was not taken with.
func (w *writer) bared(it *item) {
	if it.repaired == nil || len(it.intent.Flags) == len(it.msg.Flags) {
		return
	}
	if w.bare == nil {
		w.bare = map[store.Key][]imap.Flag{}
	}
	w.bare[it.key] = it.msg.Flags
}

// flags are what a message is appended with.
func (it *item) flags() []imap.Flag {
	if it.repaired != nil {
		return it.kept
	}
	return it.keep
}

// proof is the entry of a message whose intent is fulfilled. What it is recognised
// by is the copy's, also if that was repaired: the original's is noted with the repair.
func (p *Pull) proof(in store.Intent, uidValidity uint32, uid imap.UID) store.Entry {
	e := store.Entry{Key: in.Key, Flags: in.Flags, Fingerprint: in.Fingerprint, Size: in.Size}
	p.place(&e, uidValidity, uid)
	return e
}

// repairOf is what the ledger has noted of a message's repair.
func (p *Pull) repairOf(key store.Key) (store.Repaired, bool) {
	return message.FindRepaired(p.ledger.Repaired, key)
}

// mayBeThere tells whether a repaired copy from before the ledger was lost has to be looked
// for: adoption finds those when a folder is pulled for the first time, but a message that
// failed then, and is tried again in a later pull, has missed it.
func (w *writer) mayBeThere() bool { return !w.first() && !w.Fleeting }

// adoptRepaired enters a repaired copy that an earlier ledger knew of, instead
// of making another.
func (w *writer) adoptRepaired(ctx context.Context, it *item) (bool, error) {
	want := message.Wanted{Fingerprint: it.intent.Fingerprint, Size: int64(it.intent.Size)}
	var found message.Candidate
	var err error
	switch {
	case w.adopt != nil && !w.mayBeThere():
		found = w.adopt.takeRepaired(want)
	case w.mayBeThere():
		if found, err = w.findRepaired(ctx, want, it.body); upstream.ClassOf(err) == upstream.Refused {
			w.Log.Warn().Err(err).Str("key", KeyText(it.key)).Msg("the new server can't be asked for a repaired copy, another is made")
			err = nil
		}
	}
	if found.UID == 0 || err != nil {
		if err != nil {
			w.release([]*item{it})
		}
		return false, err
	}
	w.release([]*item{it})
	w.bared(it)
	w.pending.Repaired = append(w.pending.Repaired, *it.repaired)
	w.pending.Proofs = append(w.pending.Proofs, w.proof(it.intent, w.Target.UIDValidity, found.UID))
	w.Done.adopted.Add(1)
	w.dealt(1, uint64(it.repaired.Size))
	return true, nil
}

// findRepaired looks for a message of the new folder that no line of the ledger stands for,
// among those that were there before this pull. Nothing may be under way.
func (w *writer) findRepaired(ctx context.Context, want message.Wanted, body []byte) (message.Candidate, error) {
	if w.before <= 1 {
		return message.Candidate{}, nil
	}
	if err := w.commit(ctx); err != nil { // what has just been found must not be found again
		return message.Candidate{}, err
	}
	ledger, err := w.Store.Ledger(ctx, w.Account, w.Folder.ID)
	if err != nil {
		return message.Candidate{}, err
	}
	sel, err := w.new.Examine(ctx, w.Folder.New)
	if err != nil {
		return message.Candidate{}, w.gone(err, ErrNewGone)
	}
	if sel.UIDValidity != w.Target.UIDValidity || Fleeting(sel) {
		return message.Candidate{}, nil
	}
	alike, err := w.new.Search(ctx, fmt.Sprintf("UID 1:%d LARGER %d SMALLER %d", w.before-1, max(want.Size-message.SizeSlack-1, 0), want.Size+message.SizeSlack+1))
	if err != nil {
		return message.Candidate{}, err
	}
	found, err := w.strangers(ctx, alike, 1, session.NewUIDs(ledger, sel.UIDValidity))
	if err != nil || len(found) == 0 {
		return message.Candidate{}, err
	}
	copies, err := message.NewCandidates(found).TakeProved(ctx, []message.Wanted{want}, message.CopyEvidence{
		Old: func(context.Context, []int) (map[int]message.Content, error) {
			c, err := message.ReadContent(bytes.NewReader(body))
			return map[int]message.Content{0: c}, err
		},
		Fresh: w.newContents,
	})
	return copies[0], err
}
