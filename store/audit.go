package store

import (
	"bytes"
	"context"
	"errors"
	"time"

	"go.etcd.io/bbolt"
)

// maxAudit and maxAuditEach are how many entries the audit log keeps that are
// about no domain, and of each domain. So nobody who looks after one domain can
// push out what others did.
const (
	maxAudit     = 20_000
	maxAuditEach = 5_000
)

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
	Domain string    // only those of this domain; "" for all
	Before uint64    // only entries with smaller IDs; 0 for the newest
	Since  time.Time // no entries before this; zero for all
	Limit  int       // at most so many; at least 1
}

// AddAudit implements Access.
func (b *Bolt) AddAudit(ctx context.Context, e AuditEntry) error {
	switch {
	case e.Action == "":
		return invalid("an audit entry without an action")
	case len(e.Domain) > maxName:
		return invalid("an audit entry about a domain of %d octets: at most %d are allowed", len(e.Domain), maxName)
	}
	return b.update(ctx, 3, func(tx *bbolt.Tx) error {
		audit := root(tx, bucketAudit)
		audit.FillPercent = accountFill
		id, err := audit.NextSequence()
		if err != nil {
			return err
		}
		if err := audit.Put(encodeNumber(id), encodeAudit(&e)); err != nil {
			return err
		}
		return indexAudit(tx, e.Domain, id)
	})
}

// auditIndex names the bucket of a domain's entries within bucketAuditDomains. A name
// can't be empty, that of no domain is.
func auditIndex(domain string) []byte { return []byte("@" + domain) }

// indexAudit enters a new entry in its domain's index, and removes those that are too
// many there. The sequence of an index counts its entries.
func indexAudit(tx *bbolt.Tx, domain string, id uint64) error {
	index, err := root(tx, bucketAuditDomains).CreateBucketIfNotExists(auditIndex(domain))
	if err != nil {
		return err
	}
	index.FillPercent = accountFill
	most := uint64(maxAuditEach)
	if domain == "" {
		most = maxAudit
	}
	if err := index.Put(encodeNumber(id), nil); err != nil {
		return err
	}
	kept := index.Sequence() + 1
	for ; kept > most; kept-- {
		key, _ := index.Cursor().First()
		oldest := bytes.Clone(key)
		if err := errors.Join(root(tx, bucketAudit).Delete(oldest), index.Delete(oldest)); err != nil {
			return err
		}
	}
	return index.SetSequence(kept)
}

// indexAllAudit makes the indexes of a database that has none yet.
func indexAllAudit(tx *bbolt.Tx) error {
	if root(tx, bucketAuditDomains) != nil || root(tx, bucketAudit) == nil {
		return nil
	}
	if _, err := tx.CreateBucket([]byte(bucketAuditDomains)); err != nil {
		return err
	}
	var entries []AuditEntry
	if err := root(tx, bucketAudit).ForEach(func(key, row []byte) error {
		e, err := decodeAudit(key, row)
		if err != nil {
			return damaged(bucketAudit, key, err)
		}
		entries = append(entries, AuditEntry{ID: e.ID, Domain: e.Domain})
		return nil
	}); err != nil {
		return err
	}
	for _, e := range entries {
		if err := indexAudit(tx, e.Domain, e.ID); err != nil {
			return err
		}
	}
	return nil
}

// Audit implements Access.
func (b *Bolt) Audit(ctx context.Context, q AuditQuery) (entries []AuditEntry, err error) {
	if q.Limit < 1 {
		return nil, invalid("%d audit entries asked for", q.Limit)
	}
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		audit := root(tx, bucketAudit)
		index := audit
		if q.Domain != "" {
			index = root(tx, bucketAuditDomains).Bucket(auditIndex(q.Domain))
		}
		if index == nil {
			return nil
		}
		c := index.Cursor()
		for key, _ := lastBelow(c, q.Before); key != nil && len(entries) < q.Limit; key, _ = c.Prev() {
			e, err := decodeAudit(key, audit.Get(key))
			if err != nil {
				return damaged(bucketAudit, key, err)
			}
			if e.When.Before(q.Since) {
				return nil
			}
			entries = append(entries, e)
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
