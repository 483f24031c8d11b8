package upstream

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// threadTime is how long the thread that calls it has worked so far, whatever others do on
// the machine; the goroutine must be locked to it.
func threadTime(t testing.TB) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}
