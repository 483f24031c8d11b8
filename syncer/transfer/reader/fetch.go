package reader

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
	"postferry/upstream/link"
)

// ErrListAgain says that messages have to be listed anew: where a session goes on with its first listing, that shows what another session has deleted since; only a
// new session can tell.
var ErrListAgain = errors.New("the old server refuses messages that it listed; they are listed again")

const (
	// streamAbove is the size from which a body is passed through instead of
	// being held. Octets.
	streamAbove = 1 << 20
	// bodyOctets is how much one command asks for, so that a pull that is
	// asked to stop soon can. Octets.
	bodyOctets = 8 << 20
	// portionsAhead is how many such commands may be under way: while one is answered,
	// the next is on its way to a server far away.
	portionsAhead = 2
)

// fetcher brings the bodies of messages, and hands them over.
type fetcher struct {
	*job.Work
	out   *job.Handover
	hurry *hurry
	ahead *ahead
	pacing
	failing
	lengths *oddLengths
}

// portion is what one command asks for.
type portion struct {
	messages []upstream.Message
	call     session.BodiesCall
	octets   uint64 // set aside in the old server's budget
	alone    bool   // a message at which a connection broke: nothing else may be under way
}

// bringing is the transfer of messages.
type bringing struct {
	f       *fetcher
	missing []upstream.Message            // not asked for yet
	way     []portion                     // asked for
	wanted  map[imap.UID]upstream.Message // of those, what has not come
	left    []upstream.Message            // did not come with the others
	odd     []upstream.Message            // came with another length than listed
	stop    error                         // why nothing more is asked for
}

// bring fetches messages and hands them over. What does not come with the others is
// asked for by itself once nothing else is under way.
func (f *fetcher) bring(ctx context.Context, missing []upstream.Message) error {
	b := &bringing{f: f, wanted: map[imap.UID]upstream.Message{}}
	b.left, b.missing = f.lengths.doubtful(missing)
	err := b.run(ctx)
	for _, p := range b.way {
		f.RateLimits.Old.Budget.GiveBack(p.octets)
	}
	if errors.Is(err, errSlow) || errors.Is(err, errSearched) {
		f.hurry.postponed = sortByUID(slices.Concat(f.hurry.postponed, b.odd, b.left, b.missing))
	}
	return err
}

