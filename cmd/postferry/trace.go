package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"postferry/internal/control"
	"postferry/syncer"
	"postferry/upstream/link"
)

// traceHelp describes the flag for those commands that have it.
const traceHelp = `With --trace the protocol of the connections that copy is written to FILE, for
looking into trouble with a server: a line for each line that is sent (C) or
received (S), with time, number of the connection, server and login. Passwords
and messages are masked ({12345 octets}); folder names, flags and what servers
say are not. Only you can read the file. It grows fast.`

// traceFlag adds the flag.
func traceFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "trace", "", "write the protocol to `FILE`, without passwords and messages")
}

// traceFile is an open trace; the zero value is none.
type traceFile struct {
	file   *os.File
	tracer *link.Tracer
}

// openTrace opens a trace for appending; none if path is empty.
func openTrace(path string, log zerolog.Logger) (t traceFile, err error) {
	if path == "" {
		return t, nil
	}
	fail := func(err error) error { return control.UsageError(fmt.Errorf("the trace can't be written: %w", err)) }
	if t.file, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return t, fail(err)
	}
	info, err := t.file.Stat()
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		err = t.file.Chmod(0o600)
	}
	if err != nil {
		return t, fail(errors.Join(err, t.file.Close()))
	}
	t.tracer = link.NewTracer(t.file, log)
	return t, nil
}

// of traces an engine that has not been used yet.
func (t traceFile) of(e *syncer.Engine) {
	if t.tracer != nil {
		e.Trace(t.tracer)
	}
}

// Close closes the file, if there is one. Nothing is traced any more.
func (t traceFile) Close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}

// errTraceDaemon: the connections are the daemon's.
var errTraceDaemon = errors.New(`"postferry serve" runs and would make the pass, so it would have to write the trace: start it with --trace`)
