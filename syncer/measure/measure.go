package measure

import (
	"sync"
	"sync/atomic"
	"time"

	"postferry/report"
	"postferry/store"
)

// Progress is how far a folder is.
type Progress struct {
	Done, Total uint64 // messages dealt with, messages on the old server
	Octets      uint64 // of those dealt with, as far as known
	OctetsTotal uint64 // of all, 0 while nothing is known
	Exact       bool   // octetsTotal was counted; otherwise it is reckoned from the messages seen
}

// OfRow is what a row of the store tells before the old server is asked.
func OfRow(f store.Folder) Progress {
	p := Progress{Done: f.Copied + f.Quarantined, Total: uint64(f.Checkpoint.Messages)}
	if f.Checkpoint.Checked.IsZero() {
		p.Total = max(p.Total, p.Done)
	} else {
		p.Done = p.Total // what has gone from the old server since is in the ledger still
	}
	return p
}

// Announced takes over how many messages STATUS says there are. A folder that
// was complete lacks at most what came since.
// octets are all of its messages', 0 if STATUS did not tell.
func (p Progress) Announced(cp store.Checkpoint, messages, since, octets uint64) Progress {
	p.Total = messages
	if cp.Checked.IsZero() {
		p.Done = min(p.Done, messages)
	} else {
		p.Done = messages - min(since, messages)
	}
	if octets > 0 || messages == 0 {
		p.OctetsTotal, p.Exact = octets, true
	}
	if p.Done == messages {
		p.Octets = p.OctetsTotal
	}
	p.Octets = min(p.Octets, p.OctetsTotal)
	return p
}

// Sum is the progress of several folders.
type Sum struct {
	known   Progress // of folders whose octets are known, at least about
	unknown Progress // of the others
	guessed bool
}

func (s *Sum) Add(p Progress) {
	at := &s.known
	if p.Total > 0 && p.OctetsTotal == 0 && !p.Exact {
		at = &s.unknown
	}
	at.Done += p.Done
	at.Total += p.Total
	at.Octets += p.Octets
	at.OctetsTotal += p.OctetsTotal
	s.guessed = s.guessed || p.Total > 0 && !p.Exact
}

// Progress takes the messages of folders whose octets aren't known for as
// large as the others'.
func (s *Sum) Progress() Progress {
	p := s.known
	p.Exact = !s.guessed
	if s.known.Total > 0 && s.unknown.Total > 0 {
		size := float64(s.known.OctetsTotal) / float64(s.known.Total)
		p.Octets += uint64(size * float64(s.unknown.Done))
		p.OctetsTotal += uint64(size * float64(s.unknown.Total))
	}
	p.Done += s.unknown.Done
	p.Total += s.unknown.Total
	return p
}

// Sizes gathers what is known of the sizes of a folder's messages.
type Sizes struct{ messages, octets atomic.Uint64 }

func (s *Sizes) Add(size int64) {
	s.messages.Add(1)
	s.octets.Add(uint64(max(size, 0)))
}

// Reset begins again with the ledger's entries and returns their octets.
func (s *Sizes) Reset(entries []store.Entry) uint64 {
	sum := uint64(0)
	for i := range entries {
		sum += uint64(entries[i].Size)
	}
	s.messages.Store(uint64(len(entries)))
	s.octets.Store(sum)
	return sum
}

// Of reckons the octets of so many messages from those seen; unsized are among
// them and have no size that is known.
func (s *Sizes) Of(messages, unsized uint64) (octets uint64, exact bool) {
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

// Meter measures a rate. It may be used by several goroutines.
type Meter struct {
	mu      sync.Mutex
	seconds [rateWindow + 1]metered // a ring by the second
}

// metered is what was dealt with in one second.
type metered struct {
	second           int64 // Unix
	messages, octets uint64
}

func (m *Meter) Add(now time.Time, messages, octets uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := &m.seconds[now.Unix()%int64(len(m.seconds))]
	if at.second != now.Unix() {
		*at = metered{second: now.Unix()}
	}
	at.messages += messages
	at.octets += octets
}

// Rate is that of the last seconds of work that began at since. It is not
// known before the work has gone on for a while.
func (m *Meter) Rate(now, since time.Time) (r report.Rate, known bool) {
	span := min(now.Sub(since), rateWindow*time.Second)
	if span < rateLeast {
		return report.Rate{}, false
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
