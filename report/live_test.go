package report

import (
	"testing"
	"time"
)

func TestRemaining(t *testing.T) {
	tests := []struct {
		rate             Rate
		messages, octets uint64
		want             time.Duration
		known            bool
	}{
		{Rate{}, 0, 0, 0, true},
		{Rate{}, 1, 0, 0, false},
		{Rate{Messages: 10}, 0, 5, 0, false},
		{Rate{Messages: 10, Octets: 1000}, 100, 1000, 10 * time.Second, true},
		{Rate{Messages: 10, Octets: 1000}, 1, 100_000, 100 * time.Second, true},
		{Rate{Messages: 1e-9}, 1 << 40, 0, 0, false},
	}
	for _, tt := range tests {
		if got, known := tt.rate.Left(tt.messages, tt.octets); got != tt.want || known != tt.known {
			t.Errorf("%+v: got %v, %v", tt, got, known)
		}
	}
}
