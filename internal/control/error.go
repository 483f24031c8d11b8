package control

// ExitError is an error with the exit status that a command deserves which meets it. The
// socket carries both.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string { return e.Err.Error() }

func (e *ExitError) Unwrap() error { return e.Err }
