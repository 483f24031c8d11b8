package transfer

import (
	"context"
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/upstream"
)

const (
	// listMany is how many messages later listings should bring.
	listMany = 4 * session.ListWindow
	// listMost is how many messages one listing may bring: a range that has more is
	// listed in smaller ones, so that memory doesn't grow with the folder.
	listMost = 16 * session.ListWindow
	// streamAbove is the size from which a body is passed through instead of
	// being held. Octets.
	streamAbove = 1 << 20
	// handOver is how many messages may wait between reader and writer.
	handOver = 400
)

// errDense: there are more messages in a range than one listing may bring.
var errDense = errors.New("there are more messages in the range than one listing may bring")

// reader lists, fetches and hands over. It alone uses the old session while a
// writer runs.
type reader struct {
	*Job
	*Resources
	*Shared
	*Events
	*tally
	*stopping
	adopt  *adoption       // nil when nothing can be adopted
	moves  *recovery.Moves // nil for none
	events chan<- event
	windows
	hurry
	pacing
	failing
	lengths *oddLengths
	rekeyed bool // lines of this folder have got other keys
}

// windows is how far the reader has come in the old folder.
type windows struct {
	base store.Checkpoint // what the checkpoints that it hands over go on from
	next imap.UID         // every message below it was handed over
	last bool             // there is nothing behind the present window
	// announced: the writer has been told that there are keywords.
	announced bool
	preparing bool // what comes next may be asked for ahead
	limited   bool // the new server has a limit for messages
}

// hurry is what is to come before the rest.
type hurry struct {
	decided bool // whether the newest messages come first
	shown   bool // the visitor has been let in, or is about to be
	// undisturbed: what is brought just now is urgent itself.
	undisturbed bool
	postponed   []upstream.Message // handed to nobody yet, as newer ones come first
}

// pacing is how fast messages come.
type pacing struct {
	seen session.Arrivals // of this session with the old server
	told session.Arrivals // what the server's pace knows of them
	step int              // messages that the next command asks for, as long as nothing is known
}

// failing is what the old server did not give as it should.
type failing struct {
	oldTroubles *troubles
	doubted     map[store.Key]bool // messages that an earlier session would not give
	blind       bool               // a connection broke at a message that isn't known, as nothing had been listed
	// unavailable counts messages in a row that the old server can't deliver at the moment.
	unavailable int
}

func (p *Pull) newReader(events chan<- event) *reader {
	return &reader{
		Job: &p.Job, Resources: &p.Resources, Shared: &p.Shared, Events: &p.Events, tally: &p.tally, stopping: &p.stopping,
		adopt: p.adopt, moves: p.moves, events: events,
		windows: windows{base: p.Base, next: max(p.Row.Checkpoint.UIDNext, 1), preparing: p.mayPrepare(), limited: p.New.AppendLimit() != 0},
		pacing:  pacing{step: firstAsked},
		failing: failing{oldTroubles: &p.oldTroubles, doubted: p.doubted},
		lengths: &oddLengths{job: &p.Job},
	}
}

// copyMissing brings over everything missing, reading and writing at the same time.
func (p *Pull) copyMissing(ctx context.Context) error {
	events := make(chan event, handOver)
	rctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read := make(chan error, 1)
	r := p.newReader(events)
	go func() {
		err := r.run(rctx)
		close(events)
		read <- err
	}()
	w := p.newWriter()
	left, werr := w.run(ctx, events)
	if werr != nil {
		cancel()
	}
	for e := range events {
		p.discard(e, werr)
	}
	rerr := <-read
	p.Base, p.Rekeyed, p.blind = r.base, r.rekeyed, r.blind
	if left && rerr == nil {
		p.writer = w
		p.Outstanding.add(ctx, p)
		return nil
	}
	if left {
		w.left = false
		werr = w.complete(ctx, nil)
	}
	p.RateLimits.New.Budget.GiveBack(uint64(max(p.aside.Swap(0), 0)))
	if werr != nil {
		return werr
	}
	return rerr
}

// discard gives back what an event holds, and tells whoever waits for its end.
func (r *Resources) discard(e event, err error) {
	switch e := e.(type) {
	case *outgoing:
		e.pulled(err)
		r.giveBack(e)
	case *asking:
		e.done <- err
	case shown:
		if e.search != nil {
			e.search.End()
		}
	}
}

// giveBack frees what a message holds. Nobody may use its body any more.
func (r *Resources) giveBack(m *outgoing) {
	r.Memory.Release(m.held)
	if m.body != nil {
		r.Buffers.put(m.body)
	}
	m.held, m.body = 0, nil
}

