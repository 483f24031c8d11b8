package lab

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// CPUTimeOf is what processes have used so far, in steps of 10 ms.
func CPUTimeOf(pids ...int) (sum time.Duration) {
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		for _, field := range fields[11:13] {
			ticks, _ := strconv.ParseInt(string(field), 10, 64) //nolint:errcheck // the kernel writes numbers
			sum += time.Duration(ticks) * clockTick
		}
	}
	return sum
}

// ResidentOf is the resident memory of processes, in octets.
func ResidentOf(pids ...int) (sum int) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			continue
		}
		pages, _ := strconv.Atoi(string(bytes.Fields(text)[1])) //nolint:errcheck // the kernel writes numbers
		sum += pages * os.Getpagesize()
	}
	return sum
}

// ChildrenOf are the processes that a process has started.
func ChildrenOf(pid int) (pids []int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	for _, field := range bytes.Fields(text) {
		if child, err := strconv.Atoi(string(field)); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}
