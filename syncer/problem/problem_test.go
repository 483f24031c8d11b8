package problem

import (
	"testing"
	"time"
)

func TestBackoffGrowsToItsBound(t *testing.T) {
	last := time.Duration(0)
	for n := 1; n < 40; n++ {
		d := Backoff(n, 0)
		if d < backoffFirst || d > backoffLongest+backoffLongest/4+1 {
			t.Fatalf("after %d failures %v", n, d)
		}
		if n < 7 && d < last {
			t.Fatalf("after %d failures %v, less than %v", n, d, last)
		}
		last = d / 2
	}
}
