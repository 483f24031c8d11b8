package store

import (
	"context"
	"time"

	"go.etcd.io/bbolt"
)

// maxAudit is how many entries the audit log keeps.
const maxAudit = 20_000

// AuditEntry says that somebody did something with the import page. It never
// holds a secret.
type AuditEntry struct {
	ID      uint64 // given by the store; later entries have larger ones
	When    time.Time
	Who     string // an administrator's name, "token NAME", or "command line"
	From    string // address the request came from; "" on the command line
	Action  string // what was done: a stable snake_case word
	Domain  string // which domain it concerns; "" for none
	Account string // login of the account it concerns, if it is one
	Detail  string // figures and names, e.g. "added 12, updated 3"
}

// AuditQuery says which entries are wanted.
type AuditQuery struct {
	Domain string // only those of this domain; "" for all
	Before uint64 // only entries with smaller IDs; 0 for the newest
	Limit  int    // at most so many; at least 1
}

// AddAudit implements Access.
func (b *Bolt) AddAudit(ctx context.Context, e AuditEntry) error {
	if e.Action == "" {
		return invalid("an audit entry without an action")
	}
	return b.update(ctx, 2, func(tx *bbolt.Tx) error {
		audit := root(tx, bucketAudit)
		audit.FillPercent = accountFill
		id, err := audit.NextSequence()
		if err != nil {
			return err
		}
		if err := audit.Put(encodeNumber(id), encodeAudit(&e)); err != nil {
			return err
		}
		if id <= maxAudit {
			return nil
		}
		return audit.Delete(encodeNumber(id - maxAudit))
	})
}

// Audit implements Access.
func (b *Bolt) Audit(ctx context.Context, q AuditQuery) (entries []AuditEntry, err error) {
	if q.Limit < 1 {
		return nil, invalid("%d audit entries asked for", q.Limit)
	}
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		c := root(tx, bucketAudit).Cursor()
		for key, row := lastBelow(c, q.Before); key != nil && len(entries) < q.Limit; key, row = c.Prev() {
			e, err := decodeAudit(key, row)
			if err != nil {
				return damaged(bucketAudit, key, err)
			}
			if q.Domain == "" || e.Domain == q.Domain {
				entries = append(entries, e)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// lastBelow finds the last row whose number is smaller than limit, the very
// last if limit is 0.
func lastBelow(c *bbolt.Cursor, limit uint64) (key, row []byte) {
	if limit > 0 {
		if key, _ := c.Seek(encodeNumber(limit)); key != nil {
			return c.Prev()
		}
	}
	return c.Last()
}

func encodeAudit(a *AuditEntry) []byte {
	var e encoder
	e.time(a.When)
	e.text(a.Who)
	e.text(a.From)
	e.text(a.Action)
	e.text(a.Domain)
	e.text(a.Account)
	e.text(a.Detail)
	return e
}

func decodeAudit(key, row []byte) (AuditEntry, error) {
	id, err := decodeNumber(key)
	if err != nil {
		return AuditEntry{}, err
	}
	d := decoder{rest: row}
	a := AuditEntry{
		ID:      id,
		When:    d.time(),
		Who:     d.text(),
		From:    d.text(),
		Action:  d.text(),
		Domain:  d.text(),
		Account: d.text(),
		Detail:  d.text(),
	}
	return a, d.done()
}
