package console

import (
	"fmt"
	"io"
	"sync"
	"time"

	"postferry/internal/humanize"
	"postferry/report"
	"postferry/store"
)

// ProgressEvery is how often lines say how far all accounts are.
const ProgressEvery = 5 * time.Second

// Progress shows how far a pass is. show may be called from any goroutine,
// never after end.
type Progress interface {
	Show(live []report.Live, waiting int)
	// Beside returns where to log to, so that lines do not run into what is shown.
	Beside(stderr io.Writer) io.Writer
	End()
}

// NewProgress shows bars on a terminal, lines elsewhere.
func NewProgress(w io.Writer) Progress {
	if IsTerminal(w) {
		return newProgressBars(w)
	}
	return newProgressLines(w)
}

// progressLines prints a line when an account starts and ends, and one for all
// of them every few seconds.
type progressLines struct {
	mu      sync.Mutex
	w       io.Writer
	started time.Time
	said    time.Time
	figures bool // of messages have been said
	tally   tally
}

func newProgressLines(w io.Writer) *progressLines {
	now := time.Now()
	return &progressLines{w: w, started: now, said: now, tally: newTally()}
}

func (p *progressLines) Show(live []report.Live, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tally.waiting = waiting
	started, ended := p.tally.update(live)
	for _, l := range started {
		fmt.Fprintf(p.w, "%s: started\n", Printable(l.Login))
	}
	for _, l := range ended {
		// The last snapshot is older than the end: how it ended is in the summary.
		fmt.Fprintf(p.w, "%s: ended, %s on the old server\n", Printable(l.Login), humanize.Count(l.Total, "message"))
	}
	now := time.Now()
	first := !p.figures && p.tally.sums().total > 0 // nobody should wait for the first figures
	due := now.Sub(p.said) >= ProgressEvery
	if due {
		p.said = now
	}
	if first || due {
		p.figures = true
		fmt.Fprintf(p.w, "%s: %s\n", humanize.Duration(now.Sub(p.started)), p.tally.line())
	}
}

func (p *progressLines) Beside(stderr io.Writer) io.Writer { return stderr }

func (p *progressLines) End() { p.Show(nil, 0) }

// tally sums up what the snapshots of a pass say.
type tally struct {
	running map[store.AccountID]report.Live
	ended   int
	waiting int  // have not had their turn
	done    sums // of the accounts that ended
}

// sums are how far accounts are.
type sums struct {
	done, total         uint64 // messages dealt with, known
	copied              uint64 // messages, in this pass
	octets, octetsTotal uint64 // of the messages dealt with, known
	about               bool   // octetsTotal is not exact
	rate                report.Rate
}

func (s *sums) add(l report.Live) {
	s.done += l.Done
	s.total += l.Total
	s.copied += l.Copied
	s.octets += l.OctetsDone
	s.octetsTotal += l.OctetsTotal
	s.about = s.about || !l.OctetsExact
	s.rate.Messages += l.Rate.Messages
	s.rate.Octets += l.Rate.Octets
}

func newTally() tally { return tally{running: make(map[store.AccountID]report.Live)} }

// update takes a snapshot in and returns the accounts that started and those
// that ended since the one before.
func (t *tally) update(live []report.Live) (started, ended []report.Live) {
	now := make(map[store.AccountID]report.Live, len(live))
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
	s.rate = report.Rate{} // those that ended have none
	for _, l := range t.running {
		s.add(l)
	}
	return s
}

// left is how long the rest takes: as long as the slowest account. It is not
// known before every account has had its turn and has gone on for a while.
func (t *tally) left() *time.Duration {
	if t.waiting > 0 {
		return nil
	}
	longest := time.Duration(0)
	for _, l := range t.running {
		if l.Remaining == nil {
			return nil
		}
		longest = max(longest, *l.Remaining)
	}
	return &longest
}

// line is how far all accounts are.
func (t *tally) line() string {
	s := t.sums()
	if s.total == 0 && t.ended == 0 {
		return fmt.Sprintf("the old server is asked what mail there is; %s running, %d waiting", humanize.Count(len(t.running), "account"), t.waiting)
	}
	return fmt.Sprintf("%d of %d messages%s, %d copied now, %s, %s/s, %s; %s running, %d waiting, %d ended",
		s.done, s.total, ofOctets(", ", s.octets, s.octetsTotal, s.about), s.copied, speed(s.rate.Messages), humanize.Size(uint64(s.rate.Octets)),
		timeLeft(t.left()), humanize.Count(len(t.running), "account"), t.waiting, t.ended)
}

// ofOctets is how many octets of how many, "" while that is not known.
func ofOctets(before string, done, total uint64, about bool) string {
	if total == 0 {
		return ""
	}
	all := humanize.Size(total)
	if about {
		all = "about " + all
	}
	return before + humanize.Size(min(done, total)) + " of " + all
}

// timeLeft says how long something takes yet.
func timeLeft(d *time.Duration) string {
	if d == nil {
		return "time left unknown"
	}
	return "about " + roughly(*d) + " left"
}

// roughly is a time for people, no more exact than a guess can be.
func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(max(d, 0).Round(time.Second).Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Round(time.Minute).Minutes()))
	case d < 24*time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	d = d.Round(time.Hour)
	return fmt.Sprintf("%dd %dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}
