// Package console is what commands show: tables, progress, summaries, and what is written for
// programs beside them. It prints what it is told, in the order in which that comes.
//
// Whatever comes from a server or a list is made printable, so that no terminal is upset. Tables
// keep within the width of a terminal unless they are asked for wide.
//
// The package knows neither flags nor how commands reach what they show.
package console
