package store

import (
	"fmt"
	"testing"

	"go.etcd.io/bbolt"
)

// TestAuditIsBounded puts the numbers near the bound rather than writing
// 20,000 entries.
func TestAuditIsBounded(t *testing.T) {
	b := open(t, t.TempDir())
	for i := range 3 {
		if err := b.AddAudit(t.Context(), AuditEntry{Action: "login", Detail: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.db.Update(func(tx *bbolt.Tx) error { return root(tx, bucketAudit).SetSequence(maxAudit + 1) }); err != nil {
		t.Fatal(err)
	}
	if err := b.AddAudit(t.Context(), AuditEntry{Action: "login", Detail: "last"}); err != nil {
		t.Fatal(err)
	}
	got, err := b.Audit(t.Context(), AuditQuery{Limit: 10})
	if err != nil || len(got) != 3 || got[0].Detail != "last" || got[2].Detail != "0" {
		t.Errorf("%+v, %v", got, err)
	}
}
