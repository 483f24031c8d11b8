//go:build unix && !linux

package lab

import "time"

// CPUTime is not known here.
func (d *Dovecot) CPUTime() time.Duration { return 0 }

// PeakMemory is not known here.
func PeakMemory(int) (int64, bool) { return 0, false }

// Sessions are not known here.
func (d *Dovecot) Sessions() []int { return nil }
