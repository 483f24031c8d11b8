// Package statedir is the directory that a state is in: how its files are called, that nobody else
// may write them, and that one process holds it at a time.
//
// It doesn't know what is in the files.
package statedir
