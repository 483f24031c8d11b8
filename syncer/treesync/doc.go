// Package treesync looks at the folder trees of both servers and brings the new one up to
// date: it finds folders that were renamed or have gone (on either side), has a plan made by
// package foldertree, creates what is missing under a name that the new server takes, and
// proves that it is there.
//
// It must not know the account's actor: a look gets what it needs as values (Account) and
// returns what it found (Result); nothing is stored by it.
package treesync
