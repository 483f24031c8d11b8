package board

import (
	"slices"
	"time"
)

const (
	// ChartEvery is how far apart the points of a chart are at least.
	ChartEvery = 5 * time.Second
	// chartPoints are kept: ten minutes of somebody looking.
	chartPoints = 120
	// chartGap is how long nobody may have looked for a chart to go on.
	chartGap = 30 * time.Second
)

// chart is the throughput of the last minutes, as long as somebody looks.
type chart struct {
	points []float64 // messages a second, oldest first
	last   time.Time
}

// add takes in the throughput of a moment.
func (c *chart) add(now time.Time, perSecond float64) {
	since := now.Sub(c.last)
	if since < ChartEvery {
		return
	}
	if since > chartGap {
		c.points = nil
	}
	c.last = now
	c.points = append(c.points, perSecond)
	if len(c.points) > chartPoints {
		c.points = append([]float64{}, c.points[len(c.points)-chartPoints:]...)
	}
}

// Throughput is a domain's of the last minutes, in messages a second: a point every ChartEvery,
// oldest first.
func (b *Boards) Throughput(domain string) []float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.slot(domain).chart.points)
}
