package notify

import (
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	unix.Umask(0o022) // a state that others may write is refused
	goleak.VerifyTestMain(m)
}
