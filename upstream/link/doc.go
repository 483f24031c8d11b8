// Package link is a connection with a mail server, whatever is spoken over it: how it is made and
// protected, what bounds every wait on it, what a person signs in with, and what went wrong.
//
// A Link belongs to one session, of package upstream (IMAP) or upstream/pop3, and one goroutine
// uses it at a time. Open brings a fresh connection to where a login is possible, in the steps of
// the protocol's Entrance; Probe hears what a server says of itself. Do runs an exchange: an error
// of the connection, or the end of its context, costs the session. What a server refuses is an
// *Error that says what helps, in two voices.
//
// A Tracer writes down what sessions say, without secrets and messages. Quirks are what sessions
// have found out of a server and share.
//
// The package knows no command but those whose refusals mean something of their own, and nothing
// of mailboxes and messages.
package link
