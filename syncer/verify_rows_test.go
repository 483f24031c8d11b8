package syncer_test

import (
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// row is a folder's row in the store, by its title.
func (m *move) row(title string) store.Folder {
	m.t.Helper()
	rows, err := m.store.Folders(m.t.Context(), m.id)
	if err != nil {
		m.t.Fatal(err)
	}
	i := slices.IndexFunc(rows, func(f store.Folder) bool { return f.Title == title })
	if i < 0 {
		m.t.Fatalf("no row of %q", title)
	}
	return rows[i]
}

func (m *move) put(f store.Folder) {
	m.t.Helper()
	if _, err := m.store.PutFolders(m.t.Context(), m.id, []store.Folder{f}); err != nil {
		m.t.Fatal(err)
	}
}

// TestVerifyRows: a folder that its user renamed is found under its new name,
// and one that its user deleted is no damage.
func TestVerifyRows(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	m.sync()
	before, clean := m.verify(false)

	const title = "Projekte/Übersicht"
	m.on("", func(c *imapclient.Client) error { return c.Rename(title, "Umbenannt", nil).Wait() })
	renamed := m.row(title)
	renamed.New = "Umbenannt"
	m.put(renamed)
	found, sums := m.verify(false)
	if sums.Same != clean.Same || sums.Found[report.FolderMissing] != 0 {
		t.Errorf("renamed: %q, %+v", found, sums)
	}

	m.on("", func(c *imapclient.Client) error { return c.Delete("Umbenannt").Wait() })
	m.wants(false, append(slices.Clone(before), "folder-missing "+title)...)
	renamed.State = store.FolderDeleted
	m.put(renamed)
	m.wants(false, before...)
	if _, sums := m.verify(false); sums.Found[report.FolderRemoved] != 1 {
		t.Errorf("deleted: %+v", sums)
	}
}

// TestVerifyQuarantine: what is missing because a server refuses it is damage
// with a reason.
func TestVerifyQuarantine(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	m.sync()
	before, _ := m.verify(false)
	sent := m.row("Gesendet")
	ledger, err := m.store.Ledger(t.Context(), m.id, sent.ID)
	if err != nil {
		t.Fatal(err)
	}
	m.on("Sent", func(c *imapclient.Client) error { return expunge(c, 1) })
	key := ledger.Entries[0].Key
	err = m.store.Commit(t.Context(), store.Batch{
		Account: m.id, Folder: sent.ID, Forget: []store.Key{key},
		Quarantine: []store.Quarantined{{Key: key, Reason: reason.Said("the new server refuses it"), Attempts: 1, Since: time.Now(), Last: time.Now()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.wants(false, append(slices.Clone(before), "quarantined Gesendet|the new server refuses it")...)
}
