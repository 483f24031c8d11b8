// Package compare has what everything shares that looks at both servers without changing
// anything: a pair of sessions on which nothing can be written, the choice of accounts, and
// what is deliberately left out of a move.
//
// It must not know the engine, nor what the comparison is for.
package compare
