package control

import (
	"context"
	"io"
	"net/http"

	"postferry/config"
	"postferry/directory"
	"postferry/lifecycle"
	"postferry/report"
	"postferry/stage"
	"postferry/store"
	"postferry/tenant"
)

// Backend is what the commands do with the state: in the process that holds it, which may
// be their own, or as a Client through the daemon that does.
type Backend interface {
	// Domains returns all domains, those of the configuration and others.
	Domains(ctx context.Context) ([]config.Domain, error)
	// Import adds or updates accounts, all or none.
	Import(ctx context.Context, accounts []store.Account) (added, updated int, err error)
	// Sync makes one pass over the accounts of logins, over all if there are
	// none. progress is called from another goroutine, never after Sync returned.
	Sync(ctx context.Context, logins []string, progress func(live []report.Live, waiting int)) ([]SyncResult, error)
	// Status calls emit with the totals and then with each account.
	Status(ctx context.Context, q StatusQuery, emit func(StatusRecord) error) error
	// Verify compares the servers and tells what is found, one call at a time.
	Verify(ctx context.Context, q VerifyQuery, tell func(report.VerifyEvent) error) error
	// Plan tells what a pass would do: the pace first, then each account.
	Plan(ctx context.Context, logins []string, tell func(PlanRecord) error) error
	// Quarantine calls emit with each message that one of the servers refuses, or
	// that was repaired.
	Quarantine(ctx context.Context, q QuarantineQuery, emit func(report.QuarantineRecord) error) error
	// RetryQuarantined releases messages, so that the next pass tries them again;
	// a daemon begins one.
	RetryQuarantined(ctx context.Context, q QuarantineQuery) (released int, err error)
	// QuarantinedMail reads the messages themselves from the old servers.
	QuarantinedMail(ctx context.Context, q QuarantineQuery, sink QuarantineSink) error
	// DecideFolder does with a missing folder what somebody says, and returns its title.
	DecideFolder(ctx context.Context, d FolderDecision) (title string, err error)
	// DecideAlias does what somebody says of two logins.
	DecideAlias(ctx context.Context, d AliasDecision) error
	// Advise says how far a domain is, and asks DNS for it.
	Advise(ctx context.Context, domain string) (stage.Assessment, error)
	// Prepare makes the last pass over accounts, verifies them, and returns the draft of the report. tell
	// is called before each of the steps.
	Prepare(ctx context.Context, q FinishQuery, tell func(step lifecycle.Step, accounts int)) (*lifecycle.Report, error)
	// Finish finishes accounts that were prepared.
	Finish(ctx context.Context, q FinishQuery) (*lifecycle.Report, error)
	// Forget removes a domain but for its reports and the audit log.
	Forget(ctx context.Context, domain string) error
	// Reports returns the reports that are kept of a domain, of all if it is "", newest first.
	Reports(ctx context.Context, domain string) ([]lifecycle.Report, error)
	// DecideMailbox does what somebody says of a mailbox that isn't the one it was.
	DecideMailbox(ctx context.Context, d MailboxDecision) error
	// Access does what "postferry admin" asks.
	Access(ctx context.Context, req AccessRequest) (AccessReply, error)
	// Backup writes a backup of the state.
	Backup(ctx context.Context, withKey bool, w io.Writer) (store.BackedUp, error)
	// Clients tells which mail programs are connected to the daemon.
	Clients(ctx context.Context) ([]ConnectedClient, error)
	// Kick says goodbye to those that are logged in with a login, and returns how many they are.
	Kick(ctx context.Context, login string) (kicked int, err error)
	// SignIns returns how Postferry signs in at each domain's servers.
	SignIns(ctx context.Context) ([]SignInState, error)
	// TestSignIn tries one of them, step by step.
	TestSignIn(ctx context.Context, q SignInQuery) ([]tenant.Step, error)
	// Mailboxes fetches the list of a tenant's mailboxes.
	Mailboxes(ctx context.Context, q SignInQuery) ([]directory.Mailbox, error)
	// Consent has the owner of a mailbox agree, and keeps that. ask is what has to be done for it.
	Consent(ctx context.Context, q SignInQuery, ask func(tenant.Prompt) error) error
	// ForgetConsent forgets it, and tells whether the provider was told.
	ForgetConsent(ctx context.Context, q SignInQuery) (told bool, err error)
	// Close lets go of the state or the daemon.
	Close() error
}

// routes are all that can be asked for. Whoever can connect may ask for all of it.
func (c *server) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		pathDomains:         answering(c.domains),
		pathAccounts:        answering(c.importAccounts),
		pathSync:            c.sync,
		pathStatus:          c.status,
		pathQuarantine:      c.quarantine,
		pathQuarantineRetry: c.retryQuarantined,
		pathQuarantineMail:  c.quarantinedMail,
		pathFolder:          answering(c.decideFolder),
		pathAlias:           answering(c.decideAlias),
		pathMailbox:         answering(c.decideMailbox),
		pathVerify:          c.verify,
		pathPlan:            c.plan,
		pathAdvise:          answering(c.advise),
		pathPrepare:         c.prepare,
		pathFinish:          answering(c.finish),
		pathForget:          answering(c.forget),
		pathReports:         answering(c.reports),
		pathAccess:          answering(c.backend.Access),
		pathBackup:          c.backup,
		pathClients:         answering(c.clients),
		pathKick:            answering(c.kick),
		pathSignIns:         answering(c.signIns),
		pathSignInTest:      answering(c.testSignIn),
		pathMailboxes:       answering(c.mailboxes),
		pathConsent:         c.consent,
		pathForgetConsent:   answering(c.forgetConsent),
	}
}

// SyncResult is how one account's pass ended.
type SyncResult struct {
	ID          store.AccountID `json:"-"` // known where the state is
	Login       string          `json:"login"`
	Pass        store.Pass      `json:"pass"`
	Problem     *store.Problem  `json:"problem,omitempty"`
	Quarantined uint64          `json:"quarantined"` // messages in quarantine after the pass
}

// Complete reports whether everything of the account is on the new server.
func (r SyncResult) Complete() bool {
	return r.Pass.Complete && r.Problem == nil && r.Quarantined == 0
}
