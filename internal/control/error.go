package control

// ExitError is an error with the exit status that a command deserves which meets it. The
// socket carries both.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string { return e.Err.Error() }

func (e *ExitError) Unwrap() error { return e.Err }

// ExitUsage is the exit status for a mistake in what a person gave us.
const ExitUsage = 2

// UsageError marks such a mistake.
func UsageError(err error) error { return &ExitError{Code: ExitUsage, Err: err} }
