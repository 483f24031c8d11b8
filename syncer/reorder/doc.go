// Package reorder puts the messages of one folder of the new server into the order of their
// arrival, after its newest ones were copied first for somebody who had opened it.
//
// Those have the lowest UIDs then, and programs that take the highest UID for the newest
// message show old mail. When the folder is complete, what came before the bulk is moved
// behind it: a MOVE onto the same folder (RFC 6851), of which the server tells the new UIDs
// by COPYUID (RFC 4315). The ledger's lines follow.
//
// Plan (plan.go) is pure: lines and UIDs in, sets of UIDs to move out. A Job (job.go)
// carries it out on a session. Before each MOVE the folder's row says which UIDs are about to be
// moved, and settle.go finds out what became of them after an interruption: each message is
// there once, and its line stands for it.
//
// It must not know when a folder may be touched: that is the account's to decide. It never
// appends anything, and removes nothing but what a MOVE that broke off in the middle has
// left in both places.
package reorder
