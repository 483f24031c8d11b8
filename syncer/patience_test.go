package syncer

import (
	"testing"
	"time"

	"postferry/syncer/session"
)

// TestPatienceWith: who opens a large folder waits until a server that needs long for each look into
// it has opened it and listed some of it, for which it is asked at once: 100,000 messages in a maildir
// are 1.3 seconds and another 3.5, in which Dovecot says nothing.
func TestPatienceWith(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		slowest time.Duration
		silent  bool
		want    time.Duration
	}{
		"nothing known":                 {want: 2 * time.Second},
		"quick":                         {slowest: 100 * time.Millisecond, want: 2 * time.Second},
		"needs long for a large folder": {slowest: 800 * time.Millisecond, want: 4800 * time.Millisecond},
		"not for ever":                  {slowest: 5 * time.Second, want: 6 * time.Second},
		"others have waited in vain":    {slowest: time.Second, silent: true, want: 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old := &session.Pool{}
			old.Answered(tt.slowest)
			old.Silent.Store(tt.silent)
			if got := patienceWith(old); got != tt.want {
				t.Errorf("%v; want %v", got, tt.want)
			}
		})
	}
}
