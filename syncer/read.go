package syncer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"time"

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
	// bodyOctets is how much one command asks for, so that a pull that is
	// asked to stop soon can. Octets.
	bodyOctets = 16 << 20
	// streamAbove is the size from which a body is passed through instead of
	// being held. Octets.
	streamAbove = 1 << 20
	// handOver is how many messages may wait between reader and writer.
	handOver = 400
)

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
	keywords   bool // messages with keywords follow
	shows      bool // once all before it is on the new server, the folder is worth showing
	mending
}

// source is a body that the writer reads from the old server's connection.
type source struct {
	r   io.Reader
	err error // the old server's fault
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
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
	// unavailable counts messages in a row that the old server can't deliver at the moment.
	unavailable int
}

// copyMissing brings over everything missing, reading and writing at the same time.
func (p *pull) copyMissing(ctx context.Context) error {
	items := make(chan *item, handOver)
	rctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read := make(chan error, 1)
	r := &reader{pull: p, items: items, next: max(p.folder.Checkpoint.UIDNext, 1)}
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
	if err := r.tryAgain(ctx); err != nil {
		return err
	}
	if r.visit && int(r.selected.Messages)-r.known.count() > visitAll {
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
		n, err := r.window(ctx, from, to)
		if err != nil {
			return err
		}
		if err := r.mark(ctx, to+1); err != nil {
			return err
		}
		from, width = to+1, adapt(width, n)
	}
	return nil
}

