package admin

import (
	"fmt"
	"strings"
	"time"
)

const (
	// chartEvery is how far apart the points of a chart are at least.
	chartEvery = 5 * time.Second
	// chartPoints are kept: ten minutes of somebody looking.
	chartPoints = 120
	// chartGap is how long nobody may have looked for a chart to go on.
	chartGap = 30 * time.Second
	// The chart's size, in the units of its view box.
	chartWidth  = 300
	chartHeight = 60
)

// chart is the throughput of the last minutes, as long as somebody looks.
type chart struct {
	points []float64 // messages a second, oldest first
	last   time.Time
}

// add takes in the throughput of a moment.
func (c *chart) add(now time.Time, perSecond float64) {
	since := now.Sub(c.last)
	if since < chartEvery {
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

// chart is a domain's chart as it stands now.
func (b *boards) chart(domain string) chart {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.slot(domain)
	return chart{points: append([]float64{}, s.chart.points...), last: s.chart.last}
}

// Worth reports whether there is something to see.
func (c chart) Worth() bool { return len(c.points) > 2 && c.Peak() > 0 }

// Peak is the highest throughput.
func (c chart) Peak() float64 {
	peak := 0.0
	for _, p := range c.points {
		peak = max(peak, p)
	}
	return peak
}

// Minutes is how much time it shows.
func (c chart) Minutes() int {
	return max(1, int((time.Duration(len(c.points)) * chartEvery).Minutes()))
}

// Curve is its line as an SVG path.
func (c chart) Curve() string {
	var b strings.Builder
	peak := max(c.Peak(), 1)
	for i, p := range c.points {
		x := float64(i) / float64(max(len(c.points)-1, 1)) * chartWidth
		y := chartHeight - 2 - p/peak*(chartHeight-6)
		fmt.Fprintf(&b, "%c%.1f %.1f", "ML"[min(i, 1)], x, y)
	}
	return b.String()
}

// Area is what is below the line.
func (c chart) Area() string {
	return fmt.Sprintf("%sL%d %dL0 %dz", c.Curve(), chartWidth, chartHeight, chartHeight)
}
