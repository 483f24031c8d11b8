package admin

import (
	"context"
	"strconv"
	"time"

	"postferry/store"
)

// auditOf is what a change was about.
type auditOf struct {
	domain, account, detail string
	count                   int // of accounts or messages; it is the detail if there is none
}

// note writes to the audit log that an actor did something.
func (a *app) note(ctx context.Context, who actor, action string, of auditOf) error {
	if of.detail == "" && of.count > 0 {
		of.detail = strconv.Itoa(of.count)
	}
	return a.store.AddAudit(context.WithoutCancel(ctx), store.AuditEntry{
		When: a.now(), Who: who.who, From: who.from, Action: action,
		Domain: of.domain, Account: of.account, Detail: of.detail,
	})
}

// auditView is a line of the audit log.
type auditView struct {
	ID      uint64    `json:"id"`
	When    time.Time `json:"when"`
	Who     string    `json:"who"`
	From    string    `json:"from"`
	Action  string    `json:"action"`
	Domain  string    `json:"domain"`
	Account string    `json:"account"`
	Detail  string    `json:"detail"`
}

// listAudit reads the audit log, newest first: entries below before (0: all),
// of one domain or ("") of all that are the actor's business.
func (a *app) listAudit(ctx context.Context, who actor, domain string, before uint64, limit int) ([]auditView, error) {
	if !who.all() {
		if domain != "" && domain != who.scope {
			return nil, errNotFound("domain")
		}
		domain = who.scope
	}
	entries, err := a.store.Audit(ctx, store.AuditQuery{Domain: domain, Before: before, Limit: min(max(limit, 1), maxPerPage)})
	if err != nil {
		return nil, err
	}
	views := make([]auditView, len(entries))
	for i, e := range entries {
		views[i] = auditView(e)
	}
	return views, nil
}
