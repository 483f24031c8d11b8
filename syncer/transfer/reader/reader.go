package reader

import (
	"context"
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/adopt"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
)

const (
	// listMany is how many messages later listings should bring.
	listMany = 4 * session.ListWindow
	// listMost is how many messages one listing may bring: a range that has more is
	// listed in smaller ones, so that memory doesn't grow with the folder.
	listMost = 16 * session.ListWindow
)

// errDense: there are more messages in a range than one listing may bring.
var errDense = errors.New("there are more messages in the range than one listing may bring")

// Reader goes through the old folder and hands over what is missing on the new server. It alone uses
// the old session while a writer runs.
type Reader struct {
	*job.Work
	out    *job.Handover
	copies *adopt.Recogniser // finds what is on the new server already
	bodies *fetcher
	ahead  *ahead
	windows
	hurry
}

// With is what a reader works with.
type With struct {
	*job.Work
	Adoption *adopt.Adoption    // nil when nothing can be adopted
	Moves    *recovery.Moves    // nil for none
	Troubles *job.Troubles      // at which messages connections with the old server broke
	Doubted  map[store.Key]bool // messages that an earlier session would not give
	Prepares bool               // the folder that comes next may be asked for ahead
}

func New(with With, out *job.Handover) *Reader {
	w := with.Work
	r := &Reader{
		Work: w, out: out, copies: adopt.NewRecogniser(w, out, with.Adoption, with.Moves),
		ahead:   &ahead{Work: w, preparing: with.Prepares, limited: w.New.AppendLimit() != 0},
		windows: windows{base: w.Base, next: max(w.Row.Checkpoint.UIDNext, 1)},
	}
	r.bodies = &fetcher{Work: w, out: out, hurry: &r.hurry, ahead: r.ahead, pacing: pacing{step: firstAsked},
		failing: failing{oldTroubles: with.Troubles, doubted: with.Doubted}, lengths: &oddLengths{job: &w.Job}}
	return r
}

// Reached is what the reader leaves to what comes after it: what the next checkpoints go on from, whether lines of this
// folder have got other keys, and whether a connection broke at a message that isn't known.
func (r *Reader) Reached() (base store.Checkpoint, rekeyed, blind bool) {
	return r.base, r.copies.NewKeys, r.bodies.blind
}

// windows is how far the reader has come in the old folder.
type windows struct {
	base store.Checkpoint // what the checkpoints that it hands over go on from
	next imap.UID         // every message below it was handed over
	// announced: the writer has been told that there are keywords.
	announced bool
}

// Run brings what is missing.
func (r *Reader) Run(ctx context.Context) error {
	from := r.next
	if err := r.bringEarly(ctx); err != nil {
		return err
	}
	if err := r.tryAgain(ctx); err != nil {
		return err
	}
	if err := r.resume(ctx, nil, from); err != nil {
		return err
	}
	if r.newestFirst() {
		if err := r.newest(ctx, from, nil); err != nil {
			return err
		}
	}
	width := imap.UID(session.ListWindow)
	for from < r.Selected.UIDNext {
		if err := r.Yielded(); err != nil {
			return err
		}
		to := r.Selected.UIDNext - 1
		if to-from >= width {
			to = from + width - 1
		}
		r.ahead.last = to == r.Selected.UIDNext-1
		n, err := r.window(ctx, from, to)
		if errors.Is(err, errDense) {
			width = max(width/8, 1)
			continue
		}
		if err = r.resume(ctx, err, to+1); err != nil {
			return err
		}
		if err := r.mark(ctx, to+1); err != nil {
			return err
		}
		from, width = to+1, adapt(width, n)
	}
	return r.ahead.open(ctx)
}

// adapt steers the width of UID ranges towards listMany messages each.
func adapt(width imap.UID, n int) imap.UID {
	switch {
	case n < listMany/2 && width < 1<<30:
		return width * 4
	case n > listMany*2:
		return max(width/2, 1)
	}
	return width
}

