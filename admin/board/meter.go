package board

import (
	"time"

	"postferry/report"
	"postferry/store"
)

const (
	// meterSpan is the time over which a domain's speed is measured: small accounts come in
	// bursts, as many as there are connections for.
	meterSpan = 20 * time.Second
	// meterLeast is the shortest time that says something.
	meterLeast = 400 * time.Millisecond
	// meterGap is how long nobody may have looked for what was measured before to count.
	meterGap = 10 * time.Second
)

// meter measures how fast the accounts of a domain come over, all together. An account's own
// meter says nothing of one that takes less than a second.
type meter struct {
	samples []meterSample // oldest first
}

// meterSample is what had been dealt with at a moment.
type meterSample struct {
	at               time.Time
	messages, octets uint64
}

// add takes in how far a domain is, and returns the speed since meterSpan ago, or since the first message came if that is later; known is
// false for as long as too little has been seen.
func (m *meter) add(s meterSample) (messages, octets float64, known bool) {
	if n := len(m.samples); n > 0 && (s.at.Sub(m.samples[n-1].at) > meterGap || s.messages < m.samples[n-1].messages) {
		m.samples = nil
	}
	if len(m.samples) == 1 && m.samples[0].messages == s.messages {
		m.samples = nil // servers are still logged in to, or the transfer was not begun
	}
	m.samples = append(m.samples, s)
	for len(m.samples) > 2 && s.at.Sub(m.samples[1].at) >= meterSpan {
		m.samples = m.samples[1:]
	}
	first := m.samples[0]
	took := s.at.Sub(first.at)
	if took < meterLeast {
		return 0, 0, false
	}
	return float64(s.messages-first.messages) / took.Seconds(), float64(s.octets-min(s.octets, first.octets)) / took.Seconds(), true
}

// measure completes sums with the speed of the whole and the time that the rest takes at that speed.
func (t *Totals) measure(m *meter, now time.Time) {
	done := t.Copied + t.Quarantined
	if t.Running == 0 {
		m.samples = nil // the next run may be faster or slower
	}
	messages, octets, known := m.add(meterSample{now, done, t.Octets})
	if !known || t.Running == 0 || messages == 0 { // what accounts tell of themselves says more of one large message
		return
	}
	t.MessagesPerSecond, t.OctetsPerSecond = messages, octets
	if left := t.Messages - min(t.Messages, done); left > 0 {
		seconds := int64(float64(left)/messages) + 1
		t.RemainingSeconds = &seconds
	}
}

// expectation is what is known of accounts whose turn has not come yet, or that are just being
// looked at: what a check counted, or else what the others have on the average.
type expectation struct {
	counted map[store.AccountID]uint64 // by the newest check
	unknown int                        // accounts of which nothing is known
	known   int                        // accounts of which it is
	sum     uint64                     // of the messages of these
	waiting uint64                     // what the check counted of those that are not begun
}

// of is how many messages an account is expected to have of which the old server has told
// none yet.
func (e *expectation) of(o *store.Overview, l *report.Live) uint64 {
	begun := !o.Summary.LastPass.IsZero() || o.Summary.Messages > 0
	switch s := report.StateOf(o, l); {
	case s == report.StateWaiting && !begun && o.Alias == 0:
		e.waiting += e.counted[o.ID]
		return 0
	case s != report.StateQueued && s != report.StateRunning && !begun, o.Alias != 0:
		return 0
	case begun:
		e.known++
		e.sum += o.Summary.Messages
		return 0
	}
	n, ok := e.counted[o.ID]
	if !ok {
		e.unknown++
		return 0
	}
	e.known++
	e.sum += n
	return n - min(n, report.ProgressOf(o, l).Messages)
}

// complete adds to sums what is expected. What a check counted of accounts that are not begun is the whole of a domain
// as long as none is: later it would keep those that are from ever being done.
func (e *expectation) complete(t *Totals) {
	rest := e.rest()
	t.Messages, t.Estimated = t.Messages+rest, rest > 0
	if t.Waiting == t.Accounts {
		t.Messages += e.waiting
	}
}

// rest is what accounts are reckoned to have of which nothing is known.
func (e *expectation) rest() uint64 {
	if e.known == 0 {
		return 0
	}
	return uint64(float64(e.sum) / float64(e.known) * float64(e.unknown))
}
