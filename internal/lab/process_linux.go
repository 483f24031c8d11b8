package lab

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

func childAttributes(a account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if a.drop {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// groupAlive reports whether a process group has members that are not zombies:
// orphans stay zombies for as long as the system's init likes (proc(5)). All
// processes are asked for their group, which costs little, and only members for
// their state.
func groupAlive(group int) bool {
	processes, _ := os.ReadDir("/proc") //nolint:errcheck // it is always there
	for _, entry := range processes {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue // no process
		}
		if of, err := syscall.Getpgid(pid); err != nil || of != group {
			continue // another group's, or ended meanwhile
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue // ended meanwhile
		}
		// "PID (NAME) STATE PPID ...", where NAME may hold anything.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) > 0 && string(fields[0]) != "Z" {
			return true
		}
	}
	return false
}
