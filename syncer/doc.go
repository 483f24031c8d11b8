// Package syncer is the engine: it decides what has to be copied from an old server to a new
// one and when, has it copied, and tells how far that is.
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
// # Rooms
//
//	syncer      the engine, its accounts, passes, visits, control and status
//	treesync    the folder trees of one account        mailbox   one mailbox, one account
//	folders     what is known of an account's folders  jobs      jobs on an account's pairs
//	stragglers  late mail of domains whose MX moved
//	transfer    one folder, read and appended          recovery  its ledger put right
//	verify      compares both servers                  dryrun    says what a pass would do
//	compare     what these two share                   leftout   what is not copied
//	quota       whether an account's mail fits         measure   how far, how fast; pure
//	reorder     one folder's order, once complete      schedule  who is due next; pure
//	wayback     one folder's new mail copied back
//	session     sources, targets, pairs, pools         foldertree  plans trees; pure
//	message     single messages; pure                  problem   errors for people; pure
//
// Imports go downwards, and internal/layers keeps it so.
//
// # Who owns what
//
// The Engine's loop owns the table of accounts and the schedule of passes. One
// goroutine per account at work owns that account's folders and decides which
// job runs next; nothing else changes them. Jobs (the folder trees, a pull) run
// on a pair of sessions with the two servers. An account has a pair
// for visits and three for passes, so that a visit never waits for a pass; of those
// for passes all but the first are used only while the servers have room. Before a folder
// is through, its pair asks for the next one. A job owns
// its folder's ledger while it runs; the account's goroutine never lets two
// jobs run on one folder.
//
// # One mailbox, several logins
//
// Before anything is copied for an account it claims its mailbox (package mailbox). If that is
// proved to be another account's, it becomes an alias: all that is asked of it is
// asked of that account, whose actor alone is at work (alias.go).
//
// # What it must not know
//
// Clients, their connections and the commands they send: the relay asks for a
// folder and is told when it is worth showing. The syntax of IMAP and POP3: that
// is upstream's and wire's. The database: it speaks to a Store of its own only.
package syncer
