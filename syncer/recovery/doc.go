// Package recovery brings a folder, as it is open on both servers, and its ledger together: a
// Folder. Before anything is copied it finds out what became of what was being sent when an
// earlier pull ended without a word (reconcile), finds the copies again where a server has numbered
// its messages anew or was put back to an earlier state (uidvalidity, continuity), and afterwards it
// carries over changed flags (flagsync): it alone says which message of the new folder a line of the
// ledger stands for.
//
// It must not know how messages are fetched and appended, nor when: that is package transfer's, which
// opens the folders and is told what was found.
package recovery
