// Package pop3 is a session with an old POP3 server (RFC 1939): sign in, list, read. It is to such
// a server what package upstream is to one that speaks IMAP, under the same rules: one goroutine
// at a time, bounded waits, errors that say what helps.
//
// It never sends what changes a mailbox. A message is exact or it is an error, whatever the
// server says of its size, marks as its end, or forgets to mark.
//
// The package knows nothing of IMAP, and decides nothing about trying again.
package pop3
