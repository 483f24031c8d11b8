package access

import (
	"context"
	"strconv"
	"strings"
	"time"

	"postferry/store"

	"github.com/rs/zerolog"
)

// About is what a change was about.
type About struct {
	Domain, Account, Detail string
	Count                   int // of accounts or messages; it is the detail if there is none
}

// Nameless leaves the account out if there are others.
func (of About) Nameless() About {
	if of.Count > 1 {
		of.Account = ""
	}
	return of
}

// Audit is the audit log.
type Audit struct {
	Store auditStore
	log   zerolog.Logger
}

// NewAudit makes the log.
func NewAudit(keeps auditStore, log zerolog.Logger) *Audit {
	return &Audit{keeps, log}
}

// maxEntries bounds how many lines are read at a time.
const maxEntries = 200

// maxDetail bounds what an entry says. Octets.
const maxDetail = 1000

// Note writes to the audit log that an actor did something, and to the log, which is
// kept elsewhere. Whatever somebody does who looks after one domain is that domain's:
// a domain's entries push out none but each other.
func (a *Audit) Note(ctx context.Context, who Actor, action string, of About) error {
	if of.Detail == "" && of.Count > 0 {
		of.Detail = strconv.Itoa(of.Count)
	}
	if len(of.Detail) > maxDetail {
		of.Detail = strings.ToValidUTF8(of.Detail[:maxDetail], "") + "..."
	}
	if !who.All() {
		of.Domain = who.Scope
	}
	a.log.Info().Str("who", who.Name).Str("from", who.from).Str("action", action).
		Str("domain", of.Domain).Str("account", of.Account).Str("detail", of.Detail).Msg("audit")
	return a.Store.AddAudit(context.WithoutCancel(ctx), store.AuditEntry{
		When: time.Now(), Who: who.Name, From: who.from, Action: action,
		Domain: of.Domain, Account: of.Account, Detail: of.Detail,
	})
}

// AuditView is a line of the audit log.
type AuditView struct {
	ID      uint64    `json:"id"`
	When    time.Time `json:"when"`
	Who     string    `json:"who"`
	From    string    `json:"from"`
	Action  string    `json:"action"`
	Domain  string    `json:"domain"`
	Account string    `json:"account"`
	Detail  string    `json:"detail"`
}

// List reads the audit log, newest first: entries below before (0: all),
// of one domain or ("") of all that are the actor's business. Whoever looks after one
// domain learns nothing of an earlier one of that name.
func (a *Audit) List(ctx context.Context, who Actor, domain string, before uint64, limit int) ([]AuditView, error) {
	q := store.AuditQuery{Domain: domain, Before: before, Limit: min(max(limit, 1), maxEntries)}
	if !who.All() {
		if domain != "" && domain != who.Scope {
			return nil, NotFound("domain")
		}
		q.Domain = who.Scope
		var err error
		if q.Since, err = a.since(ctx, who.Scope); err != nil {
			return nil, err
		}
	}
	entries, err := a.Store.Audit(ctx, q)
	if err != nil {
		return nil, err
	}
	views := make([]AuditView, len(entries))
	for i, e := range entries {
		views[i] = AuditView(e)
	}
	return views, nil
}

// since is when a domain was set up here; zero if it was not.
func (a *Audit) since(ctx context.Context, domain string) (time.Time, error) {
	all, err := a.Store.Domains(ctx)
	for i := range all {
		if all[i].Name == domain {
			return all[i].Created, err
		}
	}
	return time.Time{}, err
}
