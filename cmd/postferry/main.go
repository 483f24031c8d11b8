package main

import (
	"context"
	"os"
	"runtime/debug"
)

// collectAt is by how many percent the memory in use may grow before it is
// collected: less than Go's 100, as most of it are messages that are soon gone.
const collectAt = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
