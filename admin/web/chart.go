package web

import (
	"fmt"
	"strings"
	"time"

	"postferry/admin/board"
)

// The chart's size, in the units of its view box.
const (
	chartWidth  = 300
	chartHeight = 60
)

// throughputChart draws the throughput of the last minutes: messages a second, oldest first.
type throughputChart []float64

// Worth reports whether there is something to see.
func (c throughputChart) Worth() bool { return len(c) > 2 && c.Peak() > 0 }

// Peak is the highest throughput.
func (c throughputChart) Peak() float64 {
	peak := 0.0
	for _, p := range c {
		peak = max(peak, p)
	}
	return peak
}

// Minutes is how much time it shows.
func (c throughputChart) Minutes() int {
	return max(1, int((time.Duration(len(c)) * board.ChartEvery).Minutes()))
}

// Curve is its line as an SVG path.
func (c throughputChart) Curve() string {
	var b strings.Builder
	peak := max(c.Peak(), 1)
	for i, p := range c {
		x := float64(i) / float64(max(len(c)-1, 1)) * chartWidth
		y := chartHeight - 2 - p/peak*(chartHeight-6)
		fmt.Fprintf(&b, "%c%.1f %.1f", "ML"[min(i, 1)], x, y)
	}
	return b.String()
}

// Area is what is below the line.
func (c throughputChart) Area() string {
	return fmt.Sprintf("%sL%d %dL0 %dz", c.Curve(), chartWidth, chartHeight, chartHeight)
}
