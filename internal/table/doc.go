// Package table writes what commands list for people: in columns that fit a terminal of 80 cells, where
// what is too long for its column goes on below, or wide.
//
// It must not know what is listed. What could upset a terminal is taken out by whoever fills it.
package table
