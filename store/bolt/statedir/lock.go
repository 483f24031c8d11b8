package statedir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// InUseError says which process holds the state.
type InUseError struct {
	Command string // the holder's Options.Command; "" if it could not be learnt
	PID     int
}

// Error is a sentence for the person at the screen.
func (e *InUseError) Error() string {
	if e.Command == "" {
		return "state is in use by another process"
	}
	return fmt.Sprintf("state is in use by postferry %s, pid %d", e.Command, e.PID)
}

// Lock keeps other processes out. The kernel releases it when its holder
// ends, however that happens; the file itself stays, because deleting it
// would let two processes lock two files of one name.
type Lock struct {
	file *os.File
}

func Hold(path, command string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the lock of the state: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer file.Close()
		return nil, holder(file)
	}
	if err == nil {
		err = writeHolder(file, fmt.Sprintf("%d %s\n", os.Getpid(), command))
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot lock the state: %w", err)
	}
	return &Lock{file: file}, nil
}

// writeHolder writes who holds the lock. On a full disk others don't learn it: whoever only wants to
// read, such as status, is needed then most.
func writeHolder(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Truncate(int64(len(text)))
}

// holder reads who holds the lock. Between locking and writing its name the
// new holder may be seen as nobody, or as a predecessor that was killed; so it
// looks again for a moment.
func holder(file *os.File) *InUseError {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var seen *InUseError
	for range 20 {
		seen = readHolder(file)
		if seen.PID > 0 && !errors.Is(unix.Kill(seen.PID, 0), unix.ESRCH) {
			break
		}
		<-tick.C
	}
	return seen
}

func readHolder(file *os.File) *InUseError {
	text, err := io.ReadAll(io.NewSectionReader(file, 0, 256))
	if err != nil {
		return &InUseError{}
	}
	line, _, _ := strings.Cut(string(text), "\n") // behind it the end of a longer name may still be
	number, command, ok := strings.Cut(line, " ")
	pid, err := strconv.Atoi(number)
	if !ok || err != nil {
		return &InUseError{}
	}
	return &InUseError{Command: command, PID: pid}
}

// Release empties the file, so that the name of a process that has ended
// stays behind only if it was killed, and lets the lock go. Closing the file is not enough: a program that is
// just being started has it open, too, until it runs.
func (l *Lock) Release() error {
	return errors.Join(l.file.Truncate(0), unix.Flock(int(l.file.Fd()), unix.LOCK_UN), l.file.Close())
}