func (r *reader) run(ctx context.Context) error {
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
		if err := r.newest(ctx, from); err != nil {
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
		r.last = to == r.Selected.UIDNext-1
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
	return r.openNext(ctx)
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
func (r *reader) mark(ctx context.Context, next imap.UID) error {
	if r.next = next; !r.Selected.Traits.StableUIDs {
		return nil
	}
	cp := r.base // what the new folder had then it is looked at from, until this pull has ended
	cp.UIDValidity, cp.UIDNext, cp.Messages = r.Selected.UIDValidity, r.Archive.upTo(next), r.toCopy()
	return r.hand(ctx, reached{&cp})
}

// hand hands something to the writer.
func (r *reader) hand(ctx context.Context, e event) error {
	select {
	case r.events <- e:
		return nil
	case <-ctx.Done():
		if m, ok := e.(*outgoing); ok {
			r.giveBack(m)
		}
		return ctx.Err()
	}
}

// window deals with a range of UIDs and returns how many messages are in it.
func (r *reader) window(ctx context.Context, from, to imap.UID) (listed int, err error) {
	told, listed, err := r.listMissing(ctx, from, to)
	if err != nil {
		return listed, err
	}
	r.Archive.count(listed)
	return listed, r.deal(ctx, told)
}

// listMissing lists the messages of a range of UIDs that have no end yet, and tells how
// many there are with the others.
func (r *reader) listMissing(ctx context.Context, from, to imap.UID) (told []upstream.Message, listed int, err error) {
	set, seen := imap.UIDSet{imap.UIDRange{Start: from, Stop: to}}, map[imap.UID]bool{}
	note := func(m upstream.Message) error {
		if m.UID < from || m.UID > to {
			return nil // "n:*"-style answers and unsolicited ones are not of this window
		}
		if listed++; listed > listMost {
			return errDense
		}
		if to-from < gapsMost {
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
func (r *reader) deal(ctx context.Context, told []upstream.Message) (err error) {
	missing := r.newOnes(told)
	if missing, err = r.returned(ctx, missing); err != nil {
		return err
	}
	if missing, err = r.archived(ctx, missing); err != nil {
		return err
	}
	r.Tell() // how large the folder is
	if missing, err = r.recognise(ctx, missing, true); err != nil {
		return err
	}
	if missing, err = r.moved(ctx, missing); err != nil { // what is there may be its copy, moved there as well
		return err
	}
	if missing, err = r.recognise(ctx, missing, false); err != nil {
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
func (t *tally) newOnes(told []upstream.Message) []upstream.Message {
	missing := told[:0]
	for _, m := range told {
		if !t.job.Known.Has(m.UID) {
			t.job.Known.Hand(m.UID)
			t.sizes.Add(m.Size)
			missing = append(missing, m)
		}
	}
	return missing
}

// announceKeywords lets the writer ask what keywords the new folder can keep while the
// bodies are on their way.
func (r *reader) announceKeywords(ctx context.Context, missing []upstream.Message) error {
	if r.announced || !slices.ContainsFunc(missing, func(m upstream.Message) bool { return hasKeyword(m.Flags) }) {
		return nil
	}
	r.announced = true
	return r.hand(ctx, keywords{})
}

// list lists a window, or tells what came with the opening of the folder.
func (j *Job) list(ctx context.Context, set imap.UIDSet, fn func(upstream.Message) error) error {
	covered := len(j.Selected.Listed) == 1 && j.Selected.Listed[0].Start <= set[0].Start && set[0].Stop <= j.Selected.Listed[0].Stop
	if !covered {
		return j.Old.ListMessages(ctx, set, 0, fn)
	}
	for _, m := range j.Selected.ListedAhead {
		if err := fn(m); err != nil {
			return err
		}
	}
	return nil
}

func (j *Job) intent(m *outgoing, header []byte, size int64) store.Intent {
	if m.msg.Date.IsZero() {
		m.msg.Date = message.DateOf(header)
		j.Log.Warn().Str("key", message.KeyText(m.key)).Time("date", m.msg.Date).Msg("the old server tells no date of this message; its header's is taken")
	}
	return store.Intent{
		Key: m.key, Fingerprint: message.Fingerprint(header, size), Size: recovery.ClampSize(size), Flags: m.msg.Flags,
		UIDValidity: j.Target.UIDValidity, UIDNext: j.Target.UIDNext,
	}
}
