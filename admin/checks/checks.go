// Package checks looks at accounts on both servers: checks try their logins and say what would be copied, before
// anything is; verifications compare what has come over. Both are jobs (admin/jobs), whose newest result is kept for
// each domain, within bounds.
//
// It must not know HTTP and HTML, nor the engine: it asks for what it needs through interfaces of its own.
package checks

import (
	"context"

	"postferry/admin/access"
	"postferry/admin/jobs"
	"postferry/admin/selection"
	"postferry/config"
	"postferry/discover"
	"postferry/report"
	"postferry/store"
)

// Options are what checks and verifications need.
type Options struct {
	Scopes  scopes
	Chooser *selection.Chooser
	Ferry   ferry
	Jobs    *jobs.Runner
	Audit   *access.Audit
}

// scopes finds domains for who may see them, and knows what is peculiar about their servers.
type scopes interface {
	Domain(ctx context.Context, who access.Actor, name string) (*config.Domain, error)
	Peculiarities(domain string) []discover.Message
}

// ferry looks at accounts on both servers.
type ferry interface {
	checkFerry
	verifyFerry
}

// checkFerry checks accounts.
type checkFerry interface {
	Check(ctx context.Context, ids []store.AccountID, tell func(report.Check) error) error
}

// verifyFerry compares accounts.
type verifyFerry interface {
	Verify(ctx context.Context, ids []store.AccountID, bodies bool, tell func(report.VerifyEvent) error) error
}
