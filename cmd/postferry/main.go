package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
)

const (
	// collectAt is by how many percent the memory in use may grow before it is
	// collected: less than Go's 100, as most of it are messages that are soon gone.
	collectAt = 50
	// collectFloor counts as memory in use, so that a process with little of its own does not collect every few
	// megabytes: half as much more may gather. It is never written to, and so takes no memory itself.
	collectFloor = 16 << 20
)

func main() {
	floor := make([]byte, collectFloor)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	code := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	runtime.KeepAlive(floor)
	os.Exit(code)
}
