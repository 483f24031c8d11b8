// Package cause gathers what keeps accounts from being copied: a thousand accounts with the same
// fault are one cause with its number, a sentence, and what mends it. It is pure: problems in,
// causes out, which page, API and commands show.
//
// # Words
//
// A cause is the problems of one kind at one host. Its mend is the kind of thing that somebody does
// about all of its accounts at once.
//
// # What it must not know
//
// Where problems come from, who looks, and in which language: it has codes, and in English what the
// engine said of the first account.
package cause
