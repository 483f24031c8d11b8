package syncer

import (
	"io"
	"sync"
	"time"
)

// paceMemory is how much of the past counts: a server that gets slower or faster is known
// to be so after about as long.
const paceMemory = 20 * time.Second

// pace is how fast an old server sends messages, as seen by those who read them.
type pace struct {
	mu   sync.Mutex
	seen arrivals
}

// add takes over what a pull has seen.
func (p *pace) add(a arrivals) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen.add(a)
	if p.seen.took > paceMemory {
		p.seen.messages, p.seen.octets, p.seen.took = p.seen.messages/2, p.seen.octets/2, p.seen.took/2
	}
}

// needs is how long messages take, of so many octets, 0 if that isn't known. It is false if
// nobody has seen enough.
func (p *pace) needs(messages int, octets uint64) (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.needs(messages, octets)
}

// tellPace lets others know what has been seen since.
func (r *reader) tellPace() {
	news := arrivals{messages: r.seen.messages - r.told.messages, octets: r.seen.octets - r.told.octets, took: r.seen.took - r.told.took}
	r.told = r.seen
	r.lane.old.end.pool.pace.add(news)
}

// arrivals are messages that came one behind the other. What passes until the first of them
// comes is left out: that is the way to the server and back.
type arrivals struct {
	messages int
	octets   uint64
	took     time.Duration // waiting for them and reading them
	last     time.Time     // when the one before had been dealt with; zero if none came before
}

// begin begins with the answers to another command.
func (a *arrivals) begin() { a.last = time.Time{} }

// watch counts a message of which the body is about to be read. The time that is spent on it
// otherwise is not the server's. dealt is called when it has been dealt with.
func (a *arrivals) watch(body io.Reader) (watched io.Reader, dealt func()) {
	if a.last.IsZero() {
		return body, func() { a.last = time.Now() }
	}
	a.messages++
	a.took += time.Since(a.last)
	return &watchedBody{body, a}, func() { a.last = time.Now() }
}

// watchedBody is a body whose reading is timed.
type watchedBody struct {
	r io.Reader
	a *arrivals
}

func (w *watchedBody) Read(p []byte) (int, error) {
	began := time.Now()
	n, err := w.r.Read(p)
	w.a.octets += uint64(n)
	w.a.took += time.Since(began)
	return n, err
}

// add adds up.
func (a *arrivals) add(b arrivals) {
	a.messages += b.messages
	a.octets += b.octets
	a.took += b.took
}

const (
	// tellingTime and tellingMessages are what has to be seen before a pace means something.
	tellingTime     = 250 * time.Millisecond
	tellingMessages = 64
)

// needs is that of pace. A server may be slow by message or by octet; the better of both
// counts, as what is read then tells more.
func (a *arrivals) needs(messages int, octets uint64) (time.Duration, bool) {
	if a.messages == 0 || a.took < tellingTime && a.messages < tellingMessages {
		return 0, false
	}
	d := scaled(a.took, uint64(messages), uint64(a.messages))
	if octets > 0 && a.octets > 0 {
		d = min(d, scaled(a.took, octets, a.octets))
	}
	return d, true
}

// scaled is d for part of whole.
func scaled(d time.Duration, part, whole uint64) time.Duration {
	return time.Duration(min(float64(d)*float64(part)/float64(whole), float64(time.Hour)))
}

// within is that of arrivals.
func (p *pace) within(d time.Duration) (messages int, octets uint64, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.within(d)
}

// within is how many messages come in a time at this pace; false if that isn't known.
func (a *arrivals) within(d time.Duration) (messages int, octets uint64, known bool) {
	if _, known = a.needs(1, 0); !known {
		return 0, 0, false
	}
	took := max(a.took, time.Microsecond)
	return int(min(float64(d)/float64(took)*float64(a.messages), 1e9)), uint64(min(float64(d)/float64(took)*float64(a.octets), 1e15)), true
}
