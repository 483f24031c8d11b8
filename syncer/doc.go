// Package syncer is the engine: it decides what has to be copied from an old
// server to a new one, copies it, and remembers it.
//
// # Words
//
// A pass is one complete run over an account: the folder tree, then every
// folder that changed. A pull copies what is missing in one folder. A visit is
// a client's opening of a folder; the first one makes the folder's pull go
// ahead of everything else. An intent is written to the ledger before the
// first octet of a message goes out, a proof after the new server confirmed it.
// A repair makes a message acceptable that the new server refused as it is; what
// is refused all the same goes to quarantine.
//
// # Who owns what
//
// The Engine's loop owns the table of accounts and the schedule of passes. One
// goroutine per account at work owns that account's folders and decides which
// job runs next; nothing else changes them. Jobs (the folder tree, a pull) run
// on a lane: a pair of sessions with the two servers. An account has a lane
// for visits and three for passes, so that a visit never waits for a pass; of those
// for passes all but the first are used only while the servers have room. Before a folder
// is through its lane asks for the next one. A job owns
// its folder's ledger while it runs; the account's goroutine never lets two
// jobs run on one folder.
//
// # One mailbox, several logins
//
// Before anything is copied for an account it claims its mailbox (mailboxes). If that is
// proved to be another account's (same.go), it becomes an alias: all that is asked of it is
// asked of that account, whose actor alone is at work (alias.go).
//
// A Verification and a DryRun stand beside the Engine: they have sessions of
// their own, on which nothing can be written, and write nothing to the store.
//
// # Old servers
//
// An old server is an oldSession: oldIMAP, or oldPOP3 for those that have
// nothing else. By POP3 there is one folder, no flags, and no UID that lasts
// longer than the session; what the ledger knows messages by are the keys that an
// opened folder's keyring tells.
//
// # What it must not know
//
// Clients, their connections and the commands they send: the relay asks for a
// folder and is told when it is worth showing. The syntax of IMAP and POP3: that
// is upstream's and wire's. The database: it speaks to store.Store only.
package syncer
