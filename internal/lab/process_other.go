//go:build unix && !linux

package lab

import "syscall"

// childAttributes without Linux's parent-death signal: only a test binary that
// is killed leaves servers behind.
func childAttributes(a account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.drop {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// groupAlive reports whether a process group has members.
func groupAlive(group int) bool { return syscall.Kill(-group, 0) == nil }
