// Package quota tells whether an account's mail fits into its mailbox on the new server.
//
// An account whose mail can't fit is not begun: filled to the brim, the mailbox would refuse the mail
// that arrives there. As far as the servers tell: the new one its quota, the old one how much there is.
// It counts as too much only if it is more than the whole quota by sizeDoubt, as some of it may be on
// the new server already and servers count differently. What is tight beside that shows while copying
// (OVERQUOTA).
//
// It must not know how mail is copied.
package quota

import (
	"context"
	"fmt"
	"time"

	"postferry/internal/humanize"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/problem"
	"postferry/syncer/session"
	"postferry/upstream"
)

// sizeDoubt is by how much the two servers may differ about the same mail: a part of it.
const sizeDoubt = 20

// Problem is what is wrong with the room on the new server for an account
// that has not begun; nil if nothing is, as far as is known. rows are the
// folders as planned.
func Problem(ctx context.Context, host string, old session.Source, new session.Target, rows []store.Folder, status map[string]upstream.Status) (*store.Problem, error) {
	quotas, err := new.Quotas(ctx, foldertree.InboxName)
	if err != nil || len(quotas) == 0 {
		return nil, err
	}
	messages, octets, told := amount(rows, status)
	for _, q := range quotas {
		if q.Resource == "STORAGE" && !told {
			if octets, err = old.Used(ctx); err != nil {
				return nil, err
			}
		}
		if p := TooMuch(host, q, messages, octets); p != nil {
			return p, nil
		}
	}
	return nil, nil
}

// amount is how much is to be copied. told is false if the old server did not
// tell the octets of all folders.
func amount(rows []store.Folder, status map[string]upstream.Status) (messages, octets uint64, told bool) {
	told = true
	for _, f := range rows {
		st, there := status[f.Old]
		if !there || f.State == store.FolderSkipped || f.State == store.FolderDeleted || f.State == store.FolderMissing || f.AllMail {
			continue
		}
		messages += uint64(st.Messages)
		octets += st.Size
		told = told && (st.Size > 0 || st.Messages == 0)
	}
	return messages, octets, told
}

// TooMuch compares with a quota of the new server.
func TooMuch(host string, q upstream.Quota, messages, octets uint64) *store.Problem {
	var what, limit reason.Reason
	switch q.Resource {
	case "STORAGE": // in units of 1024 octets (RFC 9208 section 5.1)
		if need := octets / 1024; need-need/sizeDoubt > q.Limit {
			what, limit = reason.Said(humanize.RoundSize(octets)), reason.Said(humanize.RoundSize(q.Limit*1024))
		}
	case "MESSAGE":
		if messages > q.Limit {
			what, limit = reason.Of(reason.Messages, messages), reason.Of(reason.Messages, q.Limit)
		}
	}
	if what == "" {
		return nil
	}
	now := time.Now()
	return &store.Problem{
		Kind: store.OverQuota, Server: store.NewSide, Host: host, Advice: store.RetryLater, Since: now, Retry: now.Add(problem.QuotaRetry),
		Summary: reason.Of(reason.TroubleNotFitting, what, host, limit),
		Cause:   fmt.Sprintf("quota %q: %s %d of %d used", q.Root, q.Resource, q.Usage, q.Limit),
	}
}
