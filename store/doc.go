// Package store says what Postferry must not forget: who moves, which folders
// they have, and which message was copied where. It owns the words that the other packages share,
// the interfaces of what keeps them, and the rules for what may be kept (check.go). It knows nothing
// of networks, mail servers or the order in which things are done, and keeps nothing itself:
//
//	store/bolt       the store of a single node, a bbolt database in a directory
//	store/seal       seals secrets for whatever store keeps them
//	store/storetest  the contract: a suite of tests for every store
//
// A new store implements Store, calls the Check functions for what it is given, and passes the contract.
//
// # Words
//
// An account is one person: a login at the old server and one at the new, with
// their passwords: the credentials. Credentials, state and problem of an account are
// written each by calls of their own, which leave the others as they are. A
// folder is one of the account's IMAP mailboxes; its number (FolderID)
// outlives every rename. A key names a message in a folder of the old server. A
// fingerprint recognises a message whose key was lost; several messages may
// share one.
//
// The ledger says for each key which message on the new server is its copy. A
// row of it is an entry, and an entry is written only with proof that the
// message is on the new server. An intent is written before a message is
// appended and goes when its fate is known, either way. The quarantine holds
// messages that one of the servers refuses. A message is repaired if the new
// server refused it as it is and took it changed. A checkpoint says how far the old
// side of a folder is dealt with. A batch changes all of these for one folder
// together. A pass is one run over an account, and its history keeps the
// newest passes. A problem is what keeps an account from being copied. A run is
// what a person or a schedule started for accounts of a domain; an account's
// part in it ends with a pass that leaves nothing behind, or with a problem that
// a person has to mend. A summary holds what lists show of an account.
//
// A way to sign in says how Postferry opens the mailboxes of a domain at one of its servers, if
// not with each account's own password. A consent is the agreement of a mailbox's owner that
// it may.
//
// An administrator may use the import page, within a scope: all or one domain.
// A session is an administrator's browser that has logged in, a token opens
// the API for a program. The audit log says who did what there.
package store
