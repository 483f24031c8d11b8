// Package wire is the syntax of IMAP (RFC 9051, RFC 3501 and what real
// servers make of them) for both sides: reading responses, writing commands,
// recognising literals, and the spelling of mailbox names.
//
// The decoder is tolerant: it reads what servers send, not what the grammar
// allows, and it is bounded in all it holds in memory. It is a pull parser, so
// that literals stream through without ever being held.
//
// The package has no I/O policy and no state of a session: it knows nothing
// of deadlines, contexts, tags under way, capabilities or accounts, and it
// imports none of Postferry's other packages.
package wire
