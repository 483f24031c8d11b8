package lab

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// clockTick is the unit of times in /proc (USER_HZ, the same on every Linux).
const clockTick = 10 * time.Millisecond

// CPUTime is what the server's processes have used so far, in steps of 10 ms.
// One that has ended counts once Dovecot's master has waited for it.
func (d *Dovecot) CPUTime() time.Duration {
	d.tb.Helper()
	var sum time.Duration
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") //nolint:errcheck // the pattern is well-formed
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// "PID (NAME) STATE PPID PGRP ...": the times are the 14th to 17th field.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 15 || string(fields[2]) != strconv.Itoa(d.proc.cmd.Process.Pid) {
			continue
		}
		for _, field := range fields[11:15] {
			ticks, err := strconv.ParseInt(string(field), 10, 64)
			if err != nil {
				d.tb.Fatalf("lab: %s: %v", path, err)
			}
			sum += time.Duration(ticks) * clockTick
		}
	}
	return sum
}

// Sessions are the processes that serve IMAP sessions, oldest first.
func (d *Dovecot) Sessions() (pids []int) {
	d.tb.Helper()
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") //nolint:errcheck // the pattern is well-formed
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(stat, []byte(" (imap) ")) {
			continue // ended meanwhile, or another one
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 3 || string(fields[2]) != strconv.Itoa(d.proc.cmd.Process.Pid) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// PeakMemory is the most memory that a process had resident so far (VmHWM), in
// octets; false if it has ended. What wait tells of a child would include what its
// parent had when it started it.
func PeakMemory(pid int) (int64, bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kilo, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
			return kilo << 10, err == nil
		}
	}
	return 0, false
}
