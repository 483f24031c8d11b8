package console

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"postferry/internal/humanize"
	"postferry/report"
	"postferry/store"
)

// mostBars is how many accounts have a bar at the same time.
const mostBars = 8

// progressBars shows a bar for all accounts and one for each of a few running ones.
type progressBars struct {
	mu    sync.Mutex
	box   *mpb.Progress
	tally tally
	total *liveBar
	bars  map[store.AccountID]*liveBar
}

// liveBar is a bar with a text that changes.
type liveBar struct {
	bar  *mpb.Bar
	mu   sync.Mutex
	text string
}

func newProgressBars(w io.Writer, options ...mpb.ContainerOption) *progressBars {
	options = append([]mpb.ContainerOption{mpb.WithOutput(w), mpb.WithRefreshRate(200 * time.Millisecond)}, options...)
	p := &progressBars{
		box:   mpb.New(options...),
		tally: newTally(),
		bars:  make(map[store.AccountID]*liveBar),
	}
	p.total = p.add("all accounts", 1)
	return p
}

// add makes a bar; bars with a higher place come further down.
func (p *progressBars) add(name string, place int) *liveBar {
	b := &liveBar{}
	b.bar = p.box.New(0, mpb.BarStyle(),
		mpb.BarPriority(place), mpb.BarWidth(30), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(pad(name, nameWidth))),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.text
		})))
	return b
}

func (b *liveBar) set(done, total uint64, text string) {
	b.mu.Lock()
	b.text = text
	b.mu.Unlock()
	b.bar.SetTotal(int64(total), false)
	b.bar.SetCurrent(int64(min(done, total)))
}

func (p *progressBars) Show(live []report.Live, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tally.waiting = waiting
	_, ended := p.tally.update(live)
	for _, l := range ended {
		if b, ok := p.bars[l.Account]; ok {
			b.bar.Abort(true)
			delete(p.bars, l.Account)
		}
	}
	for _, l := range p.tally.running {
		b, ok := p.bars[l.Account]
		if !ok {
			if len(p.bars) >= mostBars {
				continue
			}
			b = p.add(l.Login, 0)
			p.bars[l.Account] = b
		}
		text := "asks what mail there is"
		if l.Total > 0 {
			text = fmt.Sprintf("%d/%d %s", l.Done, l.Total, Printable(l.Folder))
		}
		b.set(l.Done, l.Total, text)
	}
	s := p.tally.sums()
	p.total.set(s.done, s.total, fmt.Sprintf("%d/%d%s, %s, %s/s, %s, %d running, %d waiting, %d ended",
		s.done, s.total, ofOctets(", ", s.octets, s.octetsTotal, s.about), speed(s.rate.Messages), humanize.Size(uint64(s.rate.Octets)),
		timeLeft(p.tally.left()), len(p.tally.running), p.tally.waiting, p.tally.ended))
}

// Beside implements progress: on a terminal, lines scroll by above the bars.
func (p *progressBars) Beside(stderr io.Writer) io.Writer {
	if f, ok := stderr.(*os.File); ok && IsTerminal(f) {
		return aboveBars{f, p.box}
	}
	return stderr
}

// aboveBars is a terminal with bars at its lower end, as long as they are there.
type aboveBars struct {
	*os.File
	box *mpb.Progress
}

func (a aboveBars) Write(line []byte) (int, error) {
	n, err := a.box.Write(line)
	if errors.Is(err, mpb.ErrDone) {
		return a.File.Write(line)
	}
	return n, err
}

func (p *progressBars) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.bars {
		b.bar.Abort(true)
	}
	p.total.bar.Abort(true)
	p.box.Wait()
}