func (b *bringing) run(ctx context.Context) error {
	for len(b.missing)+len(b.way)+len(b.left)+len(b.odd) > 0 {
		if err := b.ask(ctx); err != nil {
			return err
		}
		var err error
		switch {
		case len(b.way) > 0:
			err = b.settle(ctx)
		case b.stop != nil:
			err = b.stop
		default:
			err = b.eachAlone(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// begin notes that the first of the missing messages are asked for.
func (b *bringing) begin(p portion) {
	for _, m := range p.messages {
		b.wanted[m.UID] = m
	}
	b.way, b.missing = append(b.way, p), b.missing[len(p.messages):]
}

// ask asks for portions as long as more may be under way.
func (b *bringing) ask(ctx context.Context) error {
	for b.stop == nil && len(b.left)+len(b.odd) == 0 && len(b.missing) > 0 && b.mayAsk() {
		if b.stop = b.f.Yielded(); b.stop != nil {
			return nil
		}
		if b.stop = b.interrupted(); b.stop != nil {
			return nil
		}
		p, err := b.portion()
		if err != nil {
			b.stop = err
			return nil
		}
		if !p.alone {
			if p.call, err = b.f.Old.Ask(ctx, session.SetOfMessages(p.messages)); err != nil {
				return err
			}
		}
		b.begin(p)
	}
	if b.f.ahead.last && b.stop == nil && len(b.missing)+len(b.left)+len(b.odd) == 0 {
		return b.f.ahead.open(ctx)
	}
	return nil
}

func (b *bringing) mayAsk() bool {
	n := len(b.way)
	if n == 0 {
		return true
	}
	return n < portionsAhead && b.f.Selected.Traits.Pipelining && !b.way[n-1].alone && !b.suspected(b.missing[0])
}

// suspected tells whether a message has to be asked for alone.
func (b *bringing) suspected(m upstream.Message) bool {
	alone, _ := b.f.oldTroubles.Suspect(b.f.Selected.Keys.Key(m.UID))
	return alone
}

// portion is what the next command should ask for. Its octets are set aside in the
// account's budgets. An error means that there is no room for the first message.
func (b *bringing) portion() (p portion, err error) {
	messages, octets := b.most()
	for n, m := range b.missing[:min(messages, len(b.missing))] {
		size, alone := uint64(max(m.Size, 0)), b.suspected(m)
		if n > 0 && (p.alone || alone || p.octets+size > octets) {
			break
		}
		if err := b.f.RateLimits.Take(time.Now(), size); err != nil {
			if n == 0 {
				return p, err
			}
			break
		}
		b.f.Aside.Add(int64(size))
		p.messages, p.alone = b.missing[:n+1], alone
		p.octets += size
	}
	return p, nil
}

// settle takes what the portion under way longest brings.
func (b *bringing) settle(ctx context.Context) error {
	p := b.way[0]
	b.way = b.way[1:]
	err := b.receive(ctx, p)
	b.f.RateLimits.Old.Budget.GiveBack(p.octets)
	if err != nil {
		return err
	}
	return b.f.RateLimits.SaveSoon(ctx, b.f.Store, b.f.Account)
}

func (b *bringing) receive(ctx context.Context, p portion) error {
	if p.alone {
		delete(b.wanted, p.messages[0].UID)
		return b.f.single(ctx, p.messages[0])
	}
	err := b.fetch(ctx, p)
	if err != nil && !recovery.AboutMessages(err) {
		return err
	}
	var rest []upstream.Message
	for _, m := range p.messages {
		if _, missing := b.wanted[m.UID]; missing {
			rest = append(rest, m)
			delete(b.wanted, m.UID)
		}
	}
	if link.ClassOf(err) == link.Refused && b.f.doubt(rest) {
		return ErrListAgain
	}
	b.left = append(b.left, rest...)
	return nil
}

// eachAlone asks for what the old server refused or passed over, before it is given up, and
// for what came with another length than listed. If its lists turn out to be wrong, the
// others of those come with the rest.
func (b *bringing) eachAlone(ctx context.Context) error {
	for _, m := range b.left {
		if err := b.f.single(ctx, m); err != nil {
			return err
		}
	}
	for b.left = nil; len(b.odd) > 0 && !b.f.lengths.listed().WrongOften(); b.odd = b.odd[1:] {
		if err := b.f.single(ctx, b.odd[0]); err != nil {
			return err
		}
	}
	b.missing, b.odd = append(b.odd, b.missing...), nil
	return nil
}

// doubt tells whether messages that did not come may be gone: one with UIDs of a session
// lists to the end of a session what it listed at its beginning. If they are listed
// again and do not come again, they are not.
func (f *fetcher) doubt(msgs []upstream.Message) (doubt bool) {
	for _, m := range msgs {
		key := f.Selected.Keys.Key(m.UID)
		if f.Selected.Traits.StableUIDs || f.doubted[key] {
			continue
		}
		f.doubted[key], doubt = true, true
	}
	return doubt
}

// fetch takes what comes until a portion is answered. What it gets is not wanted any more.
func (b *bringing) fetch(ctx context.Context, p portion) error {
	var ours error // of take: the new side's, or what the old server did to a body
	at := imap.UID(0)
	b.f.seen.Begin()
	err := p.call.Wait(ctx, func(uid imap.UID, size int64, body io.Reader) error {
		m, ok := b.wanted[uid]
		if !ok {
			return nil
		}
		if ours = b.stopsLate(); ours != nil {
			b.f.Pair.Old.HangUp()
			return ours
		}
		delete(b.wanted, uid)
		if b.f.lengths.doubts(m, size) {
			b.odd = append(b.odd, m)
			return nil
		}
		at = uid
		watched, dealt := b.f.seen.Watch(body)
		defer dealt()
		if ours = b.f.take(ctx, m, size, watched); ours == nil {
			at = 0
		}
		return ours
	})
	b.f.tellPace()
	if errors.Is(ours, session.ErrYield) || errors.Is(ours, ErrFarBehind) {
		return ours
	}
	if mayBlame(ctx, err, ours) {
		b.blame(p, at)
	}
	return err
}

// mayBlame tells whether messages that were on their way may be why a session was lost: it was not lost for what was done
// with them here, nor for what was signed in with.
func mayBlame(ctx context.Context, err, ours error) bool {
	return link.ClassOf(err) == link.Lost && !errors.Is(err, link.ErrSignedOut) && ctx.Err() == nil && err != ours
}

// blame notes at which message the connection with the old server broke: the
// one that was on its way, or else the first that had not come.
func (b *bringing) blame(p portion, at imap.UID) {
	if at != 0 {
		b.f.oldTroubles.Broke(b.f.Selected.Keys.Key(at))
		return
	}
	for _, p := range append([]portion{p}, b.way...) {
		for _, m := range p.messages {
			if _, missing := b.wanted[m.UID]; missing {
				b.f.oldTroubles.Broke(b.f.Selected.Keys.Key(m.UID))
				return
			}
		}
	}
}

// take hands over one body: held in memory if small, as a stream otherwise. A notice in place of
// a message goes to quarantine.
func (f *fetcher) take(ctx context.Context, m upstream.Message, size int64, body io.Reader) error {
	if err := f.RateLimits.Message(ctx); err != nil {
		return err
	}
	out := &job.Outgoing{Msg: m, Key: f.Selected.Keys.Key(m.UID)}
	if size > min(streamAbove, f.Limit/4) {
		return f.stream(ctx, out, size, body)
	}
	if err := f.Memory.Acquire(ctx, size); err != nil {
		return err
	}
	out.Held = size
	out.Body = f.Buffers.Get(int(size))
	if _, err := io.ReadFull(body, out.Body); err != nil {
		f.GiveBack(out)
		return err
	}
	header := message.Header(out.Body)
	if said, ok := message.StandIn(header, m.UID); ok {
		f.GiveBack(out)
		return f.out.Hand(ctx, job.Quarantined{Quarantined: job.NewQuarantined(out.Key, reason.Of(reason.StandIn), said)})
	}
	f.date(out, header)
	out.Intent = f.intent(out, header, size)
	return f.out.Hand(ctx, out)
}

// stream hands over a large body piece by piece: the header first, because the
// intent has to be written before the first octet goes it.
func (f *fetcher) stream(ctx context.Context, out *job.Outgoing, size int64, body io.Reader) error {
	var header message.HeaderCapture
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
	f.date(out, header.Header())
	out.Intent = f.intent(out, header.Header(), size)
	out.Stream = job.NewSource(io.MultiReader(&start, body))
	streamed := make(chan error, 1)
	out.Streamed = streamed
	if err := f.out.Hand(ctx, out); err != nil {
		return err
	}
	// The writer reads from our connection now. It always tells when it is
	// through, even if it gave up.
	return <-streamed // it is the writer's now
}

// intent is what is written down of a message before it is sent.
func (f *fetcher) intent(m *job.Outgoing, header []byte, size int64) store.Intent {
	if m.Msg.Date.IsZero() {
		m.Msg.Date = message.DateOf(header)
		f.Log.Warn().Str("key", message.KeyText(m.Key)).Time("date", m.Msg.Date).Msg("the old server tells no date of this message; its header's is taken")
	}
	return store.Intent{
		Key: m.Key, Fingerprint: message.Fingerprint(header, size), Size: recovery.ClampSize(size), Flags: m.Msg.Flags,
		UIDValidity: f.Target.UIDValidity, UIDNext: f.Target.UIDNext,
	}
}

// date gives a message its date of arrival where the old server told none.
func (f *fetcher) date(m *job.Outgoing, header []byte) {
	if m.Msg.Date.IsZero() {
		m.Msg.Date = message.ArrivalDate(header, time.Now())
	}
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
	oldTroubles *job.Troubles
	doubted     map[store.Key]bool // messages that an earlier session would not give
	blind       bool               // a connection broke at a message that isn't known, as nothing had been listed
	// unavailable counts messages in a row that the old server can't deliver at the moment.
	unavailable int
}
