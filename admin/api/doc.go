// Package api answers programs: the JSON API that openapi.yaml describes (a test holds the two
// together), live events as JSON, /metrics and /healthz.
//
// An operation reads what was sent, calls one use case of admin, and writes what came of it. What
// may be done and by whom is decided there. The package must not know the pages.
package api
