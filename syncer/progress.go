package syncer

import (
	"sync"
	"sync/atomic"
	"time"

	"postferry/store"
)

// progress is how far a folder is.
type progress struct {
	done, total uint64 // messages dealt with, messages on the old server
	octets      uint64 // of those dealt with, as far as known
	octetsTotal uint64 // of all, 0 while nothing is known
	exact       bool   // octetsTotal was counted; otherwise it is reckoned from the messages seen
}

// rowProgress is what a row of the store tells before the old server is asked.
func rowProgress(f store.Folder) progress {
	p := progress{done: f.Copied + f.Quarantined, total: uint64(f.Checkpoint.Messages)}
	if f.Checkpoint.Checked.IsZero() {
		p.total = max(p.total, p.done)
	} else {
		p.done = p.total // what has gone from the old server since is in the ledger still
	}
	return p
}

// announced takes over how many messages STATUS says there are. A folder that
// was complete lacks at most what came since.
// octets are all of its messages', 0 if STATUS did not tell.
func (p progress) announced(cp store.Checkpoint, messages, since, octets uint64) progress {
	p.total = messages
	if cp.Checked.IsZero() {
		p.done = min(p.done, messages)
	} else {
		p.done = messages - min(since, messages)
	}
	if octets > 0 || messages == 0 {
		p.octetsTotal, p.exact = octets, true
	}
	if p.done == messages {
		p.octets = p.octetsTotal
	}
	p.octets = min(p.octets, p.octetsTotal)
	return p
}

// sum is the progress of several folders.
type sum struct {
	known   progress // of folders whose octets are known, at least about
	unknown progress // of the others
	guessed bool
}

func (s *sum) add(p progress) {
	at := &s.known
	if p.total > 0 && p.octetsTotal == 0 && !p.exact {
		at = &s.unknown
	}
	at.done += p.done
	at.total += p.total
	at.octets += p.octets
	at.octetsTotal += p.octetsTotal
	s.guessed = s.guessed || p.total > 0 && !p.exact
}

// progress takes the messages of folders whose octets aren't known for as
// large as the others'.
func (s *sum) progress() progress {
	p := s.known
	p.exact = !s.guessed
	if s.known.total > 0 && s.unknown.total > 0 {
		size := float64(s.known.octetsTotal) / float64(s.known.total)
		p.octets += uint64(size * float64(s.unknown.done))
		p.octetsTotal += uint64(size * float64(s.unknown.total))
	}
	p.done += s.unknown.done
	p.total += s.unknown.total
	return p
}

// sizes gathers what is known of the sizes of a folder's messages.
type sizes struct{ messages, octets atomic.Uint64 }

func (s *sizes) add(size int64) {
	s.messages.Add(1)
	s.octets.Add(uint64(max(size, 0)))
}

// reset begins again with the ledger's entries and returns their octets.
func (s *sizes) reset(entries []store.Entry) uint64 {
	sum := uint64(0)
	for i := range entries {
		sum += uint64(entries[i].Size)
	}
	s.messages.Store(uint64(len(entries)))
	s.octets.Store(sum)
	return sum
}

// of reckons the octets of so many messages from those seen; unsized are among
// them and have no size that is known.
func (s *sizes) of(messages, unsized uint64) (octets uint64, exact bool) {
	seen, sum := s.messages.Load(), s.octets.Load()
	switch {
	case messages == 0:
		return 0, true
	case seen == 0 || sum == 0:
		return 0, unsized >= messages
	case seen >= messages || seen+unsized >= messages:
		return uint64(float64(sum) * float64(min(seen, messages)) / float64(seen)), true
	}
	return uint64(float64(sum) / float64(seen) * float64(messages-unsized)), false
}

const (
	// rateWindow is what a rate is taken over: long enough to be steady, short
	// enough to follow a server that slows down. Seconds.
	rateWindow = 30
	// rateLeast is how long work must have gone on before its rate says anything.
	rateLeast = 3 * time.Second
)

// Rate is how fast mail gets dealt with, over the last half minute.
type Rate struct {
	Messages float64 `json:"messages"` // a second
	Octets   float64 `json:"octets"`   // a second
}

// meter measures a rate. It may be used by several goroutines.
type meter struct {
	mu      sync.Mutex
	seconds [rateWindow + 1]metered // a ring by the second
}

// metered is what was dealt with in one second.
type metered struct {
	second           int64 // Unix
	messages, octets uint64
}

func (m *meter) add(now time.Time, messages, octets uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := &m.seconds[now.Unix()%int64(len(m.seconds))]
	if at.second != now.Unix() {
		*at = metered{second: now.Unix()}
	}
	at.messages += messages
	at.octets += octets
}

// rate is that of the last seconds of work that began at since. It is not
// known before the work has gone on for a while.
func (m *meter) rate(now, since time.Time) (r Rate, known bool) {
	span := min(now.Sub(since), rateWindow*time.Second)
	if span < rateLeast {
		return Rate{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.seconds {
		if age := now.Unix() - s.second; age < 0 || age > rateWindow || s.second < since.Unix() {
			continue
		}
		r.Messages += float64(s.messages)
		r.Octets += float64(s.octets)
	}
	r.Messages /= span.Seconds()
	r.Octets /= span.Seconds()
	return r, true
}

// left is how long so many messages and octets take at a rate: what is the
// slower of the two. It is not known while nothing moves.
func (r Rate) left(messages, octets uint64) (d time.Duration, known bool) {
	seconds := 0.0
	for _, q := range [...]struct {
		left uint64
		rate float64
	}{{messages, r.Messages}, {octets, r.Octets}} {
		switch {
		case q.left == 0:
		case q.rate <= 0:
			return 0, false
		default:
			seconds = max(seconds, float64(q.left)/q.rate)
		}
	}
	const longest = 10 * 365 * 24 * 3600
	if seconds > longest {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}
