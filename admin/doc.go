// Package admin is the import page: what administrators see in a browser, the
// JSON API beside it, live progress, /metrics and /healthz.
//
// # Words
//
// An actor is who asks: an administrator with a session, a program with a
// token, or the operator at the machine itself. Its scope is everything or one
// domain. A use case is one thing an actor can do; pages and API call the same
// ones, and each checks the actor and writes the audit log itself, so that no
// way in is without it. A refusal is why a use case did not do what was asked,
// in words for the person. A list is an upload of accounts that waits, in
// memory only, for the person's decision. A job is a check or a verification:
// long, one of each per domain, its result kept until the next one replaces it.
//
// # Files
//
//   - server.go, routes.go, middleware.go: the HTTP server and what every request passes
//   - actor.go, password.go, limiter.go, login.go, link.go: who may come in
//   - refusal.go: errors
//   - ferry.go: what the package asks of the engine
//   - app.go and the files named after what they are about (domains.go,
//     accounts.go, transfer.go, ...): the use cases
//   - api_*.go: handlers of the API; openapi.yaml describes it, and a test
//     holds the two together
//
// # What it must not know
//
// The engine and the proxy: cmd hands it a Ferry. It opens no connection to a
// mail server itself. Passwords of accounts go in and never come out again; no
// answer, log line, audit entry or metric has any.
package admin
