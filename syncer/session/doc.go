// Package session has the sessions with both servers as the engine uses them: a Source, which
// can only be read (by IMAP or POP3), a Target, and a Pair of the two that one job at a time
// works with. A Pool bounds the connections to one server, remembers its health and what has
// been learnt of it; RateLimits bound the traffic of an account.
//
// A third kind of old server is another Source, and a way to dial it.
//
// It must not know what is copied, the ledger, or which account's turn it is. The syntax of
// IMAP and POP3 is package upstream's.
package session
