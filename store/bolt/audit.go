package bolt

import (
	"bytes"
	"context"
	"errors"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// maxAudit and maxAuditEach are how many entries the audit log keeps that are
// about no domain, and of each domain. So nobody who looks after one domain can
// push out what others did.
const (
	maxAudit     = 20_000
	maxAuditEach = 5_000
)

// AddAudit implements store.Access.
func (b audit) AddAudit(ctx context.Context, e store.AuditEntry) error {
	if err := store.CheckAuditEntry(&e); err != nil {
		return err
	}
	return b.data.update(ctx, 3, func(tx *bbolt.Tx) error { return addAudit(tx, &e) })
}

// addAudit appends an entry that is right.
func addAudit(tx *bbolt.Tx, e *store.AuditEntry) error {
	audit := root(tx, bucketAudit)
	audit.FillPercent = accountFill
	id, err := audit.NextSequence()
	if err != nil {
		return err
	}
	if err := audit.Put(rows.EncodeNumber(id), rows.EncodeAudit(e)); err != nil {
		return err
	}
	return indexAudit(tx, e.Domain, id)
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
	if err := index.Put(rows.EncodeNumber(id), nil); err != nil {
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
	var entries []store.AuditEntry
	if err := root(tx, bucketAudit).ForEach(func(key, row []byte) error {
		e, err := rows.DecodeAudit(key, row)
		if err != nil {
			return rows.Damaged(bucketAudit, key, err)
		}
		entries = append(entries, store.AuditEntry{ID: e.ID, Domain: e.Domain})
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

// Audit implements store.Access.
func (b audit) Audit(ctx context.Context, q store.AuditQuery) (entries []store.AuditEntry, err error) {
	if q.Limit < 1 {
		return nil, store.Invalid("%d audit entries asked for", q.Limit)
	}
	err = b.data.view(ctx, func(tx *bbolt.Tx) error {
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
			e, err := rows.DecodeAudit(key, audit.Get(key))
			if err != nil {
				return rows.Damaged(bucketAudit, key, err)
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
		if key, _ := c.Seek(rows.EncodeNumber(limit)); key != nil {
			return c.Prev()
		}
	}
	return c.Last()
}
