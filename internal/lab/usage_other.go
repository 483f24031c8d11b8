//go:build unix && !linux

package lab

import "time"

// CPUTimeOf is not known here.
func CPUTimeOf(...int) time.Duration { return 0 }

// ResidentOf is not known here.
func ResidentOf(...int) int { return 0 }

// ChildrenOf are not known here.
func ChildrenOf(int) []int { return nil }
