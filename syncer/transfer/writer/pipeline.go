package writer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
	"postferry/upstream/link"
)

// lastLook is the look asked for last, if it is under way.
func (p *Pipeline) lastLook() *look {
	for _, u := range slices.Backward(p.calls) {
		if u.look != nil {
			return u.look
		}
	}
	return nil
}

const (
	// batchLinger is how long a batch that isn't full waits for the next message.
	batchLinger = 10 * time.Millisecond
	// So many batches, of so many octets together, may be under way: as much as a
	// fast line to a new server far away holds.
	batchesAhead = 12
	octetsAhead  = 8 << 20
	// Of larger batches no more are under way than have so many messages, or two: a client that renames or
	// deletes the folder waits until the new server has answered them, and one with maildirs is slow at each.
	messagesAhead = batchesAhead * batchMessages
	// tripMost bounds what is taken for the time that an answer needs at least.
	tripMost = time.Second
)

// under is a batch that was sent, or a look at copies that was asked for.
type under struct {
	events events
	call   session.AppendCall
	again  bool // repeats a part of a refused batch
	look   *look

	octets int64
	sent   time.Time
}

// Pipeline is what the new server has not answered.
type Pipeline struct {
	job         *job.Job
	before      Before
	ledger      *Ledger
	newTroubles *job.Troubles
	calls       []under
	sending     []*sending // of the command that is being written
	settledAt   time.Time  // when it had answered what it was asked before
	// again counts batches under way that repeat a refused one. They were sent
	// after batches whose checkpoints lie behind them, so those have to wait.
	again int
	size  batchSize // that a batch should have
}

// lingering is how long the next event is waited for while there is something else to do.
func (p *Pipeline) lingering() time.Duration {
	if p.before.Holds() {
		return batchLinger
	}
	sent, owed := p.before.Oldest()
	if !owed && len(p.calls) > 0 {
		sent, owed = p.calls[0].sent, true
	}
	if !owed {
		return batchLinger
	}
	return max(batchLinger, min(time.Until(sent.Add(p.job.Pair.Trip)), tripMost))
}

// awaiting tells whether the new server owes an answer, be it about a folder before this one.
func (p *Pipeline) awaiting() bool { return len(p.calls) > 0 || p.before.Any() }

// full tells whether a batch of so many messages has to wait for answers to those before it.
func (p *Pipeline) full(messages int) bool {
	for _, u := range p.calls {
		messages += len(u.events)
	}
	return len(p.calls) >= batchesAhead || len(p.calls) >= 2 && messages > messagesAhead
}

// Before are the folders before this one on the pair of which the new server owes answers: those come
// first. Some may have held back what they have to send.
type Before interface {
	Any() bool                             // answers are owed
	Holds() bool                           // something is held back
	Joins(messages int, octets int64) bool // so much may be held back, too
	Due() bool                             // there is something to be entered
	Takes() bool                           // this folder may leave its own last answers to it
	Octets() int64                         // under way
	Oldest() (sent time.Time, owed bool)   // what the next answer is about
	// Step waits for the next answer. Enter commits what is to be entered, together with the intents of what is
	// held back, which is sent then, and with what another one has gathered; nil for nothing.
	Step(ctx context.Context)
	Enter(ctx context.Context, with *Ledger) error
}

// otherFolder tells that messages went into another folder of the same name: the one that
// was opened has been renamed or deleted since, and another one made. Their intents stay,
// so that they are looked for where the folder is now.
func (p *Pipeline) otherFolder(results []upstream.AppendResult) error {
	for _, r := range results {
		if r.Err == nil && r.UID != 0 && r.UIDValidity != p.job.Target.UIDValidity && !p.job.Fleeting {
			return fmt.Errorf("%w: the new server has stored messages under UIDVALIDITY %d, the folder had %d", recovery.ErrNewGone, r.UIDValidity, p.job.Target.UIDValidity)
		}
	}
	return nil
}

// UnderWay is how many octets are.
func (p *Pipeline) UnderWay() (octets int64) {
	for _, u := range p.calls {
		octets += u.octets
	}
	return octets
}

