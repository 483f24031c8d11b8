package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"postferry/store"
	"postferry/syncer"
)

// progressEvery is how often lines say how far all accounts are.
const progressEvery = 5 * time.Second

// progress shows how far a pass is. show may be called from any goroutine,
// never after end.
type progress interface {
	show([]syncer.Live)
	// beside returns where to log to, so that lines do not run into what is shown.
	beside(stderr io.Writer) io.Writer
	end()
}

// newProgress shows bars on a terminal, lines elsewhere.
func newProgress(w io.Writer) progress {
	if isTerminal(w) {
		return newProgressBars(w)
	}
	return newProgressLines(w, time.Now)
}

// progressLines prints a line when an account starts and ends, and one for all
// of them every few seconds.
type progressLines struct {
	mu      sync.Mutex
	w       io.Writer
	now     func() time.Time
	started time.Time
	said    time.Time
	tally   tally
}

func newProgressLines(w io.Writer, now func() time.Time) *progressLines {
	return &progressLines{w: w, now: now, started: now(), said: now(), tally: newTally()}
}

func (p *progressLines) show(live []syncer.Live) {
	p.mu.Lock()
	defer p.mu.Unlock()
	started, ended := p.tally.update(live)
	for _, l := range started {
		fmt.Fprintf(p.w, "%s: started\n", printable(l.Login))
	}
	for _, l := range ended {
		// The last snapshot is older than the end: how it ended is in the summary.
		fmt.Fprintf(p.w, "%s: ended, %s on the old server\n", printable(l.Login), count(l.Total, "message"))
	}
	if now := p.now(); now.Sub(p.said) >= progressEvery {
		p.said = now
		fmt.Fprintf(p.w, "%s: %s\n", duration(now.Sub(p.started)), p.tally.line(now.Sub(p.started)))
	}
}

func (p *progressLines) beside(stderr io.Writer) io.Writer { return stderr }

func (p *progressLines) end() { p.show(nil) }

// tally sums up what the snapshots of a pass say.
type tally struct {
	running map[store.AccountID]syncer.Live
	ended   int
	done    sums // of the accounts that ended
}

// sums are messages dealt with, known, copied, and octets copied.
type sums struct{ done, total, copied, bytes uint64 }

func (s *sums) add(l syncer.Live) {
	s.done += l.Done
	s.total += l.Total
	s.copied += l.Copied
	s.bytes += l.Bytes
}

func newTally() tally { return tally{running: make(map[store.AccountID]syncer.Live)} }

// update takes a snapshot in and returns the accounts that started and those
// that ended since the one before.
func (t *tally) update(live []syncer.Live) (started, ended []syncer.Live) {
	now := make(map[store.AccountID]syncer.Live, len(live))
	for _, l := range live {
		if !l.Running {
			continue
		}
		if _, known := t.running[l.Account]; !known {
			started = append(started, l)
		}
		now[l.Account] = l
	}
	for id, l := range t.running {
		if _, still := now[id]; !still {
			ended = append(ended, l)
			t.ended++
			t.done.add(l)
		}
	}
	t.running = now
	return started, ended
}

// sums are those of all accounts seen so far.
func (t *tally) sums() sums {
	s := t.done
	for _, l := range t.running {
		s.add(l)
	}
	return s
}

// line is how far all accounts are after a time.
func (t *tally) line(took time.Duration) string {
	s := t.sums()
	return fmt.Sprintf("%d of %d messages, %d copied now (%s, %s); %s running, %d ended",
		s.done, s.total, s.copied, size(s.bytes), speed(perSecond(s.copied, took)), count(len(t.running), "account"), t.ended)
}
