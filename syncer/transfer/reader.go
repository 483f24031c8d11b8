package transfer

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

const (
	// listMany is how many messages later listings should bring.
	listMany = 4 * session.ListWindow
	// ListMost is how many messages one listing may bring: a range that has more is
	// listed in smaller ones, so that memory doesn't grow with the folder.
	ListMost = 16 * session.ListWindow
	// streamAbove is the size from which a body is passed through instead of
	// being held. Octets.
	streamAbove = 1 << 20
	// handOver is how many messages may wait between reader and writer.
	handOver = 400
)

// errDense: there are more messages in a range than one listing may bring.
var errDense = errors.New("there are more messages in the range than one listing may bring")

// item is what the reader hands to the writer, in the order of the old folder.
// Exactly one of body, stream, quarantine, checkpoint, shows and keywords is set.
type item struct {
	msg        upstream.Message
	key        store.Key
	intent     store.Intent
	body       []byte
	held       int64 // octets of the memory budget that the writer gives back
	stream     *source
	streamed   chan error // told when the stream has been read, or will not be
	quarantine *store.Quarantined
	checkpoint *store.Checkpoint
	keywords   bool             // messages with keywords follow
	search     *ClientSearch    // of shows: whose hits they are; nil for whoever opens the folder
	shows      bool             // once all before it is on the new server, the folder is worth showing
	foreseen   *given           // the look at its copy that was asked for along with it
	compare    *comparing       // messages of the new folder to be read
	lines      message.LineEnds // of the body as it was sent
	mending
}

