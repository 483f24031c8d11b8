//go:build !linux

package upstream

import (
	"testing"
	"time"
)

// threadTime is the time of day where a thread's own time isn't told.
func threadTime(testing.TB) time.Duration { return time.Duration(time.Now().UnixNano()) }
