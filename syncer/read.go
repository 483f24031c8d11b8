package syncer

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

const (
	// listWindow is how many messages the first listing should bring, listMany later
	// ones: each costs a round trip in which nothing else comes. UIDs are sparse, so
	// the range asked for grows and shrinks towards it.
	listWindow = 2000
	listMany   = 4 * listWindow
	// listMost is how many messages one listing may bring: a range that has more is
	// listed in smaller ones, so that memory doesn't grow with the folder.
	listMost = 16 * listWindow
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
	keywords   bool       // messages with keywords follow
	shows      bool       // once all before it is on the new server, the folder is worth showing
	foreseen   *given     // the look at its copy that was asked for along with it
	compare    *comparing // messages of the new folder to be read
	lines      lineCount  // of the body as it was sent
	mending
}

// source is a body that the writer reads from the old server's connection.
type source struct {
	r     io.Reader
	err   error // the old server's fault
	lines lineCount
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.lines.count(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// reader lists, fetches and hands over. It alone uses the old session while a
// writer runs.
type reader struct {
	*pull
	items chan<- *item
	next  imap.UID // every message below it was handed over
	// announced: the writer has been told that there are keywords.
	announced bool
	preparing bool               // what comes next may be asked for ahead
	limited   bool               // the new server has a limit for messages
	last      bool               // there is nothing behind the present window
	decided   bool               // whether the newest messages come first
	shown     bool               // the visitor has been let in, or is about to be
	postponed []upstream.Message // handed to nobody yet, as newer ones come first
	seen      arrivals           // of this session with the old server
	told      arrivals           // what the server's pace knows of them
	step      int                // messages that the next command asks for, as long as nothing is known
	// unavailable counts messages in a row that the old server can't deliver at the moment.
	unavailable int
	odd         map[imap.UID]int64 // messages that came with another length than listed, and that length
}

// copyMissing brings over everything missing, reading and writing at the same time.
func (p *pull) copyMissing(ctx context.Context) error {
	items := make(chan *item, handOver)
	rctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read := make(chan error, 1)
	r := &reader{pull: p, items: items, next: max(p.folder.Checkpoint.UIDNext, 1), preparing: p.mayPrepare(), limited: p.new.AppendLimit() != 0, step: firstAsked}
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
	p.traffic.new.budget.giveBack(uint64(max(p.aside.Swap(0), 0)))
	if werr != nil {
		return werr
	}
	return rerr
}

// discard gives back what an item holds.
func (p *pull) discard(it *item, err error) {
	if it.streamed != nil {
		it.streamed <- err
	}
	if it.compare != nil {
		it.compare.done <- err
	}
	p.giveBack(it)
}

// giveBack frees what an item holds. Nobody may use its body any more.
func (p *pull) giveBack(it *item) {
	p.memory.Release(it.held)
	if it.body != nil {
		p.buffers.put(it.body)
	}
	it.held, it.body = 0, nil
}

func (r *reader) run(ctx context.Context) error {
	from := r.next
	if err := r.bringEarly(ctx); err != nil {
		return err
	}
	if err := r.tryAgain(ctx); err != nil {
		return err
	}
	if r.newestFirst() {
		if err := r.newest(ctx, from); err != nil {
			return err
		}
	}
	width := imap.UID(listWindow)
	for from < r.selected.UIDNext {
		if err := r.yielded(); err != nil {
			return err
		}
		to := r.selected.UIDNext - 1
		if to-from >= width {
			to = from + width - 1
		}
		r.last = to == r.selected.UIDNext-1
		n, err := r.window(ctx, from, to)
		if errors.Is(err, errDense) {
			width = max(width/8, 1)
			continue
		}
		if errors.Is(err, errSlow) {
			err = r.newest(ctx, to+1)
		}
		if err == nil {
			err = r.bringPostponed(ctx)
		}
		if err != nil {
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
func (r *reader) mark(ctx context.Context, next imap.UID) error {
	if r.next = next; r.selected.pop3 {
		return nil
	}
	cp := r.base // what the new folder had then it is looked at from, until this pull has ended
	cp.UIDValidity, cp.UIDNext, cp.Messages = r.selected.UIDValidity, next, r.toCopy()
	return r.hand(ctx, &item{checkpoint: &cp})
}

func (r *reader) hand(ctx context.Context, it *item) error {
	select {
	case r.items <- it:
		return nil
	case <-ctx.Done():
		r.giveBack(it)
		return ctx.Err()
	}
}

// yielded returns errYield once the pull was asked to stop, and errPause once
// its session has to end.
func (p *pull) yielded() error {
	select {
	case <-p.yield:
		return errYield
	default:
	}
	if !p.until.IsZero() && p.clock().After(p.until) {
		return errPause
	}
	return nil
}

// window deals with a range of UIDs and returns how many messages are in it.
func (r *reader) window(ctx context.Context, from, to imap.UID) (listed int, err error) {
	told, listed, err := r.listMissing(ctx, from, to)
	if err != nil {
		return listed, err
	}
	r.archive.count(listed)
	return listed, r.deal(ctx, told)
}

// listMissing lists the messages of a range of UIDs that have no end yet, and tells how
// many there are with the others.
func (r *reader) listMissing(ctx context.Context, from, to imap.UID) (told []upstream.Message, listed int, err error) {
	set := imap.UIDSet{imap.UIDRange{Start: from, Stop: to}}
	err = r.list(ctx, set, func(m upstream.Message) error {
		if m.UID < from || m.UID > to {
			return nil // "n:*"-style answers and unsolicited ones are not of this window
		}
		if listed++; listed > listMost {
			return errDense
		}
		if !r.known.has(m.UID) {
			told = append(told, m)
		}
		return nil
	})
	return told, listed, err
}

// deal deals with messages that were listed: it finds their copies, or brings them.
func (r *reader) deal(ctx context.Context, told []upstream.Message) (err error) {
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
func (r *reader) newOnes(told []upstream.Message) []upstream.Message {
	missing := told[:0]
	for _, m := range told {
		if !r.known.has(m.UID) {
			r.known.hand(m.UID)
			r.sizes.add(m.Size)
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
	return r.hand(ctx, &item{keywords: true})
}

// list lists a window, or tells what came with the opening of the folder.
func (r *reader) list(ctx context.Context, set imap.UIDSet, fn func(upstream.Message) error) error {
	covered := len(r.selected.listed) == 1 && r.selected.listed[0].Start <= set[0].Start && set[0].Stop <= r.selected.listed[0].Stop
	if !covered {
		return r.old.ListMessages(ctx, set, 0, fn)
	}
	for _, m := range r.selected.ahead {
		if err := fn(m); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) intent(it *item, header []byte, size int64) store.Intent {
	if it.msg.Date.IsZero() {
		it.msg.Date = dateOf(header)
		r.log.Warn().Str("key", keyText(it.key)).Time("date", it.msg.Date).Msg("the old server tells no date of this message; its header's is taken")
	}
	return store.Intent{
		Key: it.key, Fingerprint: fingerprintOf(header, size), Size: clampSize(size), Flags: it.msg.Flags,
		UIDValidity: r.target.UIDValidity, UIDNext: r.target.UIDNext,
	}
}
