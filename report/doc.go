// Package report is the vocabulary of what the engine tells: how far accounts and folders are, how passes
// ended, what a pass would do, and what a verification found. The engine makes it; the page, the
// API, the commands and the control socket show it.
//
// It has no logic but sums, and knows neither servers nor who is told. The states and problems in it are
// the words of package store, and why something is so a reason of package report/reason.
package report
