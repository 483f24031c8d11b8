// Package dryrun says what a pass over an account would do, and does nothing of it.
//
// It must not know the engine. Nothing in it writes: not to a server, not to the store.
package dryrun