// mark lets the checkpoint advance once everything handed over so far is dealt
// with, unless the numbers end with the session.
func (r *Reader) mark(ctx context.Context, next imap.UID) error {
	if r.next = next; !r.Selected.Traits.StableUIDs {
		return nil
	}
	cp := r.base // what the new folder had then it is looked at from, until this pull has ended
	cp.UIDValidity, cp.UIDNext, cp.Messages = r.Selected.UIDValidity, r.UpTo(next), r.ToCopy()
	return r.out.Hand(ctx, job.Reached{Checkpoint: &cp})
}

// window deals with a range of UIDs and returns how many messages are in it.
func (r *Reader) window(ctx context.Context, from, to imap.UID) (listed int, err error) {
	told, listed, err := r.listMissing(ctx, from, to)
	if err != nil {
		return listed, err
	}
	r.Archive.Count(listed)
	return listed, r.deal(ctx, told)
}

// listMissing lists the messages of a range of UIDs that have no end yet, and tells how
// many there are with the others.
func (r *Reader) listMissing(ctx context.Context, from, to imap.UID) (told []upstream.Message, listed int, err error) {
	set, seen := imap.UIDSet{imap.UIDRange{Start: from, Stop: to}}, map[imap.UID]bool{}
	note := func(m upstream.Message) error {
		if m.UID < from || m.UID > to {
			return nil // "n:*"-style answers and unsolicited ones are not of this window
		}
		if listed++; listed > listMost {
			return errDense
		}
		if to-from < gapsMost || r.Archive != nil {
			seen[m.UID] = true
		}
		if !r.Known.Has(m.UID) {
			told = append(told, m)
		}
		return nil
	}
	if err = r.list(ctx, set, note); err == nil {
		err = r.listGaps(ctx, from, to, seen, note)
	}
	return told, listed, err
}

// deal deals with messages that were listed: it finds their copies, or brings them.
func (r *Reader) deal(ctx context.Context, told []upstream.Message) (err error) {
	missing := r.newOnes(told)
	if missing, err = r.copies.CopiedBack(ctx, missing); err != nil {
		return err
	}
	if missing, err = r.Archived(ctx, missing); err != nil {
		return err
	}
	r.Tell() // how large the folder is
	if missing, err = r.copies.Recognise(ctx, missing, true); err != nil {
		return err
	}
	if missing, err = r.copies.Moved(ctx, missing); err != nil { // what is there may be its copy, moved there as well
		return err
	}
	if r.copies.NewKeys {
		r.base.HighestModSeq = 0
	}
	if missing, err = r.copies.Recognise(ctx, missing, false); err != nil {
		return err
	}
	if missing, err = r.largeOnes(ctx, missing); err != nil {
		return err
	}
	if err := r.announceKeywords(ctx, missing); err != nil {
		return err
	}
	return r.bring(ctx, missing)
}

// newOnes are the messages of a window that are to be dealt with, each once.
func (r *Reader) newOnes(told []upstream.Message) []upstream.Message {
	missing := told[:0]
	for _, m := range told {
		if !r.Known.Has(m.UID) {
			r.Known.Hand(m.UID)
			r.Sizes.Add(m.Size)
			missing = append(missing, m)
		}
	}
	return missing
}

// announceKeywords lets the writer ask what keywords the new folder can keep while the
// bodies are on their way.
func (r *Reader) announceKeywords(ctx context.Context, missing []upstream.Message) error {
	if r.announced || !slices.ContainsFunc(missing, func(m upstream.Message) bool { return job.HasKeyword(m.Flags) }) {
		return nil
	}
	r.announced = true
	return r.out.Hand(ctx, job.Keywords{})
}

// list lists a window, or tells what came with the opening of the folder.
func (r *Reader) list(ctx context.Context, set imap.UIDSet, fn func(upstream.Message) error) error {
	covered := len(r.Selected.Listed) == 1 && r.Selected.Listed[0].Start <= set[0].Start && set[0].Stop <= r.Selected.Listed[0].Stop
	if !covered {
		return r.Old.ListMessages(ctx, set, 0, fn)
	}
	for _, m := range r.Selected.ListedAhead {
		if err := fn(m); err != nil {
			return err
		}
	}
	return nil
}
