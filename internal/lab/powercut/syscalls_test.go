package powercut

import (
	"fmt"
	"strings"
	"testing"
)

// TestSyscalls reads what strace writes: calls that are whole, that others come between, that failed, and that a Disk
// doesn't know.
func TestSyscalls(t *testing.T) {
	for _, tt := range []struct {
		name, lines string
		calls       string // what is read; or the error
	}{
		{"a file", `7 openat(AT_FDCWD, "\x2f\x73\x2f\x61", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3
7 pwrite64(3, "\x6f\x22", 2, 4096) = 2
7 write(3, "\x6f\x6b", 2) = 2
7 fdatasync(3)                      = 0
7 close(3) = 0
7 pwrite64(3, "\x6f", 1, 0) = 1`,
			`+0 /s/a  #0 @0 "", -0 /s/a  #1 @0 "", +1 /s/a  #1 @4096 "o\"", -1 /s/a  #1 @4096 "o\"", +1 /s/a  #1 @0 "ok", -1 /s/a  #1 @0 "ok", +6 /s/a  #1 @0 "", -6 /s/a  #1 @0 ""`},
		{"threads", `7 renameat(AT_FDCWD, "\x2f\x73\x2f\x61", AT_FDCWD, "\x2f\x73\x2f\x62" <unfinished ...>
8   write(1, "\x68\x69\x0a", 3) = 3
8   --- SIGURG {si_signo=SIGURG} ---
7 <... renameat resumed>) = 0
8   +++ exited with 0 +++`,
			`+3 /s/a /s/b #0 @0 "", +8   #0 @0 "hi\n", -3 /s/a /s/b #0 @0 ""`},
		{"elsewhere", `7 openat(AT_FDCWD, "\x2f\x74", O_RDWR|O_CREAT, 0600) = 3
7 pwrite64(3, "\x6f", 1, 0) = 1
7 unlinkat(AT_FDCWD, "\x2f\x73\x73", 0) = 0`, ""},
		{"failed", `7 unlinkat(AT_FDCWD, "\x2f\x73\x2f\x61", 0) = -1 ENOENT (No such file or directory)
7 fsync(3) = -1 EIO (Input/output error)`, `fsync failed []`},
		{"cut off", `7 write(1, "\x68"..., 300) = 300`, "cut off"},
		{"not hexadecimal", `7 write(1, "h", 1) = 1`, `encoding/hex: invalid byte: U+0068 'h'`},
		{"no end", `7 write(1, "\x68, 1) = 1`, "a text without an end"},
		{"unknown", `7 symlinkat("\x2f\x74", AT_FDCWD, "\x2f\x73\x2f\x61") = 0`, "a Disk doesn't know symlinkat"},
		{"no call", `7 what`, "not understood"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParser("/s")
			var got []string
			for line := range strings.SplitSeq(tt.lines, "\n") {
				if err := p.line(line); err != nil {
					got = []string{err.Error()}
					p.calls = nil
				}
			}
			for _, c := range p.calls {
				sign := "-"
				if c.Began {
					sign = "+"
				}
				got = append(got, fmt.Sprintf("%s%d %s %s #%d @%d %q", sign, c.Kind, c.Path, c.To, c.File, c.At, c.Data))
			}
			if all := strings.Join(got, ", "); all != tt.calls {
				t.Errorf("read %s\nwant %s", all, tt.calls)
			}
		})
	}
}
