// Package measure has the words for how far a folder is and how fast mail gets dealt with, and what is
// reckoned from them. It is pure.
//
// It must not know what is measured: servers, the store's ledger, jobs.
package measure