// sized learns from the answer to a batch how large the next ones had better be.
func (p *Pipeline) sized(u under) {
	since := u.sent.Add(p.job.Pair.Trip)
	if p.settledAt.After(since) {
		since = p.settledAt
	}
	if !u.again {
		p.size.answered(len(u.events), u.octets, time.Since(since))
	}
}

// ErrUncertain says that the new server may have stored what it has refused.
var ErrUncertain = errors.New("the new server failed inside: what it has stored must be looked up")

// uncertain tells whether a refusal leaves open what was stored: by SERVERBUG a server says
// that something went wrong inside it (RFC 5530 section 3). Dovecot 2.3 says so when
// a folder is renamed while messages are stored there, and shows some of them afterwards.
func uncertain(why error) bool {
	e, ok := errors.AsType[*link.Error](why)
	return ok && e.Code == imap.ResponseCodeServerBug && e.Class == link.Later
}

// inDoubt ends the attempt with the intents of messages kept, as if the connection had
// broken at them: what has become of them is found out before they are sent again, each
// by itself.
func (p *Pipeline) inDoubt(msgs []*sending, why error) error {
	keys := make([]store.Key, len(msgs))
	for i, m := range msgs {
		keys[i] = m.Key
	}
	p.ledger.release(msgs...)
	p.newTroubles.Failed(why, keys...)
	return fmt.Errorf("%w: %w", ErrUncertain, why)
}

// skip makes a message one for the quarantine.
func (p *Pipeline) skip(m *sending) job.Quarantined {
	code, cause := reason.NewBreaks, "the connection broke while the message was appended"
	if why := p.newTroubles.Refusal(m.Key); why != nil {
		code, cause = reason.NotNowNew, serverSays(why)
	}
	p.ledger.release(m)
	m.Pulled(nil)
	return job.Quarantined{Quarantined: job.BrokeAt(m.Key, code, cause)}
}

// blame notes at which messages the connection with the new server broke. It may break at one although that shows when something else is to be
// written behind it.
func (p *Pipeline) blame(ctx context.Context, err error) {
	e, ok := errors.AsType[*link.Error](err)
	if !ok || e.Class != link.Lost || e.Role == link.RoleOld || e.Op != "APPEND" && len(p.calls) == 0 || errors.Is(err, link.ErrSignedOut) || ctx.Err() != nil {
		return
	}
	var keys []store.Key
	msgs := p.sending
	for _, u := range p.calls {
		msgs = append(msgs, u.events.messages()...)
	}
	for _, m := range msgs {
		if m.Stream != nil && m.Stream.Err != nil {
			return // it was the old server's connection
		}
		keys = append(keys, m.Key)
	}
	p.newTroubles.Failed(nil, keys...)
}

// lookAtNext asks the new server for the folders that come next. All of the present one
// has been sent, or is held back.
func (p *Pipeline) lookAtNext(ctx context.Context) error {
	for _, next := range p.job.Pair.Ahead.Unasked() {
		next.New = p.job.New
		err := next.Ask(ctx)
		if link.ClassOf(err) == link.Refused { // shows again when it is opened
			next.Asked, next.Status = nil, nil
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// HearRest waits for the answers that nobody waits for any more: before they have come the server
// may store what was sent, and the folder must not be looked at anew. Its intents are in the ledger.
func (p *Pipeline) HearRest(ctx context.Context) error {
	for _, u := range p.calls {
		if u.call == nil {
			continue
		}
		if _, err := u.call.Wait(ctx); err != nil {
			return err
		}
	}
	p.calls = nil
	return nil
}

// Owed tells whether answers are missing.
func (p *Pipeline) Owed() bool { return len(p.calls) > 0 }

// OldestSent is when that was sent which the next answer is about.
func (p *Pipeline) OldestSent() (sent time.Time, owed bool) {
	if !p.Owed() {
		return sent, false
	}
	return p.calls[0].sent, true
}

// look is a look at copies that has been asked for.
type look struct {
	call       session.ReadBackCall
	copies     []*given
	again      bool              // what is missing has been asked for once more
	checkpoint *store.Checkpoint // that may be reached once it has been had
}
