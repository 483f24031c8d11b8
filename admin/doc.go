// Package admin has the use cases of administrators: domains, accounts, lists, tenants, people's agreements; and puts them
// together with those that have packages of their own: looking at both servers (admin/checks), copying
// (admin/transfers), ending moves (admin/finishing).
//
// # Words
//
// A use case is one thing that an actor (admin/access) can do, a method of Domains,
// Accounts and so on: a type for each subject, which holds only what it uses.
// Service has one of each. Pages (admin/web), API (admin/api) and commands call
// the same ones, and each checks the actor and writes the audit log itself, so
// that no way in is without it. A
// list is an upload of accounts that waits, in memory only, for the person's
// decision. A job (admin/jobs) is a check, a verification or a preparation: long, one of each per domain, its
// result kept until the next one replaces it. A selection (admin/selection) says which accounts something is done
// with. What is known of accounts at a moment is a board (admin/board); the tracker (admin/runs) follows the runs.
//
// # Files
//
//   - service.go: the Service, which puts the use cases together, and what it does by itself
//   - scopes.go: which domains there are, who may see them, whose a login is
//   - ferry.go: what the package asks of the engine
//   - operator.go: what is done at the machine itself
//   - the others are named after what they are about (domains.go, accounts.go, ...)
//
// # What it must not know
//
// HTTP and HTML. The engine and the proxy: cmd hands it a Ferry. It opens no
// connection to a mail server itself. Passwords of accounts go in and never come
// out again; no result, log line, audit entry or metric has any.
package admin
