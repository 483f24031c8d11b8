package bolt

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// Tests that need a second process start this test binary again, with what it
// shall do and the state directory in its environment.
const (
	childTask = "POSTFERRY_TEST_CHILD"
	childDir  = "POSTFERRY_TEST_DIR"
)

func TestMain(m *testing.M) {
	unix.Umask(0o022) // a state that others may write is refused
	switch dir := os.Getenv(childDir); os.Getenv(childTask) {
	case "crash":
		os.Exit(crashChild(dir))
	case "power":
		os.Exit(powerChild(dir))
	case "rotate":
		os.Exit(rotateChild(dir))
	case "rebuild":
		os.Exit(rebuildChild(dir))
	case "rebuildpower":
		os.Exit(rebuildPowerChild(dir))
	case "hold":
		os.Exit(holdChild(dir))
	}
	goleak.VerifyTestMain(m)
}

// startChild starts a child that is killed when ctx ends, and returns its output.
func startChild(t *testing.T, ctx context.Context, task, dir string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.CommandContext(ctx, os.Args[0]) // the end of ctx is a SIGKILL
	cmd.Env = append(os.Environ(), childTask+"="+task, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(out)
}

// holdChild opens the state as "postferry serve" and keeps it until it is killed.
func holdChild(dir string) int {
	if _, err := Open(dir, Options{Command: "serve", Log: zerolog.Nop()}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("open")
	io.Copy(io.Discard, os.Stdin) // ends with the parent
	return 1
}
