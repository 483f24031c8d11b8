// Package message knows what single messages look like, whichever server has them: what they
// are recognised by (fingerprints, content, keys of the ledger), their flags and dates, and
// how one that a server refuses may be rewritten so that it is taken.
//
// Everything in it is pure. It must not know sessions, folders, or what becomes of a message.
package message
