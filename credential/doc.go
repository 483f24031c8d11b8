// Package credential has what Postferry signs in with at mail servers that want more than an
// account's own password: a master login, or access tokens (RFC 6749) of an application, a
// service account, a person's consent or a program.
//
// A Keeper holds the tokens, in memory only. A token is fetched once for all connections that
// wait for it, and renewed before it ends; while the provider is down the one there serves as
// long as it lasts. A server that refuses a token gets one new token over a new connection, before
// anything is said to be wrong: tokens end early, are revoked, and clocks go wrong. A token that has
// just been fetched, and is refused, is a problem; the Keeper finds out which, and tells those of a
// whole tenant once.
//
//	Keeper   what to sign in with for a mailbox at a server, and what a refusal means
//	source   the token of one subject: an application, or one mailbox
//	tenant   what is known of all mailboxes of a domain at a server
//	grants   how tokens are asked for, by method
//	Error    what is wrong, in two voices
//
// It must not know IMAP, sessions, accounts' states, nor who wants to sign in for what.
package credential