// source is a body that the writer reads from the old server's connection.
type source struct {
	r     io.Reader
	err   error // the old server's fault
	lines message.LineEnds
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.lines.Count(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// Reader lists, fetches and hands over. It alone uses the old session while a
// writer runs.
type Reader struct {
	*Pull
	items chan<- *item
	next  imap.UID // every message below it was handed over
	// announced: the writer has been told that there are keywords.
	announced bool
	preparing bool // what comes next may be asked for ahead
	limited   bool // the new server has a limit for messages
	last      bool // there is nothing behind the present window
	decided   bool // whether the newest messages come first
	shown     bool // the visitor has been let in, or is about to be
	// undisturbed: what is brought just now is urgent itself.
	undisturbed bool
	postponed   []upstream.Message // handed to nobody yet, as newer ones come first
	seen        session.Arrivals   // of this session with the old server
	told        session.Arrivals   // what the server's pace knows of them
	step        int                // messages that the next command asks for, as long as nothing is known
	// unavailable counts messages in a row that the old server can't deliver at the moment.
	unavailable int
	odd         map[imap.UID]int64 // messages that came with another length than listed, and that length
}

// copyMissing brings over everything missing, reading and writing at the same time.
func (p *Pull) copyMissing(ctx context.Context) error {
	items := make(chan *item, handOver)
	rctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read := make(chan error, 1)
	r := &Reader{Pull: p, items: items, next: max(p.Folder.Checkpoint.UIDNext, 1), preparing: p.mayPrepare(), limited: p.new.AppendLimit() != 0, step: firstAsked}
	go func() {
		err := r.run(rctx)
		close(items)
		read <- err
	}()
	werr := newWriter(p).run(ctx, items)
	if werr != nil {
		cancel()
	}
	for it := range items {
		p.discard(it, werr)
	}
	rerr := <-read
	p.RateLimits.New.Budget.GiveBack(uint64(max(p.aside.Swap(0), 0)))
	if werr != nil {
		return werr
	}
	return rerr
}

// discard gives back what an item holds.
func (p *Pull) discard(it *item, err error) {
	if it.streamed != nil {
		it.streamed <- err
	}
	if it.compare != nil {
		it.compare.done <- err
	}
	if it.search != nil {
		it.search.End()
	}
	p.giveBack(it)
}

// giveBack frees what an item holds. Nobody may use its body any more.
func (p *Pull) giveBack(it *item) {
	p.Memory.Release(it.held)
	if it.body != nil {
		p.Buffers.put(it.body)
	}
	it.held, it.body = 0, nil
}

func (r *Reader) run(ctx context.Context) error {
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
// with. POP3's numbers end with the session.
func (r *Reader) mark(ctx context.Context, next imap.UID) error {
	if r.next = next; r.Selected.POP3 {
		return nil
	}
	cp := r.base // what the new folder had then it is looked at from, until this pull has ended
	cp.UIDValidity, cp.UIDNext, cp.Messages = r.Selected.UIDValidity, next, r.toCopy()
	return r.hand(ctx, &item{checkpoint: &cp})
}

func (r *Reader) hand(ctx context.Context, it *item) error {
	select {
	case r.items <- it:
		return nil
	case <-ctx.Done():
		r.giveBack(it)
		return ctx.Err()
	}
}

// Yielded returns errYield once the pull was asked to stop, and errPause once
// its session has to end.
func (p *Pull) Yielded() error {
	select {
	case <-p.Yield:
		return session.ErrYield
	default:
	}
	if !p.until.IsZero() && p.Clock().After(p.until) {
		return ErrPause
	}
	return nil
}

// window deals with a range of UIDs and returns how many messages are in it.
func (r *Reader) window(ctx context.Context, from, to imap.UID) (listed int, err error) {
	told, listed, err := r.listMissing(ctx, from, to)
	if err != nil {
		return listed, err
	}
	r.Archive.count(listed)
	return listed, r.deal(ctx, told)
}

// listMissing lists the messages of a range of UIDs that have no end yet, and tells how
// many there are with the others.
func (r *Reader) listMissing(ctx context.Context, from, to imap.UID) (told []upstream.Message, listed int, err error) {
	set := imap.UIDSet{imap.UIDRange{Start: from, Stop: to}}
	err = r.list(ctx, set, func(m upstream.Message) error {
		if m.UID < from || m.UID > to {
			return nil // "n:*"-style answers and unsolicited ones are not of this window
		}
		if listed++; listed > ListMost {
			return errDense
		}
		if !r.known.Has(m.UID) {
			told = append(told, m)
		}
		return nil
	})
	return told, listed, err
}

// deal deals with messages that were listed: it finds their copies, or brings them.
func (r *Reader) deal(ctx context.Context, told []upstream.Message) (err error) {
	missing := r.newOnes(told)
	if missing, err = r.archived(ctx, missing); err != nil {
		return err
	}
	r.tell() // how large the folder is
	if missing, err = r.recognise(ctx, missing); err != nil {
		return err
	}
	if missing, err = r.moved(ctx, missing); err != nil {
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
		if !r.known.Has(m.UID) {
			r.known.Hand(m.UID)
			r.sizes.add(m.Size)
			missing = append(missing, m)
		}
	}
	return missing
}

// announceKeywords lets the writer ask what keywords the new folder can keep while the
// bodies are on their way.
func (r *Reader) announceKeywords(ctx context.Context, missing []upstream.Message) error {
	if r.announced || !slices.ContainsFunc(missing, func(m upstream.Message) bool { return hasKeyword(m.Flags) }) {
		return nil
	}
	r.announced = true
	return r.hand(ctx, &item{keywords: true})
}

// list lists a window, or tells what came with the opening of the folder.
func (r *Reader) list(ctx context.Context, set imap.UIDSet, fn func(upstream.Message) error) error {
	covered := len(r.Selected.Listed) == 1 && r.Selected.Listed[0].Start <= set[0].Start && set[0].Stop <= r.Selected.Listed[0].Stop
	if !covered {
		return r.old.ListMessages(ctx, set, 0, fn)
	}
	for _, m := range r.Selected.ListedAhead {
		if err := fn(m); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) intent(it *item, header []byte, size int64) store.Intent {
	if it.msg.Date.IsZero() {
		it.msg.Date = message.DateOf(header)
		r.Log.Warn().Str("key", KeyText(it.key)).Time("date", it.msg.Date).Msg("the old server tells no date of this message; its header's is taken")
	}
	return store.Intent{
		Key: it.key, Fingerprint: message.Fingerprint(header, size), Size: clampSize(size), Flags: it.msg.Flags,
		UIDValidity: r.Target.UIDValidity, UIDNext: r.Target.UIDNext,
	}
}
