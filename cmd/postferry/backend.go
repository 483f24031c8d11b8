package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"postferry/config"
	"postferry/store"
	"postferry/syncer"
	"postferry/syncer/verify"
)

// backend is what the commands do with the state: in this process
// (local), or through the daemon that holds it (remote).
type backend interface {
	// Domains returns all domains, those of the configuration and others.
	Domains(ctx context.Context) ([]config.Domain, error)
	// Import adds or updates accounts, all or none.
	Import(ctx context.Context, accounts []store.Account) (added, updated int, err error)
	// Sync makes one pass over the accounts of logins, over all if there are
	// none. progress is called from another goroutine, never after Sync returned.
	Sync(ctx context.Context, logins []string, progress func(live []syncer.Live, waiting int)) ([]syncResult, error)
	// Status calls emit with the totals and then with each account.
	Status(ctx context.Context, q statusQuery, emit func(statusRecord) error) error
	// Verify compares the servers and tells what is found, one call at a time.
	Verify(ctx context.Context, q verifyQuery, tell func(verify.Event) error) error
	// Plan tells what a pass would do: the pace first, then each account.
	Plan(ctx context.Context, logins []string, tell func(planRecord) error) error
	// Quarantine calls emit with each message that one of the servers refuses, or
	// that was repaired.
	Quarantine(ctx context.Context, q quarantineQuery, emit func(quarantineRecord) error) error
	// RetryQuarantined releases messages, so that the next pass tries them again;
	// a daemon begins one.
	RetryQuarantined(ctx context.Context, q quarantineQuery) (released int, err error)
	// QuarantinedMail reads the messages themselves from the old servers.
	QuarantinedMail(ctx context.Context, q quarantineQuery, sink quarantineSink) error
	// DecideFolder does with a missing folder what somebody says, and returns its title.
	DecideFolder(ctx context.Context, d folderDecision) (title string, err error)
	// DecideAlias does what somebody says of two logins.
	DecideAlias(ctx context.Context, d aliasDecision) error
	// Access does what "postferry admin" asks.
	Access(ctx context.Context, req accessRequest) (accessReply, error)
	// Backup writes a backup of the state.
	Backup(ctx context.Context, withKey bool, w io.Writer) (store.BackedUp, error)
	// Close lets go of the state or the daemon.
	Close() error
}

// syncResult is how one account's pass ended.
type syncResult struct {
	id          store.AccountID
	Login       string         `json:"login"`
	Pass        store.Pass     `json:"pass"`
	Problem     *store.Problem `json:"problem,omitempty"`
	Quarantined uint64         `json:"quarantined"` // messages in quarantine after the pass
}

// complete reports whether everything of the account is on the new server.
func (r syncResult) complete() bool {
	return r.Pass.Complete && r.Problem == nil && r.Quarantined == 0
}

// unknownLogins is the error for logins that are no account's.
type unknownLogins []string

func (u unknownLogins) Error() string {
	const most = 20
	names := u[:min(len(u), most)]
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	text := "no such account: " + strings.Join(quoted, ", ")
	if len(u) > most {
		text += fmt.Sprintf(" and %d more", len(u)-most)
	}
	return text + " (postferry status lists the accounts there are)"
}
