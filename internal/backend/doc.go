// Package backend does what commands ask for, on the state that this process holds: behind the
// control socket of "postferry serve", and in commands that run without one. Local is the
// control.Backend of both; its Ferry and its Ending are the engine as the import page and the end
// of a move want it.
//
// The package decides nothing about copying and storing, and knows neither flags nor how commands
// show what they are told. Mistakes of whoever asks are control.UsageError.
package backend
