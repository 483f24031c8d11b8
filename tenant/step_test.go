package tenant

import (
	"testing"
	"time"

	"postferry/config"
	"postferry/directory"
)

// TestPauseOfDirectory: for how long a directory wants to be left alone is said.
func TestPauseOfDirectory(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]int64{0: 0, 90 * time.Second: 90, time.Hour: 3600} {
		got := failed(Step{}, config.Server{Host: "imap.example"}, &directory.Error{Reason: directory.Throttled, After: after})
		if got.WaitSeconds != want || got.Code != string(directory.Throttled) {
			t.Errorf("%v: %+v", after, got)
		}
	}
}