// newest brings the newest messages of a large folder and then lets the visitor in.
func (r *reader) newest(ctx context.Context, from imap.UID) error {
	width := imap.UID(visitNewest)
	for {
		low := from // below it nothing is missing
		if r.selected.UIDNext > width {
			low = max(low, r.selected.UIDNext-width)
		}
		n, err := r.window(ctx, low, r.selected.UIDNext-1)
		if err != nil {
			return err
		}
		if n >= visitNewest/2 || low == from {
			break
		}
		width *= 4
	}
	return r.hand(ctx, &item{shows: true})
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
	return r.hand(ctx, &item{checkpoint: &store.Checkpoint{
		UIDValidity: r.selected.UIDValidity, UIDNext: next, Messages: r.selected.Messages,
		HighestModSeq: r.base.HighestModSeq, Checked: r.base.Checked,
	}})
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
	var missing []upstream.Message
	set := imap.UIDSet{imap.UIDRange{Start: from, Stop: to}}
	err = r.list(ctx, set, func(m upstream.Message) error {
		if m.UID < from || m.UID > to {
			return nil // "n:*"-style answers and unsolicited ones are not of this window
		}
		listed++
		if !r.known.has(m.UID) {
			r.known.hand(m.UID)
			r.sizes.add(m.Size)
			missing = append(missing, m)
		}
		return nil
	})
	if err != nil {
		return listed, err
	}
	r.tell() // how large the folder is
	if missing, err = r.recognise(ctx, missing); err != nil {
		return listed, err
	}
	if missing, err = r.largeOnes(ctx, missing); err != nil {
		return listed, err
	}
	if err := r.announceKeywords(ctx, missing); err != nil {
		return listed, err
	}
	for len(missing) > 0 {
		if err := r.yielded(); err != nil {
			return listed, err
		}
		n, octets, err := r.portion(missing)
		if err != nil {
			return listed, err
		}
		err = r.bodies(ctx, missing[:n])
		r.traffic.old.budget.giveBack(octets)
		if err == nil {
			err = r.traffic.saveSoon(ctx, r.store, r.account)
		}
		if err != nil {
			return listed, err
		}
		missing = missing[n:]
	}
	return listed, nil
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

// portion is how many of the messages one command should ask for. Their octets
// are set aside in the account's budgets. An error means that there is no room
// for the first.
func (r *reader) portion(msgs []upstream.Message) (n int, octets uint64, err error) {
	for _, m := range msgs {
		size := uint64(max(m.Size, 0))
		if octets+size > bodyOctets && n > 0 {
			break
		}
		if err := r.traffic.take(time.Now(), size); err != nil {
			if n == 0 {
				return 0, 0, err
			}
			break
		}
		r.aside.Add(int64(size))
		n, octets = n+1, octets+size
	}
	return n, octets, nil
}

// bodies fetches messages and hands them over, those at which a connection broke
// alone.
func (r *reader) bodies(ctx context.Context, msgs []upstream.Message) error {
	for len(msgs) > 0 {
		n := slices.IndexFunc(msgs, func(m upstream.Message) bool {
			alone, _ := r.oldTroubles.suspect(r.selected.keys.key(m.UID))
			return alone
		})
		var err error
		switch {
		case n == 0:
			n = 1
			err = r.single(ctx, msgs[0])
		case n < 0:
			n = len(msgs)
			fallthrough
		default:
			err = r.together(ctx, msgs[:n])
		}
		if err != nil {
			return err
		}
		msgs = msgs[n:]
	}
	return nil
}

// together fetches messages with one command. What the old server refuses or
// passes over is asked for again by itself before it is given up.
func (r *reader) together(ctx context.Context, msgs []upstream.Message) error {
	got, err := r.fetch(ctx, msgs)
	if err != nil && !aboutMessages(err) {
		return err
	}
	doubt := false
	for _, m := range msgs {
		switch {
		case got[m.UID]:
		case upstream.ClassOf(err) == upstream.Refused && r.doubt(m):
			doubt = true
		default:
			if err := r.single(ctx, m); err != nil {
				return err
			}
		}
	}
	if doubt {
		return errListAgain
	}
	return nil
}

// aboutMessages tells whether a refusal is about what was asked for.
func aboutMessages(err error) bool {
	return upstream.ClassOf(err) == upstream.Refused || aboutOne(err)
}

// doubt tells whether a message that did not come may be gone: a POP3 server
// lists to the end of a session what it listed at its beginning. If it is listed
// again and does not come again, it is not.
func (r *reader) doubt(m upstream.Message) bool {
	key := r.selected.keys.key(m.UID)
	if !r.selected.pop3 || r.doubted[key] {
		return false
	}
	if r.doubted == nil {
		r.doubted = map[store.Key]bool{}
	}
	r.doubted[key] = true
	return true
}

// fetch asks for bodies with one command and returns which came.
func (r *reader) fetch(ctx context.Context, msgs []upstream.Message) (map[imap.UID]bool, error) {
	byUID := make(map[imap.UID]upstream.Message, len(msgs))
	var set imap.UIDSet
	for _, m := range msgs {
		byUID[m.UID] = m
		set.AddNum(m.UID)
	}
	got := make(map[imap.UID]bool, len(msgs))
	var ours error // of take: the new side's, or what the old server did to a body
	at := imap.UID(0)
	err := r.old.Bodies(ctx, set, func(uid imap.UID, size int64, body io.Reader) error {
		m, ok := byUID[uid]
		if !ok || got[uid] {
			return nil
		}
		got[uid], at = true, uid
		if ours = r.take(ctx, m, size, body); ours == nil {
			at = 0
		}
		return ours
	})
	if upstream.ClassOf(err) == upstream.Lost && ctx.Err() == nil && err != ours {
		r.blame(msgs, got, at)
	}
	return got, err
}

// blame notes at which message the connection with the old server broke: the
// one that was on its way, or else the first that had not come.
func (r *reader) blame(msgs []upstream.Message, got map[imap.UID]bool, at imap.UID) {
	for _, m := range msgs {
		if at == m.UID || at == 0 && !got[m.UID] {
			k := r.selected.keys.key(m.UID)
			if alone, _ := r.oldTroubles.suspect(k); alone && len(msgs) == 1 {
				r.oldTroubles.brokeAlone(k)
			} else {
				r.oldTroubles.broke(k)
			}
			return
		}
	}
}

// single asks for one message that did not come with the others, or must not be
// asked for with them. If it still does not come and is still listed, it goes to
// quarantine.
func (r *reader) single(ctx context.Context, m upstream.Message) error {
	k := r.selected.keys.key(m.UID)
	if _, guilty := r.oldTroubles.suspect(k); guilty {
		return r.hand(ctx, &item{quarantine: brokeAt(k, "The connection with the old server breaks each time it is asked for this message.",
			"the connection broke while it was sent")})
	}
	got, err := r.fetch(ctx, []upstream.Message{m})
	switch {
	case err == nil && got[m.UID]:
		r.unavailable = 0
		return nil
	case err != nil && !aboutMessages(err):
		return err
	case err != nil && aboutOne(err):
		if r.unavailable++; r.unavailable > unavailableMost {
			return err // it is the server
		}
	case err == nil:
		listed := false
		set := imap.UIDSet{imap.UIDRange{Start: m.UID, Stop: m.UID}}
		if err := r.old.ListFlags(ctx, set, func(l upstream.Message) error {
			listed = listed || l.UID == m.UID
			return nil
		}); err != nil {
			return err
		}
		if !listed {
			return nil // deleted meanwhile
		}
	}
	return r.hand(ctx, &item{quarantine: r.noBody(m, err)})
}

func (r *reader) noBody(m upstream.Message, err error) *store.Quarantined {
	reason, cause := "The old server lists this message but does not deliver it.", "listed, but no body came"
	if err != nil {
		cause = err.Error()
	}
	q := newQuarantined(r.selected.keys.key(m.UID), reason, cause)
	if aboutOne(err) {
		q.Reason, q.Again = "The old server can't deliver this message at the moment.", true
	}
	return q
}

// take hands over one body: held in memory if small, as a stream otherwise.
func (r *reader) take(ctx context.Context, m upstream.Message, size int64, body io.Reader) error {
	if err := r.traffic.message(ctx); err != nil {
		return err
	}
	it := &item{msg: m, key: r.selected.keys.key(m.UID)}
	if size > min(streamAbove, r.limit/4) {
		return r.stream(ctx, it, size, body)
	}
	if err := r.memory.Acquire(ctx, size); err != nil {
		return err
	}
	it.held = size
	it.body = r.buffers.get(int(size))
	if _, err := io.ReadFull(body, it.body); err != nil {
		r.giveBack(it)
		return err
	}
	header := headerOf(it.body)
	it.date(header)
	it.intent = r.intent(it, header, size)
	return r.hand(ctx, it)
}

// stream hands over a large body piece by piece: the header first, because the
// intent has to be written before the first octet goes out.
func (r *reader) stream(ctx context.Context, it *item, size int64, body io.Reader) error {
	var header headerCapture
	var start bytes.Buffer
	piece := make([]byte, 16<<10)
	for !header.Done() && int64(start.Len()) < size {
		n, err := body.Read(piece)
		header.Write(piece[:n])
		start.Write(piece[:n])
		if err != nil && (!errors.Is(err, io.EOF) || int64(start.Len()) < size) {
			return err
		}
	}
	it.date(header.Header())
	it.intent = r.intent(it, header.Header(), size)
	it.stream = &source{r: io.MultiReader(&start, body)}
	it.streamed = make(chan error, 1)
	if err := r.hand(ctx, it); err != nil {
		return err
	}
	// The writer reads from our connection now. It always tells when it is
	// through, even if it gave up.
	return <-it.streamed
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

// headerOf is the header of a whole message.
func headerOf(body []byte) []byte {
	for i := 0; i < len(body) && i < maxHeader; {
		end := bytes.IndexByte(body[i:], '\n')
		if end < 0 {
			break
		}
		line := bytes.TrimSuffix(body[i:i+end], []byte("\r"))
		i += end + 1
		if len(line) == 0 {
			return body[:i]
		}
	}
	return body[:min(len(body), maxHeader)]
}
