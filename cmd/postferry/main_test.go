package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// runEnv makes the test binary run as postferry, see startDaemon.
const runEnv = "POSTFERRY_TEST_RUN"

// noUmaskEnv makes a process that is started from the test binary create files as they
// ask for it, without a umask.
const noUmaskEnv = "POSTFERRY_TEST_NO_UMASK"

func TestMain(m *testing.M) {
	unix.Umask(0o022) // a state that others may write is refused
	if os.Getenv(noUmaskEnv) != "" {
		unix.Umask(0)
	}
	if os.Getenv(runEnv) != "" {
		main()
	}
	// Most of what these tests do is to wait: for servers that are slow on purpose,
	// for what a killed daemon left behind to come to rest.
	if err := flag.Set("test.parallel", strconv.Itoa((3*runtime.GOMAXPROCS(0)+1)/2)); err != nil {
		panic(err)
	}
	time.Local = time.UTC // what tests compare does not depend on where they run
	testscript.Main(m, map[string]func(){"postferry": main})
}

// TestScripts runs the command lines of testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"await": await,
		},
	})
}

// exits runs a command and wants its exit status: exits 2 postferry serve.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		got = failed.ExitCode()
	case err != nil:
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s ended with status %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// await waits for a file to appear: await state/control.sock.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s did not appear", args[0])
		case <-tick.C:
		}
	}
}

// postferry runs a command line in this process.
func postferry(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return status, out.String(), errs.String()
}
