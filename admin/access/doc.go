// Package access says who may come in and do what, and keeps what was done: administrators with their
// sessions, programs with their tokens, the first one by a link that is good once, and the audit log.
//
// # Words
//
// An Actor is who asks: an administrator with a session, a program with a token, or the operator at
// the machine itself. Its scope is everything or one domain. A Refusal is why a use case did not do what was
// asked, in words for the person; a Mistake is one thing that is wrong with what was given. About says what an
// entry of the audit log is about.
//
// # What it must not know
//
// What use cases there are, accounts, mail and the engine; HTTP. Passwords of administrators go in and never
// come out; no result, log line or entry has any.
package access
