package session

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
	seen Arrivals
}

// Add takes over what a pull has seen.
func (p *pace) Add(a Arrivals) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen.add(a)
	if p.seen.Took > paceMemory {
		p.seen.Messages, p.seen.Octets, p.seen.Took = p.seen.Messages/2, p.seen.Octets/2, p.seen.Took/2
	}
}

// Needs is how long messages take, of so many octets, 0 if that isn't known. It is false if
// nobody has seen enough.
func (p *pace) Needs(messages int, octets uint64) (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.Needs(messages, octets)
}

// Arrivals are messages that came one behind the other. What passes until the first of them
// comes is left out: that is the way to the server and back.
type Arrivals struct {
	Messages int
	Octets   uint64
	Took     time.Duration // waiting for them and reading them
	last     time.Time     // when the one before had been dealt with; zero if none came before
}

// Begin begins with the answers to another command.
func (a *Arrivals) Begin() { a.last = time.Time{} }

// Watch counts a message of which the body is about to be read. The time that is spent on it
// otherwise is not the server's. dealt is called when it has been dealt with.
func (a *Arrivals) Watch(body io.Reader) (watched io.Reader, dealt func()) {
	if a.last.IsZero() {
		return body, func() { a.last = time.Now() }
	}
	a.Messages++
	a.Took += time.Since(a.last)
	return &watchedBody{body, a}, func() { a.last = time.Now() }
}

// watchedBody is a body whose reading is timed.
type watchedBody struct {
	r io.Reader
	a *Arrivals
}

func (w *watchedBody) Read(p []byte) (int, error) {
	began := time.Now()
	n, err := w.r.Read(p)
	w.a.Octets += uint64(n)
	w.a.Took += time.Since(began)
	return n, err
}

// add adds up.
func (a *Arrivals) add(b Arrivals) {
	a.Messages += b.Messages
	a.Octets += b.Octets
	a.Took += b.Took
}

const (
	// tellingTime and TellingMessages are what has to be seen before a pace means something.
	tellingTime     = 250 * time.Millisecond
	TellingMessages = 64
)

// Needs is that of pace. A server may be slow by message or by octet; the better of both
// counts, as what is read then tells more.
func (a *Arrivals) Needs(messages int, octets uint64) (time.Duration, bool) {
	if a.Messages == 0 || a.Took < tellingTime && a.Messages < TellingMessages {
		return 0, false
	}
	d := scaled(a.Took, uint64(messages), uint64(a.Messages))
	if octets > 0 && a.Octets > 0 {
		d = min(d, scaled(a.Took, octets, a.Octets))
	}
	return d, true
}

// scaled is d for part of whole.
func scaled(d time.Duration, part, whole uint64) time.Duration {
	return time.Duration(min(float64(d)*float64(part)/float64(whole), float64(time.Hour)))
}

// Within is that of arrivals.
func (p *pace) Within(d time.Duration) (messages int, octets uint64, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.Within(d)
}

// Within is how many messages come in a time at this pace; false if that isn't known.
func (a *Arrivals) Within(d time.Duration) (messages int, octets uint64, known bool) {
	if _, known = a.Needs(1, 0); !known {
		return 0, 0, false
	}
	took := max(a.Took, time.Microsecond)
	return int(min(float64(d)/float64(took)*float64(a.Messages), 1e9)), uint64(min(float64(d)/float64(took)*float64(a.Octets), 1e15)), true
}
